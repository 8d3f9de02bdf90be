//! Plans as text.

pub(crate) mod machine;
mod summary;
mod table;
mod waves;

use std::io::{IsTerminal as _, stdout};

use crate::cli::Output;
use crate::exit::Failure;
use crate::plan::view::ConfigView;

/// For whom it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// Somebody reads it now: colours, lines wrapped to the width.
    Terminal,
    /// A program or a file: one workload a line, no colours.
    Plain,
}

impl Look {
    pub(crate) fn of_stdout() -> Self {
        if stdout().is_terminal() { Self::Terminal } else { Self::Plain }
    }
}

/// One line that a terminal can be given. Others' words may have line ends and escape sequences in them.
pub(crate) fn printable(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    words.chars().map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect()
}

/// Shows plans.
pub(crate) fn plans(views: &[ConfigView], output: Output, look: Look) -> Result<String, Failure> {
    match output {
        Output::Json => machine::json(views),
        Output::Yaml => machine::yaml(views),
        Output::Table | Output::Wide => Ok(people(views, output == Output::Wide, look)),
    }
}

fn people(views: &[ConfigView], wide: bool, look: Look) -> String {
    if views.is_empty() {
        return "no FlippyConfig in the cluster: apply one, or plan a file with `flippy plan -f config.yaml`\n"
            .to_owned();
    }
    let shown = views.iter().filter_map(|view| Some((view, view.plan.as_ref()?)));
    let shown: Vec<String> = shown
        .map(|(view, plan)| {
            let table = if plan.workloads.is_empty() {
                String::new()
            } else {
                table::workloads(&plan.workloads, wide, look) + "\n\n" + &waves::table(&plan.waves, look)
            };
            format!("{}\n\n{table}{}", summary::heading(view, plan, look), summary::below(plan))
        })
        .collect();
    shown.join("\n")
}

/// Shows plans without their workloads.
pub(crate) fn brief(views: &[ConfigView], look: Look) -> String {
    let shown = views.iter().filter_map(|view| Some((view, view.plan.as_ref()?)));
    let shown: Vec<String> = shown
        .map(|(view, plan)| {
            let waves = waves::table(&plan.waves, look);
            format!("{}\n{waves}{}", summary::heading(view, plan, look), summary::below(plan))
        })
        .collect();
    shown.join("\n")
}

#[cfg(test)]
mod tests;
