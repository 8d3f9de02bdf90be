//! The bill of materials (SBOM) of an image, as `CycloneDX`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::command;

/// Reads the list of dependencies out of a binary.
const TOOL: &str = "auditable2cdx";

/// Crates without which it would be somebody else's.
const EXPECTED: [&str; 3] = ["flippy-core", "kube", "rustls"];

/// Whether the tool for it is installed; says so if not.
pub(super) fn can_be_made() -> bool {
    let is_there = command::find(TOOL).is_some();
    if !is_there {
        println!("{TOOL} is not installed: there will be no bill of materials beside the image");
    }
    is_there
}

/// Writes it beside the root of the image, from what is inside of the binary there: what scanners will find.
pub(super) async fn write(root: &Path) -> Result<PathBuf> {
    let mut read = command::program(TOOL);
    read.arg(root.join("flippy"));
    let text = command::output(read).await?;
    let materials: Value = serde_json::from_str(&text).context("the bill of materials is no JSON")?;
    let components = materials["components"].as_array().context("the bill of materials has no components")?;
    for name in EXPECTED {
        let is_there = components.iter().any(|component| component["name"] == name && component["version"].is_string());
        ensure!(is_there, "the bill of materials does not name {name}, which is in the binary");
    }
    let path = root.with_extension("cdx.json");
    std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
