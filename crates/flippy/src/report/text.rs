//! Others' words in a page. Markup is escaped where it is written; what is left is what would confuse a reader.

/// Letters of one text, at most: a message is read by people.
const LONGEST: usize = 600;

/// One line, without what controls a terminal or turns the direction of what follows.
pub(super) fn shown(text: &str) -> String {
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown: String =
        words.chars().take(LONGEST).map(|letter| if turns(letter) { '\u{fffd}' } else { letter }).collect();
    if words.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    shown
}

fn turns(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_confuse_a_reader_is_shown_as_such() {
        assert_eq!(shown("a\n b\u{1b}[31m \u{202e}c"), "a b\u{fffd}[31m \u{fffd}c");
        assert_eq!(shown(&"x".repeat(1_000)).chars().count(), 601);
    }
}
