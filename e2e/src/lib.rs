//! Scenarios on a real control plane.
//!
//! The cluster is real where it matters to an operator: etcd, kube-apiserver, kube-controller-manager, kube-scheduler
//! and the Argo Rollouts controller, built from pinned Go modules. Two parts are played: the kubelets by kwok (pods
//! become ready, crash or hang as their annotations say, see [`workloads::Behaviour`]) and the sidecar injector by a
//! `MutatingAdmissionPolicy` (see [`mesh::Mesh`]). No container engine is needed.
//!
//! ```no_run
//! use flippy_e2e::scenario::scenario;
//! use flippy_e2e::workloads::Workload;
//!
//! # fn main() {
//! scenario(async |s| {
//!     let shop = s.namespace("shop").await?;
//!     let cart = s.create(&shop, Workload::deployment("cart").replicas(2)).await?;
//!     s.rolled_out(&cart).await?;
//!     s.mesh().upgrade("docker.io/istio/proxyv2:1.30.4").await
//! });
//! # }
//! ```
//!
//! # One scenario at a time
//!
//! Scenarios share one cluster and take turns: [`scenario::scenario`] holds a file lock in the cluster's directory, so
//! this holds for threads and for processes alike. An operator under test therefore never meets another test's
//! operator, and each scenario begins by removing what an earlier one left behind, even one that was killed. Beyond
//! that each has its own mesh (injection policy, image, namespace label) and its own namespaces, so that what is
//! still terminating from an earlier scenario is out of the scope of the next.
//!
//! `cargo xtask e2e [filter]` starts a cluster, runs the tests on it, and stops it. To run one test again and again,
//! start the cluster once with `cargo xtask control-plane up` and export what it prints.
#![allow(
    clippy::missing_errors_doc,
    reason = "every error here is the failure of a test, and its message is the explanation"
)]

pub mod apply;
pub mod assets;
pub mod audit;
pub mod certificates;
pub mod cluster;
pub mod components;
pub mod config;
pub mod control_plane;
pub mod install;
pub mod loopback;
pub mod mesh;
pub mod modules;
pub mod nodes;
pub mod observe;
pub mod operator;
pub mod process;
pub mod scenario;
mod sweep;
pub mod user;
pub mod wait;
pub mod workloads;
