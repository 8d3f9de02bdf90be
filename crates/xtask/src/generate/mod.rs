//! `cargo xtask generate`: checked-in files that a program writes.

mod chart;
mod reference;

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use crate::{command, workspace};

#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Change nothing, fail when a file is not what would be written
    #[arg(long)]
    pub(crate) check: bool,
}

/// Files by their path in the repository. None: it should not be there.
type Files = BTreeMap<String, Option<String>>;

pub(crate) async fn run(arguments: &Arguments) -> Result<()> {
    let definition = print(&["--package", "flippy", "--", "crd"]).await?;
    let reasons = print(&["--package", "flippy-core", "--example", "reasons"]).await?;
    let commands = print(&["--package", "flippy", "--", "reference", "markdown"]).await?;
    let metrics = print(&["--package", "flippy-operator", "--example", "metrics"]).await?;
    // The chart is rendered with what it is about to contain.
    let mut files = Files::from([
        ("charts/flippy/files/crd.yaml".to_owned(), Some(definition.clone())),
        ("deploy/crd.yaml".to_owned(), Some(definition.clone())),
        ("docs/cli.md".to_owned(), Some(commands)),
        ("docs/metrics.md".to_owned(), Some(metrics)),
        ("docs/reasons.md".to_owned(), Some(reasons)),
        ("docs/reference.md".to_owned(), Some(reference::of_configs(&definition)?)),
        ("charts/flippy/README.md".to_owned(), Some(reference::of_values()?)),
    ]);
    files.extend(chart::manifests().await?);

    let mut old = Vec::new();
    for (file, fresh) in &files {
        let path = workspace::root().join(file);
        if std::fs::read_to_string(&path).ok() == *fresh {
            continue;
        }
        match fresh {
            _ if arguments.check => old.push(file.as_str()),
            Some(fresh) => {
                std::fs::write(&path, fresh).with_context(|| format!("cannot write {}", path.display()))?;
                println!("wrote {file}");
            }
            None => {
                std::fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
                println!("removed {file}");
            }
        }
    }
    if !old.is_empty() {
        bail!("not what would be generated: {}; run `cargo xtask generate`", old.join(", "));
    }
    println!("{} generated files are fresh", files.len());
    Ok(())
}

async fn print(what: &[&str]) -> Result<String> {
    let mut print = command::cargo();
    print.args(["run", "--quiet"]).args(what);
    command::output(print).await.with_context(|| format!("cannot generate what {} prints", what.join(" ")))
}
