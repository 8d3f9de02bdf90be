//! Speaks: the `FlippyConfig` resource, its schema, its conversion to a policy, and its status.

mod convert;
mod crd;
mod resource;
mod spec;
mod status;
mod turn;

pub use convert::{ConversionOptions, InvalidSpec, Problem, policy};
pub use crd::{crd, crd_yaml};
pub use resource::FlippyConfig;
pub use spec::{FlippyCondition, FlippyConfigSpec, K8S, ProcessFilter, RestartObject, StatusCheckConfig};
pub use status::{
    ConfigCondition, FlippyConfigStatus, Listed, PreconditionStatus, WorkloadCounts, next_status, problem_status,
    status_patch, unmet_since,
};
pub use turn::{Turn, turn_of};
