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

mod admission;
mod asking;
mod budget;
mod claims;
mod coverage;
mod cron;
mod crowding;
mod custom_kind;
mod custom_rollout;
mod desired;
mod disruption;
mod drift;
mod eta;
mod eviction;
mod explain;
mod foresight;
mod futility;
mod gate;
mod image;
mod injection;
mod labels;
mod left_alone;
mod mark;
mod method;
mod mirror;
mod notice;
mod pace;
mod plan;
mod pod;
mod policy;
mod progress;
mod query;
mod query_gate;
mod question;
mod reason;
mod retry;
mod scope;
mod selector;
mod snapshot;
mod source;
mod standstill;
mod status;
mod strategy;
mod template;
mod turns;
mod verdict;
mod wanted;
mod wave;
mod waves;
mod window;
mod workload;

pub use admission::{AdmissionAnswer, AskedAbout, NewPod};
pub use asking::{AdmissionQuestion, AdmissionQuestions};
pub use claims::Claims;
pub use cron::{Schedule, ScheduleParseError};
pub use crowding::{Throttle, room_for_pods};
pub use custom_kind::{CustomKind, CustomKindError};
pub use custom_rollout::{CustomFacts, TemplateEffect};
pub use desired::DesiredImages;
pub use disruption::{DisruptionBudget, DisruptionFacts, Disrupts, MAX_GROUP_LENGTH, NoDisruption, Turn, group_name};
pub use drift::{Drift, drift_of};
pub use eta::{Estimate, Rate};
pub use eviction::{Evicting, Eviction, EvictionWait, NextEviction};
pub use explain::{ContainerFinding, Explanation, LastRestart, Link, PodFinding, Wait, explain, rollouts_made_from};
pub use foresight::AdmissionHold;
pub use gate::{Gate, GateFact, PreconditionFact, ShutBy, preconditions};
pub use image::{ImageParseError, ImageRef};
pub use injection::{DriftDetection, MissingSidecar};
pub use labels::{Labels, contains_all};
pub use left_alone::{LeftAlone, StrayFacts, WhyLeftAlone, is_of_known_kind};
pub use mark::{RestartMark, RestartToken, TokenParseError, annotation};
pub use method::{Method, MethodChoice};
pub use mirror::{ImagePrefix, MAX_MIRRORS, Mirror, MirrorError, Mirrors, PrefixParseError};
pub use notice::{Happening, Ledger, Notice, Notification, Told, Webhook, WebhookAddress, WebhookFormat, notices};
pub use pace::{Decision, Hold, MAX_STARTS_PER_PASS, Start, pace};
pub use plan::{FirstRestart, FirstState, Plan, PlanEntry, plan};
pub use pod::{Container, Pod, PodState};
pub use policy::{Policy, PolicyName, Precondition, RestartFirst, RestartObject, SpecNote, Waiting};
pub use progress::{Progress, progress_of};
pub use query::{Comparison, PrometheusQuery, QueryAnswer, Reading, SecretKey, Threshold};
pub use query_gate::{
    QueryGate, QueryGateFact, QueryHistory, QueryState, are_gates_asked, query_gates, query_gates_as_told,
};
pub use question::{Lacking, ScopeLink, ScopeQuestion};
pub use reason::{Place, REASONS, Reason};
pub use retry::{Retries, Retry, RetryParseError};
pub use scope::{Scope, is_ignored};
pub use selector::{Requirement, Selector};
pub use snapshot::{PodIndex, Refusal, ReplicaSet, Snapshot};
pub use source::{ConfigMapName, ImageSource, MAX_SOURCE_IMAGES, SourcePart};
pub use status::{Condition, ConditionStatus, Counters, ListedWorkload, StatusFacts, status_facts};
pub use strategy::{DisruptionBudgets, Limit, SingleReplica, Strategy};
pub use template::{FieldPath, Template, TemplateParseError};
pub use verdict::{BlockedReason, DriftReason, FailedReason, FutileReason, StaleBy, Verdict};
pub use wave::{Approval, Approved, Campaign, ClaimedApproval, REST, RememberedWave, Wave, WaveMemory};
pub use waves::{WaveFact, WaveHold, WaveState, Waves, waves};
pub use window::{TooShort, Window, WindowKind, WindowState, window_state};
pub use workload::{
    ArgoPhase, ArgoRolloutFacts, DaemonSetFacts, DeploymentFacts, Kind, KindParseError, NamedWorkload, Owner,
    ReplicasFacts, RolloutFacts, StatefulSetFacts, UpdateStrategy, Workload, WorkloadRef,
};

pub use jiff::tz::TimeZone;
pub use jiff::{SignedDuration, Timestamp};
