//! Speaks: the `FlippyConfig` resource, its schema, its conversion to a policy, and its status.

mod bounds;
mod convert;
mod crd;
mod duration;
mod elsewhere;
mod gate;
mod gate_rules;
mod gate_spec;
mod image_spec;
mod images;
mod injection;
mod next_status;
mod notification;
mod notification_rules;
mod notification_spec;
mod notified;
mod problem;
mod resource;
mod rules;
mod source_text;
mod spec;
mod status;
mod strategy;
mod target;
mod turn;
mod waiting;
mod wave;
mod wave_spec;
mod wave_status;
mod window;

pub use convert::{ConversionOptions, policy};
pub use crd::{crd, crd_yaml};
pub use duration::parse_duration;
pub use gate_spec::{Gate, Prometheus, SecretKey, Threshold};
pub use image_spec::{ConfigMapKey, ImageMirror, ImageSource};
pub use next_status::{
    StatusPatch, gate_facts, next_status, problem_status, status_merge_patch, unmet_since, wanted_before,
};
pub use notification::webhook_url;
pub use notification_spec::{Notification, Webhook};
pub use notified::{NotifiedStatus, ledger, notified};
pub use problem::{InvalidSpec, Problem};
pub use resource::FlippyConfig;
pub use source_text::images_in;
pub use spec::{
    FlippyCondition, FlippyConfigSpec, K8S, NumberOrPercent, ProcessFilter, RestartObject, StatusCheckConfig, Strategy,
    Window,
};
pub use status::{ConfigCondition, FlippyConfigStatus, GateStatus, Listed, PreconditionStatus, WorkloadCounts};
pub use turn::{Turn, turn_of};
pub use wave_spec::{LabelRequirement, LabelSelector, Wave};
pub use wave_status::{WaveStatus, wave_memory, wave_turns};
