//! The end: verdicts, a summary, and how to do the same on a real cluster.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Serialize;

use super::args::DemoOutput;
use super::campaign::Outcome;
use super::ended::Ended;
use super::screen::{Screen, json_line};
use crate::cli::Output;
use crate::plan::view::ConfigView;
use crate::render::{self, Look};
use crate::times::spoken;

/// How it ended.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename = "result", rename_all = "camelCase")]
pub(super) struct Ending {
    pub(super) outcome: Outcome,
    pub(super) seed: u64,
    pub(super) cluster_seconds: f64,
    pub(super) restarts: usize,
    pub(super) left_alone: Vec<String>,
    pub(super) configs: Vec<ConfigView>,
    /// Differs from run to run, so it is told on a terminal only.
    #[serde(skip)]
    pub(super) real: Duration,
}

const ON_A_REAL_CLUSTER: &str = "\
The same on a real cluster:
  flippy plan -f mesh.yaml          what it would do; changes nothing (`flippy demo --print-config` has a config)
  kubectl apply -f deploy/          install the operator
  kubectl apply -f mesh.yaml        and watch: kubectl get flippyconfigs -A -w
";

/// Shows it.
pub(super) fn show(mut ending: Ending, output: DemoOutput, screen: &Screen) -> Result<(), Ended> {
    if output == DemoOutput::Json {
        return json_line(&ending);
    }
    let summary = summary(&ending, screen.is_live());
    let folded = if screen.is_live() && output == DemoOutput::Table { fold_fresh(&mut ending.configs) } else { 0 };
    let (table, look) = match output {
        DemoOutput::Wide => (Output::Wide, Look::of_stdout()),
        DemoOutput::Table | DemoOutput::Json => (Output::Table, Look::of_stdout()),
    };
    screen.say(&format!("\n{}", render::plans(&ending.configs, table, look)?))?;
    let mut text = String::new();
    if folded > 0 {
        let _ = writeln!(text, "not listed: {folded} fresh workloads (-o wide lists them)");
    }
    if !ending.left_alone.is_empty() {
        let _ = writeln!(text, "left alone (flippy-ignore): {}", ending.left_alone.join(", "));
    }
    screen.say(&format!("{text}\n{summary}\n\n{ON_A_REAL_CLUSTER}"))
}

/// The table is for what is of interest; how many are fresh is said below it.
fn fold_fresh(configs: &mut [ConfigView]) -> usize {
    let mut folded = 0;
    for plan in configs.iter_mut().filter_map(|config| config.plan.as_mut()) {
        let before = plan.workloads.len();
        plan.workloads.retain(|workload| workload.verdict != "Fresh");
        folded += before - plan.workloads.len();
    }
    folded
}

fn summary(ending: &Ending, live: bool) -> String {
    let how = match ending.outcome {
        Outcome::Settled => "The campaign is over",
        Outcome::OutOfTime => "The campaign is not over, but the demo is",
        Outcome::Interrupted => "Interrupted",
    };
    let took = spoken(Duration::from_secs_f64(ending.cluster_seconds));
    let yours = if live { format!(" ({:.1} s of yours)", ending.real.as_secs_f64()) } else { String::new() };
    format!("{how}: {} restarts in {took} of cluster time{yours}, seed {}.", ending.restarts, ending.seed)
}
