//! Where a campaign is shown.

use std::io::Write as _;
use std::time::Duration;

use flippy_core::{NamedWorkload, Timestamp};

use super::ending::Ending;
use super::frame;
use super::told::Told;
use crate::exit::{self, Failure};
use crate::live::Live;
use crate::plan::view::ConfigView;
use crate::render::{self, Look, printable};
use crate::status::text;
use crate::status::view::StatusView;
use crate::times::whole_second;

/// One way to show it.
pub(super) enum Screen {
    /// Somebody watches: bars that move.
    Live(Live),
    /// One line for everything that happens.
    Lines,
    /// The same for programs.
    Json,
}

/// How it ended, in words.
pub(super) struct Farewell<'a> {
    pub(super) ending: Ending,
    pub(super) message: String,
    pub(super) under_way: Vec<String>,
    pub(super) views: &'a [StatusView],
}

impl Screen {
    pub(super) fn of_stdout(json: bool) -> Self {
        match (json, Look::of_stdout()) {
            (true, _) => Self::Json,
            (false, Look::Plain) => Self::Lines,
            (false, Look::Terminal) => Self::Live(Live::new()),
        }
    }

    /// What is about to be done.
    pub(super) fn planned(&self, views: &[ConfigView], now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Json => views.iter().filter_map(|view| Told::planned(view, now)).try_for_each(|told| json(&told)),
            Self::Lines | Self::Live(_) => exit::print(&render::brief(views, Look::of_stdout())),
        }
    }

    /// A restart was made. A terminal shows that in its bars.
    pub(super) fn restarted(&self, workload: &NamedWorkload, at: Timestamp, message: &str) -> Result<(), Failure> {
        match self {
            Self::Live(_) => Ok(()),
            Self::Lines => exit::print(&format!("{} {workload}: {}\n", whole_second(at), printable(message))),
            Self::Json => json(&Told::restarted(workload, at, message)),
        }
    }

    /// How a config stands now.
    pub(super) fn progress(&self, view: &StatusView, now: Timestamp) -> Result<(), Failure> {
        match self {
            Self::Live(_) => Ok(()),
            Self::Lines => exit::print(&format!("{} {}\n", whole_second(now), text::line(view))),
            Self::Json => json(&Told::Progress { at: now.to_string(), status: view }),
        }
    }

    /// Shows how everything stands, where that is drawn again and again.
    pub(super) fn draw(&mut self, views: &[StatusView], elapsed: Duration, now: Timestamp) {
        if let Self::Live(live) = self {
            live.draw(&frame::lines(views, elapsed, now));
        }
    }

    /// Makes room for a question.
    pub(super) fn clear(&mut self) {
        if let Self::Live(live) = self {
            live.clear();
        }
    }

    /// The last words.
    pub(super) fn ended(&mut self, farewell: &Farewell<'_>) -> Result<(), Failure> {
        self.clear();
        let Farewell { ending, message, under_way, views } = farewell;
        if matches!(self, Self::Json) {
            let (at, exit_code) = (Timestamp::now().to_string(), ending.exit_code());
            return json(&Told::Ended { at, outcome: *ending, exit_code, message, under_way, configs: views });
        }
        let look = Look::of_stdout();
        let shown: String = views.iter().map(|view| text::text(std::slice::from_ref(view), look)).collect();
        exit::print(&format!("{shown}{message}\n"))
    }
}

fn json(told: &Told<'_>) -> Result<(), Failure> {
    let mut text = serde_json::to_vec(told).map_err(|error| Failure::error(format!("cannot write JSON: {error}")))?;
    text.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&text).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::error(format!("cannot write the output: {error}")))
        }
        // A reader that has seen enough does not end a campaign.
        _ => Ok(()),
    }
}
