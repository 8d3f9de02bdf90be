//! `cargo xtask test`: everything that CI runs. What is cheap comes first; the first failure ends it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{command, deny, e2e, generate, go, image, simulate};

/// What is checked, in this order.
const STEPS: [Step; 12] = [
    Step::Format,
    Step::Spelling,
    Step::Dependencies,
    Step::Lints,
    Step::Docs,
    Step::Generated,
    Step::Alerts,
    Step::Tests,
    Step::Image,
    Step::Simulation,
    Step::ControlPlane,
    Step::EndToEnd,
];

/// The fixed share of seeds that every change is tried on.
const SEEDS: &str = "0..6000";

#[derive(Debug, Clone, Copy)]
enum Step {
    Format,
    Spelling,
    Dependencies,
    Lints,
    Docs,
    Generated,
    Alerts,
    Tests,
    Image,
    Simulation,
    ControlPlane,
    EndToEnd,
}

/// A step that was taken.
struct Taken {
    step: Step,
    time: Duration,
    /// `ok`, or what to know about it.
    remark: String,
}

pub(crate) async fn run() -> Result<()> {
    let mut taken = Vec::new();
    let mut failure = None;
    for (number, step) in STEPS.into_iter().enumerate() {
        println!("\n=== {}/{}: {}", number + 1, STEPS.len(), step.name());
        let started = Instant::now();
        let outcome = step.take().await;
        let remark = match &outcome {
            Ok(remark) => remark.clone().unwrap_or("ok".to_owned()),
            Err(_) => "FAILED".to_owned(),
        };
        taken.push(Taken { step, time: started.elapsed(), remark });
        if let Err(error) = outcome {
            failure = Some(error.context(format!("{} failed", step.name())));
            break;
        }
    }
    print_summary(&taken);
    failure.map_or(Ok(()), Err)
}

fn print_summary(taken: &[Taken]) {
    println!("\n=== summary");
    for Taken { step, time, remark } in taken {
        println!("{:<14} {:>6.1} s  {remark}", step.name(), time.as_secs_f32());
    }
    for step in &STEPS[taken.len()..] {
        println!("{:<14} {:>8}  not run", step.name(), "");
    }
    let total: Duration = taken.iter().map(|step| step.time).sum();
    println!("{:<14} {:>6.1} s", "in all", total.as_secs_f32());
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Format => "format",
            Self::Spelling => "spelling",
            Self::Dependencies => "dependencies",
            Self::Lints => "lints",
            Self::Docs => "docs",
            Self::Generated => "generated",
            Self::Alerts => "alerts",
            Self::Tests => "tests",
            Self::Image => "image",
            Self::Simulation => "simulation",
            Self::ControlPlane => "control plane",
            Self::EndToEnd => "end to end",
        }
    }

    /// Takes the step. What it returns is for the summary.
    async fn take(self) -> Result<Option<String>> {
        match self {
            Self::Format => cargo(&["fmt", "--all", "--check"]).await,
            Self::Spelling => spelling().await,
            Self::Dependencies => deny::check().await,
            Self::Lints => {
                cargo(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]).await?;
                cargo(&["clippy", "--package", "flippy", "--features", "otlp", "--all-targets", "--", "-D", "warnings"])
                    .await
            }
            Self::Docs => docs().await,
            Self::Generated => {
                generate::run(&generate::Arguments { check: true }).await?;
                Ok(None)
            }
            Self::Alerts => alerts().await,
            Self::Tests => {
                cargo(&["test", "--workspace", "--exclude", "flippy-e2e"]).await?;
                // What only a feature adds.
                cargo(&["test", "--package", "flippy", "--features", "otlp", "--bin", "flippy", "--test", "traces"])
                    .await?;
                // The scenarios of the end-to-end tests that need no control plane.
                cargo(&["test", "--package", "flippy-e2e", e2e::EMBEDDED]).await
            }
            Self::Image => image::check().await,
            Self::Simulation => {
                simulate::run(&simulate::Arguments::of(&["--seeds", SEEDS])).await?;
                Ok(Some(format!("seeds {SEEDS} and the regressions")))
            }
            Self::ControlPlane => {
                go::build_missing().await?;
                Ok(None)
            }
            Self::EndToEnd => {
                e2e::run(&e2e::Arguments::default()).await?;
                Ok(None)
            }
        }
    }
}

async fn cargo(arguments: &[&str]) -> Result<Option<String>> {
    let mut command = command::cargo();
    command.args(arguments);
    println!("{}", command::shown(&command));
    command::run(command).await?;
    Ok(None)
}

async fn docs() -> Result<Option<String>> {
    let mut command = command::cargo();
    command.args(["doc", "--workspace", "--no-deps", "--document-private-items"]).env("RUSTDOCFLAGS", "-D warnings");
    command::run(command).await?;
    Ok(None)
}

async fn spelling() -> Result<Option<String>> {
    let typos = command::find("typos")
        .context("typos is not installed: `cargo install --locked typos-cli`, or run .ci/run once")?;
    command::run(command::program(typos)).await?;
    Ok(None)
}

/// Prometheus' own tests of the rules that the chart installs.
async fn alerts() -> Result<Option<String>> {
    let promtool = command::find("promtool")
        .context("promtool is not installed: it comes with Prometheus (`apt-get install prometheus`)")?;
    for arguments in [["check", "charts/flippy/rules/flippy.yaml"], ["test", "e2e/rules/flippy.yaml"]] {
        let mut command = command::program(&promtool);
        command.args([arguments[0], "rules", arguments[1]]);
        command::run(command).await?;
    }
    Ok(None)
}
