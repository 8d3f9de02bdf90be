//! Restarts that failed or were futile, and that a person wants to be made again.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use thiserror::Error;

use crate::workload::{Kind, NamedWorkload};

/// What a person wants to be tried again.
///
/// It stands on the config, and is counted as done by the restart itself: one that was made at that time or later is
/// not tried again. So a crash forgets nothing and repeats nothing, whoever reads it how often.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Retries(Vec<Retry>);

/// One wish.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Retry {
    /// What was restarted before this time is tried again, not before it has come.
    pub at: Timestamp,
    /// The only workload that is meant; `None`: all.
    pub only: Option<NamedWorkload>,
}

/// Text that is no list of wishes.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is nothing to try again: write a time, for example 2026-01-05T22:00:00Z, or a time and KIND/NAMESPACE/NAME"
)]
pub struct RetryParseError(String);

impl Retries {
    /// Wishes that are remembered. The oldest are forgotten first: they were heard long ago.
    pub const MAX: usize = 20;

    /// Reads a list with commas. What is more than [`Self::MAX`] is not read.
    ///
    /// # Errors
    /// When any of it is no wish.
    pub fn parse(text: &str) -> Result<Self, RetryParseError> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        words.take(Self::MAX).map(str::parse).collect::<Result<_, _>>().map(Self)
    }

    /// These and one more, the newest first.
    #[must_use]
    pub fn with(self, retry: &Retry) -> Self {
        let older = self.0.into_iter().filter(|older| older.only != retry.only && retry.only.is_some());
        let mut all = vec![retry.clone()];
        all.extend(older);
        all.truncate(Self::MAX);
        Self(all)
    }

    /// When a restart of this workload that was made at `made_at` is to be tried again, if anybody wants that. That time
    /// may lie ahead: clocks differ, and only a restart that is made later ends the wish.
    pub(crate) fn after(&self, workload: &NamedWorkload, made_at: Timestamp) -> Option<Timestamp> {
        let meant = self.0.iter().filter(|retry| retry.only.as_ref().is_none_or(|only| only == workload));
        meant.map(|retry| retry.at).filter(|at| made_at < *at).min()
    }
}

impl fmt::Display for Retries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, retry) in self.0.iter().enumerate() {
            let separator = if position == 0 { "" } else { ", " };
            write!(f, "{separator}{}", retry.at)?;
            if let Some(NamedWorkload { kind, namespace, name }) = &retry.only {
                write!(f, " {kind}/{namespace}/{name}")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Retry {
    type Err = RetryParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = || {
            let (time, only) = text.split_once(' ').map_or((text, None), |(time, only)| (time, Some(only.trim())));
            let at = time.parse().ok()?;
            Some(Self { at, only: only.map(|only| workload(only).ok_or(())).transpose().ok()? })
        };
        parsed().ok_or_else(|| RetryParseError(text.to_owned()))
    }
}

fn workload(text: &str) -> Option<NamedWorkload> {
    let (kind, path) = text.split_once('/')?;
    let (namespace, name) =
        path.split_once('/').filter(|(namespace, name)| !namespace.is_empty() && !name.is_empty())?;
    let kind = Kind::of_name(kind)?;
    Some(NamedWorkload { kind, namespace: namespace.into(), name: name.into() })
}
