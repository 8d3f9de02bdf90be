//! Commands and what they print.

/// A command, and the lines that it prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// What is typed.
    pub typed: String,
    /// What is printed. A line `…` stands for any lines, `…` in a line for anything in it. How much space there is between
    /// words does not matter.
    pub printed: Vec<String>,
}

/// The commands of a block.
pub fn commands(block: &str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut goes_on = false;
    for line in block.lines() {
        if let Some(typed) = line.strip_prefix("$ ") {
            commands.push(Command { typed: typed.to_owned(), printed: Vec::new() });
            goes_on = typed.ends_with('\\');
        } else if let Some(command) = commands.last_mut() {
            if goes_on {
                command.typed.push('\n');
                command.typed.push_str(line);
                goes_on = line.ends_with('\\');
            } else {
                command.printed.push(line.to_owned());
            }
        }
    }
    commands
}

/// Whether what was printed is what should be.
pub fn agree(expected: &[String], printed: &str) -> bool {
    let printed: Vec<String> = printed.lines().map(squeezed).filter(|line| !line.is_empty()).collect();
    let expected: Vec<String> = expected.iter().map(|line| squeezed(line)).filter(|line| !line.is_empty()).collect();
    lines_agree(&expected, &printed)
}

fn lines_agree(expected: &[String], printed: &[String]) -> bool {
    match expected.split_first() {
        None => printed.is_empty(),
        Some((first, rest)) if first == "…" => {
            (0..=printed.len()).any(|skipped| lines_agree(rest, &printed[skipped..]))
        }
        Some((first, rest)) => {
            printed.split_first().is_some_and(|(line, printed)| line_agrees(first, line) && lines_agree(rest, printed))
        }
    }
}

fn line_agrees(expected: &str, printed: &str) -> bool {
    let mut parts = expected.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = printed.strip_prefix(first) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return rest.is_empty() };
    for part in between {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

fn squeezed(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::{agree, commands};

    fn expected(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_command_may_go_on_in_the_next_line_and_what_follows_is_printed() {
        let commands = commands("$ a \\\n    b\nc\n\n$ d\n");
        assert_eq!(commands[0].typed, "a \\\n    b");
        assert_eq!(commands[0].printed, ["c", ""]);
        assert_eq!(commands[1].printed, Vec::<String>::new());
    }

    #[test]
    fn space_does_not_matter_and_words_do() {
        assert!(agree(&expected("NAME   AGE\na  …\n"), "NAME AGE\na    17s\n"));
        assert!(!agree(&expected("NAME   AGE\n"), "NAME\n"));
        assert!(!agree(&expected("a"), "a\nb"));
    }

    #[test]
    fn an_ellipsis_stands_for_what_is_between() {
        assert!(agree(&expected("a…c"), "abc"));
        assert!(!agree(&expected("a…c"), "abx"));
        assert!(agree(&expected("…\nb\n…"), "a\nb\n"));
        assert!(!agree(&expected("…\nb\n…"), "a\nc\n"));
    }
}
