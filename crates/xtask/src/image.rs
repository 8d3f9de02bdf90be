//! `cargo xtask image-root`: the root file system of the image, and a look whether it works.
//!
//! The Dockerfile is this and `FROM scratch`, so that everything about the image can be tried without a container engine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use tokio::process::Command;

use crate::{command, workspace};

/// Who runs in it: nobody in particular, as in distroless images.
const USER: &str = "65532:65532";

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
    /// The directory to write, which must not exist [default: target/image-root]
    #[arg(long)]
    output: Option<PathBuf>,
    /// Run it, with that directory as the root and without any rights
    #[arg(long)]
    check: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Architecture {
    Amd64,
    Arm64,
}

impl Architecture {
    fn target(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-unknown-linux-musl",
            Self::Arm64 => "aarch64-unknown-linux-musl",
        }
    }

    /// The target of the machine that builds, if it is of this architecture.
    fn same_with_glibc(self) -> Option<&'static str> {
        match self {
            Self::Amd64 if cfg!(target_arch = "x86_64") => Some("x86_64-unknown-linux-gnu"),
            Self::Arm64 if cfg!(target_arch = "aarch64") => Some("aarch64-unknown-linux-gnu"),
            Self::Amd64 | Self::Arm64 => None,
        }
    }

    /// The compiler of the little C and assembler in `ring`. It needs no libc, so that for another libc will do.
    fn c_compiler(self) -> &'static str {
        match self {
            Self::Amd64 if cfg!(target_arch = "x86_64") => "cc",
            Self::Arm64 if cfg!(target_arch = "aarch64") => "cc",
            Self::Amd64 => "x86_64-linux-gnu-gcc",
            Self::Arm64 => "aarch64-linux-gnu-gcc",
        }
    }
}

/// What CI does: everything but the release's long optimisation. Returns what to know about it.
pub(crate) async fn check() -> Result<Option<String>> {
    let output = workspace::target().join("image-root");
    if output.exists() {
        std::fs::remove_dir_all(&output)?;
    }
    let arguments =
        Arguments { architecture: Architecture::Amd64, profile: "dev".to_owned(), output: Some(output), check: true };
    run(&arguments).await?;
    Ok(Some("amd64, run with its root file system as the root".to_owned()))
}

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let root = arguments.output.clone().unwrap_or_else(|| workspace::target().join("image-root"));
    ensure!(!root.exists(), "{} is there already: remove it, or choose another --output", root.display());
    let binary = build(arguments).await?;
    lay_out(&root, &binary)?;
    println!("the root of the image is {}", root.display());
    if arguments.check {
        works(&root).await?;
    }
    Ok(())
}

async fn build(arguments: &Arguments) -> Result<PathBuf> {
    let mut target = arguments.architecture.target();
    let mut build = command::cargo();
    // The list of dependencies inside of the binary, which scanners of images read.
    if command::find("cargo-auditable").is_some() {
        build.arg("auditable");
    } else {
        println!("cargo-auditable is not installed: the binary will not say what it was built from");
    }
    let mut add = command::program("rustup");
    add.args(["target", "add", target]);
    if let Err(error) = command::run(add).await {
        let glibc = arguments.architecture.same_with_glibc();
        target = glibc.with_context(|| format!("{error}: the standard library for {target} cannot be had"))?;
        println!(
            "NOT THE IMAGE THAT IS SHIPPED: the standard library for musl cannot be had ({error}); it is linked \
             statically with glibc instead, which cannot look names up without its own files"
        );
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    build.args(["build", "--package", "flippy", "--locked", "--target", target, "--profile", &arguments.profile]);
    let c_compiler = arguments.architecture.c_compiler();
    build.env(format!("CC_{}", target.replace('-', "_")), c_compiler);
    if c_compiler != "cc" {
        // It brings its own start-up code and libc for this kind of target.
        build.env(format!("CARGO_TARGET_{}_LINKER", target.replace('-', "_").to_uppercase()), "rust-lld");
    }
    command::run(build).await?;
    let directory = if arguments.profile == "dev" { "debug" } else { &arguments.profile };
    Ok(workspace::target().join(target).join(directory).join("flippy"))
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

/// Runs it where nothing else is: no libc, no shell, no time zones.
async fn works(root: &Path) -> Result<()> {
    let version = command::output(inside(root, &["--version"])?).await?;
    print!("it says: {version}");
    // The operator at work, on a cluster in memory, as fast as it goes.
    let demo = command::output(inside(root, &["demo", "--speed", "max", "--output", "json"])?).await?;
    let end = demo.lines().last().unwrap_or_default();
    ensure!(end.contains("\"type\":\"result\""), "its campaign ended without a result: {end}");
    println!("it ran a campaign on a cluster in memory: {end}");
    let definition = command::output(inside(root, &["crd"])?).await?;
    let checked_in = std::fs::read_to_string(workspace::root().join("deploy/crd.yaml"))?;
    ensure!(definition == checked_in, "its definition of FlippyConfig is not the one in deploy/crd.yaml");
    Ok(())
}

/// A command with the directory as its root. Without the rights of root, user namespaces must be allowed.
fn inside(root: &Path, arguments: &[&str]) -> Result<Command> {
    if command::find("chroot").is_none() {
        bail!("there is no chroot: install coreutils");
    }
    let mut command = if is_root() {
        let mut chroot = command::program("chroot");
        chroot.arg(format!("--userspec={USER}"));
        chroot
    } else {
        let mut unshare = command::program("unshare");
        unshare.args(["--map-root-user", "chroot"]);
        unshare
    };
    command.arg(root).arg("/flippy").args(arguments).env_clear();
    if let Some(path) = std::env::var_os("PATH") {
        command.env("PATH", path);
    }
    Ok(command)
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // Whose process this is, the owner of its entry says.
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
