//! `cargo xtask generate`: checked-in files that a program writes.

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing, fail when a file is not what would be written
    #[arg(long)]
    pub(crate) check: bool,
}

/// A file, and the arguments of the cargo that prints it.
struct Generated {
    file: &'static str,
    cargo: &'static [&'static str],
}

/// Everything that is generated.
const GENERATED: &[Generated] = &[
    Generated { file: "deploy/crd.yaml", cargo: &["run", "--quiet", "--package", "flippy", "--", "crd"] },
    Generated { file: "docs/cli.md", cargo: &["run", "--quiet", "--package", "flippy", "--", "reference", "markdown"] },
    Generated {
        file: "docs/reasons.md",
        cargo: &["run", "--quiet", "--package", "flippy-core", "--example", "reasons"],
    },
];

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let mut old = Vec::new();
    for generated in GENERATED {
        let mut print = command::cargo();
        print.args(generated.cargo);
        let fresh = command::output(print).await.with_context(|| format!("cannot generate {}", generated.file))?;
        let path = workspace::root().join(generated.file);
        if std::fs::read_to_string(&path).is_ok_and(|text| text == fresh) {
            continue;
        }
        if arguments.check {
            old.push(generated.file);
        } else {
            std::fs::write(&path, fresh).with_context(|| format!("cannot write {}", path.display()))?;
            println!("wrote {}", generated.file);
        }
    }
    if !old.is_empty() {
        bail!("not what would be generated: {}; run `cargo xtask generate`", old.join(", "));
    }
    println!("{} generated files are fresh", GENERATED.len());
    Ok(())
}
