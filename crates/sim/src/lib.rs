//! A Kubernetes cluster in memory, for the real operator behind the real [`kube::Client`].
//!
//! [`SimCluster`] answers HTTP requests as a [`tower::Service`], without sockets. Behind the API, workload controllers, an injector,
//! kubelets and other actors work on virtual time; a seed decides every delay, name and fault, so that the same seed is the same history.
//!
//! It is kept honest by `e2e/`: the scenarios there, and `e2e/tests/semantics` for the answers of the API, run on this and on a real
//! control plane alike. Where the two differed, the code here says what a real one does, and where that is written.
//!
//! What it cannot do it refuses with `501 NotImplemented` and a message that names the request.
//!
//! # Known differences from a real cluster
//! - Custom resources are not validated, pruned or defaulted by their schema, and there is no authorization.
//! - Only server-side apply records managed fields; updates and other patches own nothing. In custom resources only `conditions` is a keyed list.
//! - A new definition is established at once; a real server needs a moment, and answers 429 meanwhile when it was defined before.
//!   When a definition goes, its objects go whatever their finalizers.
//! - Scheduling always succeeds. There are no Jobs, no services, no quotas.

mod admission;
mod adopt;
mod apply;
mod client;
mod clock;
mod cluster;
mod controllers;
mod defaults;
mod discovery;
mod duration;
mod error;
mod eviction;
mod faults;
pub mod fixtures;
mod garbage;
mod history;
mod json;
mod link;
mod list;
mod log;
mod merge_keys;
mod object;
mod patch;
mod present;
mod queue;
mod request;
mod resources;
mod rng;
mod rules;
mod selector;
mod serve;
mod service;
mod shared;
mod signal;
mod store;
mod text;
mod watch;
mod webhook;
mod world;
mod write;

pub use admission::{Injector, NATIVE_SIDECAR, PINNED_IMAGE, SIDECAR};
pub use client::SimClient;
pub use clock::run;
pub use cluster::{Rejected, SimCluster};
pub use controllers::actors::Actor;
pub use controllers::kubelet::PodDelays;
pub use controllers::scaler::Scaler;
pub use faults::{Fault, Faults};
pub use history::{Author, Delivery, History, Mutation, Outcome, RequestRecord};
pub use json::{Json, Map, SmolStr, ToJson};
pub use link::{CutPoint, LinkState};
pub use object::{Key, is_ready_pod, is_terminating};
pub use request::{Part, Verb};
pub use resources::Resource;
pub use webhook::Webhook;
