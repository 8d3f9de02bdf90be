//! Scenarios on a real control plane, and the same on a simulated one.
//!
//! The **real** backend is real where it matters to an operator: etcd, kube-apiserver, kube-controller-manager,
//! kube-scheduler and the Argo Rollouts controller, built from pinned Go modules, and `flippy run` as a process that may
//! do what the shipped role allows. Two parts are played: the kubelets by kwok (pods become ready, crash or hang as
//! their annotations say, see [`workloads::Behaviour`]) and the sidecar injector by a `MutatingAdmissionPolicy` (see
//! [`mesh::Mesh`]). No container engine is needed.
//!
//! The **embedded** backend is the simulated cluster of `crates/sim`, with the operator as a task of this process, on
//! virtual time: a scenario takes milliseconds and needs nothing. It keeps the simulation honest: what holds on one
//! backend must hold on the other. What the simulation does not have (permissions, schemas, the operator's own HTTP)
//! is tested on the real one only.
//!
//! ```ignore
//! flippy_e2e::scenarios! { both: [the_mesh_is_upgraded] }
//!
//! async fn the_mesh_is_upgraded(s: &Scenario) -> Result<()> {
//!     let shop = s.namespace("shop").await?;
//!     let cart = s.create(&shop, Workload::deployment("cart").replicas(2)).await?;
//!     s.rolled_out(&cart).await?;
//!     s.mesh().upgrade("docker.io/istio/proxyv2:1.30.4").await
//! }
//! ```
//!
//! # One scenario at a time
//!
//! Scenarios on the real backend share one cluster and take turns: [`frame::on_real`] holds a file lock in the cluster's
//! directory, so this holds for threads and for processes alike. An operator under test therefore never meets another
//! test's operator, and each scenario begins by removing what an earlier one left behind, even one that was killed.
//! Beyond that each has its own mesh (injection policy, image, namespace label) and its own namespaces, so that what is
//! still terminating from an earlier scenario is out of the scope of the next. On the embedded backend each scenario
//! has a cluster of its own.
//!
//! `cargo test -p flippy-e2e embedded` runs what needs no control plane. `cargo xtask e2e [filter]` starts a cluster,
//! runs the others on it, and stops it. To run one of them again and again, start the cluster once with
//! `cargo xtask control-plane up` and export what it prints.
#![allow(
    clippy::missing_errors_doc,
    reason = "every error here is the failure of a test, and its message is the explanation"
)]

pub mod apply;
pub mod assets;
pub mod audit;
mod backend;
pub mod cache;
pub mod certificates;
pub mod chart;
pub mod clone_sets;
pub mod cluster;
pub mod components;
pub mod config;
pub mod control_plane;
pub mod dashboard;
pub mod docs;
#[cfg(feature = "embedded")]
mod embedded;
pub mod frame;
pub mod install;
pub mod loopback;
pub mod mesh;
pub mod modules;
pub mod nodes;
pub mod observe;
pub mod operator;
pub mod optional;
pub mod process;
pub mod prometheus;
pub mod receiver;
pub mod scenario;
mod source;
mod sweep;
pub mod user;
pub mod wait;
pub mod workloads;
