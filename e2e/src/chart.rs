//! The chart, rendered by the real Helm.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::apply;
use crate::assets::Assets;
use crate::modules::KUBERNETES_VERSION;

/// Where the chart is.
pub fn directory() -> PathBuf {
    root().join("charts/flippy")
}

/// Values that switch on everything that is optional.
pub fn everything() -> PathBuf {
    root().join("e2e/everything.yaml")
}

/// Runs Helm in the root of the repository.
pub fn helm(arguments: &[&str]) -> Result<Output> {
    let mut helm = Command::new(Assets::find()?.binary("helm"));
    Ok(helm.args(arguments).current_dir(root()).stdin(Stdio::null()).output()?)
}

/// What a release called `flippy` in a namespace would install, as YAML.
pub fn render_text(namespace: &str, arguments: &[&str]) -> Result<String> {
    let directory = directory();
    let mut all = vec!["template", "flippy", directory.to_str().unwrap_or_default(), "--namespace", namespace];
    all.extend(["--kube-version", KUBERNETES_VERSION]);
    all.extend(arguments);
    let output = helm(&all)?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// What a release called `flippy` in a namespace would install.
pub fn render(namespace: &str, arguments: &[&str]) -> Result<Vec<Value>> {
    apply::parse(&render_text(namespace, arguments)?)
}

fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("this crate is in a folder of the root")
}
