//! What is told, as lines for people.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::story::{Told, What};

const DIM: Style = Style::new().dimmed();

/// Whether a line has the one word from the closed list of reasons, by which it can be searched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    Said,
    /// The message says the same in more words; a terminal is narrow.
    Left,
}

/// One thing that happened.
pub(super) fn line(told: &Told, with: Reason) -> String {
    let Told { what, elapsed, subject, reason, message } = told;
    let style = style_of(*what);
    let (label, text) = match what {
        What::Started => (subject.as_str(), message.clone()),
        // `Restarted by Flippy (<token>): <why>`; the token is for machines.
        What::Restarted => {
            let why = message.split_once("): ").map_or(message.as_str(), |(_, why)| why);
            (what.as_str(), format!("{subject}: {why}"))
        }
        What::Turn | What::Waiting | What::Skipped | What::Futile | What::Failed if with == Reason::Left => {
            (what.as_str(), format!("{subject}: {message}"))
        }
        What::Turn | What::Waiting | What::Skipped | What::Futile | What::Failed => {
            (what.as_str(), format!("{subject} ({reason}): {message}"))
        }
    };
    let text = one_line(&text);
    format!("{DIM}{}{DIM:#}  {style}{label:<9}{style:#}  {text}", clock(*elapsed))
}

/// `01:02:03` since the beginning.
pub(super) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

fn style_of(what: What) -> Style {
    match what {
        What::Started => Style::new().bold(),
        What::Turn => AnsiColor::Cyan.on_default(),
        What::Restarted => AnsiColor::Green.on_default(),
        What::Waiting | What::Skipped => AnsiColor::Yellow.on_default(),
        What::Futile | What::Failed => AnsiColor::Red.on_default(),
    }
}

/// Others' words may have line ends in them.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_of_a_restart_is_not_for_people() {
        let told = Told {
            what: What::Restarted,
            elapsed: Duration::from_secs(3_723),
            subject: "Deployment shop/cart".to_owned(),
            reason: "Restarted".to_owned(),
            message: "Restarted by Flippy (ab12-1): istio-proxy runs x".to_owned(),
        };
        let plain = anstream::adapter::strip_str(&line(&told, Reason::Said)).to_string();
        assert_eq!(plain, "01:02:03  restarted  Deployment shop/cart: istio-proxy runs x");
    }
}
