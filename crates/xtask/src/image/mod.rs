//! `cargo xtask image-root`: the root file system of the image, and a look whether it works.
//!
//! The Dockerfile is this and `FROM scratch`, so that everything about the image can be tried without a container engine.

mod architecture;
mod build;
mod materials;
mod trial;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::workspace;
use architecture::Architecture;

/// Where the authorities of public certificates are on the machine that builds, and in the image.
const AUTHORITIES: &str = "etc/ssl/certs/ca-certificates.crt";

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Architecture of the image
    #[arg(long, value_enum, default_value = "amd64")]
    architecture: Architecture,
    /// Profile of cargo; `dev` is built faster
    #[arg(long, default_value = "release")]
    profile: String,
    /// The directory to write, which must not exist; the bill of materials is put beside it
    /// [default: target/image-root]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Run it, with that directory as the root and without any rights
    #[arg(long)]
    check: bool,
}

/// What CI does: everything but the release's long optimisation. Returns what to know about it.
pub(crate) async fn check() -> Result<Option<String>> {
    let mut told = Vec::new();
    for architecture in [Architecture::Amd64, Architecture::Arm64] {
        let name = architecture.name();
        if let Some(missing) = architecture.missing_here() {
            println!("WARNING: the image for {name} is NOT built: {missing}");
            told.push(format!("{name} NOT built"));
            continue;
        }
        let output = workspace::target().join(format!("image-root-{name}"));
        if output.exists() {
            std::fs::remove_dir_all(&output)?;
        }
        let arguments = Arguments { architecture, profile: "dev".to_owned(), output: Some(output), check: true };
        let has_materials = run(&arguments).await?;
        told.push(format!("{name} run{}", if has_materials { "" } else { ", bill of materials NOT made" }));
    }
    Ok(Some(told.join("; ")))
}

/// Returns whether there is a bill of materials beside it.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    let root = arguments.output.clone().unwrap_or_else(|| workspace::target().join("image-root"));
    ensure!(!root.exists(), "{} is there already: remove it, or choose another --output", root.display());
    let built = build::build(arguments).await?;
    lay_out(&root, &built.binary)?;
    println!("the root of the image is {}", root.display());
    let has_materials = built.lists_dependencies && materials::can_be_made();
    if has_materials {
        let materials = materials::write(&root).await?;
        println!("its bill of materials is {}", materials.display());
    }
    if arguments.check {
        trial::works(&root, arguments.architecture).await?;
    }
    Ok(has_materials)
}

fn lay_out(root: &Path, binary: &Path) -> Result<()> {
    std::fs::create_dir_all(root.join("etc/ssl/certs"))?;
    std::fs::copy(binary, root.join("flippy")).with_context(|| format!("cannot copy {}", binary.display()))?;
    // Some tools want to know what the user is called.
    std::fs::write(root.join("etc/passwd"), "flippy:x:65532:65532::/:/\n")?;
    std::fs::write(root.join("etc/group"), "flippy:x:65532:\n")?;
    // For gates that ask a server on the internet. The cluster's own authority comes with its service account.
    let authorities = Path::new("/").join(AUTHORITIES);
    std::fs::copy(&authorities, root.join(AUTHORITIES))
        .with_context(|| format!("there is no {}: install ca-certificates", authorities.display()))?;
    Ok(())
}
