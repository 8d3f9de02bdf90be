//! Where the demo is shown.

use std::io::{IsTerminal as _, stdout};
use std::time::Duration;

use super::args::DemoOutput;
use super::ended::{Ended, print};
use super::live::Live;
use super::story::Told;
use super::words::{self, Reason};
use crate::exit::Failure;
use crate::plan::view::ConfigView;

/// One way to show it.
pub(super) enum Screen {
    /// Somebody watches: progress that moves, and what is remarkable above it.
    Live(Live),
    /// One line for everything that happens.
    Lines,
    /// The same for programs.
    Json,
}

impl Screen {
    pub(super) fn of_stdout(output: DemoOutput) -> Self {
        match output {
            DemoOutput::Json => Self::Json,
            DemoOutput::Table | DemoOutput::Wide if stdout().is_terminal() => Self::Live(Live::new()),
            DemoOutput::Table | DemoOutput::Wide => Self::Lines,
        }
    }

    pub(super) fn is_live(&self) -> bool {
        matches!(self, Self::Live(_))
    }

    /// Tells something.
    pub(super) fn tell(&mut self, told: &Told) -> Result<(), Ended> {
        match self {
            Self::Live(live) => live.tell(told),
            Self::Lines => print(&(words::line(told, Reason::Said) + "\n")),
            Self::Json => json_line(told),
        }
    }

    /// Says something to people; programs know.
    pub(super) fn say(&self, text: &str) -> Result<(), Ended> {
        match self {
            Self::Json => Ok(()),
            Self::Live(live) => live.print(text),
            Self::Lines => print(text),
        }
    }

    /// Whether it is time to draw again.
    pub(super) fn is_due(&self) -> bool {
        matches!(self, Self::Live(live) if live.is_due())
    }

    pub(super) fn draw(&mut self, views: &[ConfigView], elapsed: Duration, restarts: usize) {
        if let Self::Live(live) = self {
            live.draw(views, elapsed, restarts);
        }
    }

    /// Leaves the bars as they are, and takes away what would lie.
    pub(super) fn finish(&mut self) -> Result<(), Ended> {
        match self {
            Self::Live(live) => live.finish(),
            Self::Lines | Self::Json => Ok(()),
        }
    }
}

/// One object, one line.
pub(super) fn json_line(object: &impl serde::Serialize) -> Result<(), Ended> {
    let text = serde_json::to_string(object);
    print(&(text.map_err(|error| Failure::error(format!("cannot write JSON: {error}")))? + "\n"))
}
