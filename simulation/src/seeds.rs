//! Which seeds are run.

use std::num::ParseIntError;
use std::str::FromStr;

/// Seeds that failed once, with what they found; they are always run.
const REGRESSIONS: &str = include_str!("../regressions.txt");

/// `A..B`: from A up to, and without, B.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedRange {
    /// The first one.
    pub first: u64,
    /// The one after the last.
    pub end: u64,
}

impl FromStr for SeedRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let complaint = |why: &str| format!("`{text}` is no range of seeds ({why}): write for example 0..2000");
        let (first, end) = text.split_once("..").ok_or_else(|| complaint("no `..`"))?;
        let number = |text: &str| text.trim().parse().map_err(|error: ParseIntError| complaint(&error.to_string()));
        let range = Self { first: number(first)?, end: number(end)? };
        if range.first < range.end { Ok(range) } else { Err(complaint("it is empty")) }
    }
}

/// The seeds of `regressions.txt`: one a line, and after `#` what it found.
///
/// # Panics
/// When a line begins with something else than a number.
pub fn regressions() -> Vec<u64> {
    lines().map(|(seed, _)| seed).collect()
}

/// Whether a seed failed before there were short days, and is to have a long one for ever: its line says so.
pub(crate) fn failed_on_a_long_day(seed: u64) -> bool {
    lines().any(|(failed, rest)| failed == seed && rest == Some("long"))
}

/// Each seed, and the word after it.
fn lines() -> impl Iterator<Item = (u64, Option<&'static str>)> {
    let lines = REGRESSIONS.lines().map(|line| line.split('#').next().unwrap_or_default().split_whitespace());
    lines.filter_map(|mut words| {
        let seed = words.next()?.parse().expect("a regression is a number");
        Some((seed, words.next()))
    })
}
