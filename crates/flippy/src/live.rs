//! Lines on a terminal that are drawn again and again, at the same place.

use std::io::Write as _;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// One line. It is cut to the width of the terminal: what wraps could not be drawn over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// Words.
    Text(String),
    /// How much of something is done, and words.
    Bar {
        /// What.
        name: String,
        /// So many.
        done: u64,
        /// Of so many.
        total: u64,
        /// What else is to be said.
        words: String,
    },
}

/// What is on the terminal.
pub(crate) struct Live {
    all: MultiProgress,
    lines: Vec<ProgressBar>,
}

impl Live {
    pub(crate) fn new() -> Self {
        Self { all: MultiProgress::with_draw_target(ProgressDrawTarget::stdout()), lines: Vec::new() }
    }

    /// Draws these lines in the place of those before.
    pub(crate) fn draw(&mut self, lines: &[Line]) {
        while self.lines.len() < lines.len() {
            self.lines.push(self.all.add(ProgressBar::new_spinner()));
        }
        for line in self.lines.split_off(lines.len()) {
            self.all.remove(&line);
        }
        for (drawn, line) in self.lines.iter().zip(lines) {
            match line {
                Line::Text(words) => {
                    drawn.set_style(style("{wide_msg}"));
                    drawn.set_message(words.clone());
                }
                Line::Bar { name, done, total, words } => {
                    let looks = "{prefix} {bar:24.green/black.bright} {pos}/{len} {wide_msg}";
                    drawn.set_style(style(looks).progress_chars("━╸─"));
                    drawn.set_prefix(name.clone());
                    drawn.set_length(*total);
                    drawn.set_position(*done);
                    drawn.set_message(words.clone());
                }
            }
            drawn.tick();
        }
        park_cursor();
    }

    /// Takes everything off the terminal, until it is drawn again.
    pub(crate) fn clear(&mut self) {
        // A terminal that is gone shows nothing anyway.
        let _ = self.all.clear();
        // Dropped without that, each would be drawn a last time.
        for line in self.lines.drain(..) {
            self.all.remove(&line);
        }
    }
}

/// Every line is filled to the full width, so the next letter begins another one. On Ctrl-C the terminal itself writes
/// `^C`: one line below what is cleared then, and the first line would stay for ever.
fn park_cursor() {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(b"\r").and_then(|()| stdout.flush());
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a constant template is valid")
}
