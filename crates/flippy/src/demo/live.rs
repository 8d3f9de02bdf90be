//! Bars that move.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::ended::{Ended, print};
use super::story::{Told, What};
use super::tally::{Tally, kinds, under_way};
use super::words::{self, Reason};
use crate::plan::view::{ConfigView, PlanView};

/// Time between two frames.
const FRAME: Duration = Duration::from_millis(80);
/// Lines that are alike, at most.
const ALIKE: usize = 6;

/// A terminal with one bar per kind, and what is under way below.
pub(super) struct Live {
    all: MultiProgress,
    bars: Vec<(&'static str, ProgressBar)>,
    now: ProgressBar,
    clock: ProgressBar,
    drawn_at: Option<Instant>,
    is_finished: bool,
    told: BTreeMap<(What, String), usize>,
}

impl Live {
    pub(super) fn new() -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stdout());
        let line = || all.add(ProgressBar::new_spinner().with_style(style("  {wide_msg}")));
        let (now, clock) = (line(), line());
        Self { all, bars: Vec::new(), now, clock, drawn_at: None, is_finished: false, told: BTreeMap::new() }
    }

    /// Tells something, unless so much of the same kind was told that it would push everything else away.
    pub(super) fn tell(&mut self, told: &Told) -> Result<(), Ended> {
        // Restarts are seen in the bars.
        if told.what == What::Restarted {
            return Ok(());
        }
        let count = self.told.entry((told.what, told.reason.clone())).or_default();
        *count += 1;
        match *count {
            ..=ALIKE => self.print(&(words::line(told, Reason::Left) + "\n")),
            count if count == ALIKE + 1 => self.print(&format!(
                "          and more {} for the same reason: the table will list them\n",
                told.what.as_str()
            )),
            _ => Ok(()),
        }
    }

    /// Prints text above the bars; below them once they are finished.
    pub(super) fn print(&self, text: &str) -> Result<(), Ended> {
        // Suspended, finished bars would be drawn again.
        if self.is_finished { print(text) } else { self.all.suspend(|| print(text)) }
    }

    pub(super) fn is_due(&self) -> bool {
        self.drawn_at.is_none_or(|at| at.elapsed() >= FRAME)
    }

    pub(super) fn draw(&mut self, views: &[ConfigView], elapsed: Duration, restarts: usize) {
        self.drawn_at = Some(Instant::now());
        let plans: Vec<&PlanView> = views.iter().filter_map(|view| view.plan.as_ref()).collect();
        for kind in kinds(&plans) {
            let tally = Tally::of(&plans, kind);
            let bar = self.bar(kind);
            bar.set_length(tally.total);
            bar.set_position(tally.done);
            bar.set_message(tally.rest());
            bar.tick();
        }
        self.now.set_message(under_way(&plans));
        self.now.tick();
        self.clock.set_message(format!("{} of cluster time, {restarts} restarts; Ctrl-C stops", words::clock(elapsed)));
        self.clock.tick();
    }

    /// The bars stay as they are.
    pub(super) fn finish(&mut self) -> Result<(), Ended> {
        for (_, bar) in &self.bars {
            bar.abandon();
        }
        self.now.finish_and_clear();
        self.clock.finish_and_clear();
        self.is_finished = true;
        // The cursor is at the end of the last bar.
        print("\n")
    }

    fn bar(&mut self, kind: &'static str) -> ProgressBar {
        if let Some((_, bar)) = self.bars.iter().find(|(known, _)| *known == kind) {
            return bar.clone();
        }
        let looks =
            style("  {prefix:<12} {bar:24.green/black.bright} {pos:>3}/{len:<3} {wide_msg}").progress_chars("━╸─");
        let bar = ProgressBar::new(0).with_style(looks).with_prefix(kind);
        let bar = self.all.insert(self.bars.len(), bar);
        self.bars.push((kind, bar.clone()));
        bar
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template is valid")
}
