//! What is wrong with a spec.

use std::fmt;

use thiserror::Error;

use crate::bounds::{MAX_FIELD_MESSAGE_LENGTH, MAX_PROBLEMS, one_line};

/// Everything that is wrong with a spec. Displayed on one line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub struct InvalidSpec {
    /// At least one.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where, for example `spec.ImageList[2]`.
    pub path: String,
    /// What is there, and what to write instead.
    pub message: String,
}

impl Problem {
    /// The message may quote what a user wrote, so it is cut to one line that can be read.
    pub(crate) fn new(path: impl Into<String>, message: &str) -> Self {
        Self { path: path.into(), message: one_line(message, MAX_FIELD_MESSAGE_LENGTH) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, problem) in self.problems.iter().take(MAX_PROBLEMS).enumerate() {
            write!(f, "{}{problem}", if position > 0 { "; " } else { "" })?;
        }
        match self.problems.len().saturating_sub(MAX_PROBLEMS) {
            0 => Ok(()),
            more => write!(f, "; and {more} more problems"),
        }
    }
}
