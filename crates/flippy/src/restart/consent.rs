//! What is asked of somebody at a terminal.

use std::io::{BufRead as _, IsTerminal as _, Write as _, stdin};

use tokio::sync::oneshot;

/// Whether there is somebody who can answer.
pub(super) fn can_ask() -> bool {
    stdin().is_terminal()
}

/// Asks, and hands out the answer once there is one. Only `y` and `yes` are a yes.
///
/// In a thread of its own, not in one of the runtime's: nothing ends a read from a terminal, and the runtime would wait
/// for it when somebody has interrupted the program instead of answering.
pub(super) fn ask(question: &str) -> oneshot::Receiver<bool> {
    let mut stderr = anstream::stderr();
    let _ = write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush());
    let (answered, answer) = oneshot::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let is_read = stdin().lock().read_line(&mut line).is_ok();
        // Whoever asked may not wait any more.
        let _ = answered.send(is_read && is_yes(&line));
    });
    answer
}

fn is_yes(line: &str) -> bool {
    matches!(line.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_a_yes() {
        assert!(["y\n", " YES \n"].into_iter().all(is_yes));
        assert!(!["\n", "", "n\n", "yeah\n", "yy\n"].into_iter().any(is_yes));
    }
}
