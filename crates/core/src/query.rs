//! A question to a Prometheus server, its answer, and what a sample of that must be.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

/// A question to a Prometheus server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrometheusQuery {
    /// Where its API is: `http` or `https`, without credentials, `/api/v1/query` not included.
    pub url: Arc<str>,
    /// The question, in `PromQL`.
    pub query: Arc<str>,
    /// How long the answer may take.
    pub timeout: SignedDuration,
    /// Where the bearer token is, if one is sent: in the namespace of the config.
    pub token: Option<SecretKey>,
    /// The certificate authorities that are trusted instead of the system's, in PEM.
    pub ca_bundle: Option<Arc<str>>,
}

/// One key of a Secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretKey {
    /// Name of the Secret.
    pub name: Arc<str>,
    /// The key in it.
    pub key: Arc<str>,
}

/// What a sample must be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Threshold {
    /// How it must compare.
    pub comparison: Comparison,
    /// With what. Finite.
    pub value: f64,
}

/// How a sample must compare with the value of a [`Threshold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Threshold {
    /// Whether a sample compares true. Not a number never does.
    pub(crate) fn admits(self, sample: f64) -> bool {
        match self.comparison {
            Comparison::Less => sample < self.value,
            Comparison::LessOrEqual => sample <= self.value,
            Comparison::Greater => sample > self.value,
            Comparison::GreaterOrEqual => sample >= self.value,
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = match self.comparison {
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        };
        write!(f, "{sign} {}", self.value)
    }
}

/// What Prometheus said.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// A vector: one sample for each series, and the labels of the first, for people.
    Series {
        /// The samples. What is no plain number is `NaN`.
        samples: Vec<f64>,
        /// For example `{alertname="HighErrorRate"}`. Empty if there is no series.
        example: String,
    },
    /// A scalar.
    Scalar(f64),
}

/// An answer, or why there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct QueryAnswer {
    /// When it was asked for: what it says was true no later.
    pub asked_at: Timestamp,
    /// What was said, or why nothing is known, for people.
    pub reading: Result<Reading, String>,
}
