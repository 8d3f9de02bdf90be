//! Decides which workloads run stale sidecars, in which order and when they may be restarted.
//!
//! Everything here is a pure function: a [`Policy`], a [`Snapshot`] and the time go in, a [`Plan`] and a
//! [`Decision`] come out. There is no I/O, no clock, no randomness and no Kubernetes client in this crate,
//! which is why every decision can be tested with plain values and replayed from a recording.
//!
//! ```text
//! Snapshot + [Policy] ──► Claims ──► plan() ──► Plan ──► pace() ──► Decision ──► (operator acts)
//!                                                  └──► status_facts() ──► (operator reports)
//! ```

mod budget;
mod claims;
mod cron;
mod desired;
mod drift;
mod explain;
mod futility;
mod gate;
mod image;
mod labels;
mod mark;
mod pace;
mod plan;
mod pod;
mod policy;
mod progress;
mod question;
mod reason;
mod scope;
mod snapshot;
mod status;
mod strategy;
mod verdict;
mod window;
mod workload;

pub use claims::Claims;
pub use cron::{Schedule, ScheduleParseError};
pub use desired::DesiredImages;
pub use drift::{Drift, drift_of};
pub use explain::{ContainerFinding, Explanation, LastRestart, Link, PodFinding, Wait, explain, rollouts_made_from};
pub use gate::{Gate, GateFact, PreconditionFact, preconditions};
pub use image::{ImageParseError, ImageRef};
pub use labels::{Labels, contains_all};
pub use mark::{RestartMark, RestartToken, TokenParseError, annotation};
pub use pace::{Decision, Hold, MAX_STARTS_PER_PASS, Start, pace};
pub use plan::{FirstRestart, FirstState, Plan, PlanEntry, plan};
pub use pod::{Container, Pod, PodState};
pub use policy::{Policy, PolicyName, Precondition, RestartFirst, RestartObject, SpecNote, Waiting};
pub use progress::{Progress, progress_of};
pub use question::{Lacking, ScopeLink, ScopeQuestion};
pub use reason::{Place, REASONS, Reason};
pub use scope::{Scope, is_ignored};
pub use snapshot::{PodIndex, Refusal, ReplicaSet, Snapshot};
pub use status::{Condition, ConditionStatus, Counters, ListedWorkload, StatusFacts, status_facts};
pub use strategy::{Limit, SingleReplica, Strategy};
pub use verdict::{BlockedReason, DriftReason, FailedReason, Verdict};
pub use window::{Window, WindowKind, WindowState, window_state};
pub use workload::{
    ArgoPhase, ArgoRolloutFacts, DaemonSetFacts, DeploymentFacts, Kind, KindParseError, NamedWorkload, Owner,
    RolloutFacts, StatefulSetFacts, UpdateStrategy, Workload, WorkloadRef,
};

pub use jiff::tz::TimeZone;
pub use jiff::{SignedDuration, Timestamp};
