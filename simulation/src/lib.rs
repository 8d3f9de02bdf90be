//! Unlucky days for the real operator, and a judge who believes only the server.
//!
//! ```text
//! seed ──► Scenario ──► run (operator + simulated cluster) ──► History ──► checker ──► Findings ──► report
//! ```
//!
//! [`Scenario::draw`] makes of a seed a cluster, configs, what people do to both, faults and crashes; [`run()`] lets the
//! operator live through it on virtual time; the checker reads what the *server* recorded, never what the operator says,
//! and holds it against the invariants. The same seed is the same history, request by request.

mod checker;
mod knowledge;
mod life;
mod prometheus;
mod record;
mod replicas;
mod report;
mod run;
mod scenario;
mod seeds;

pub use checker::{Finding, Invariant};
pub use report::{about, replay, report};
pub use run::{Run, run};
pub use scenario::Scenario;
pub use seeds::{SeedRange, regressions};
