//! Acts: watches the cluster, asks core what to do, does it and reports.
//!
//! ```text
//! feeds ──Delta──► World (one writer) ──Snapshot──► decide ──Start──► act    (the only one that changes workloads)
//!                                                     └──────Facts──► report (the only one that writes statuses)
//! ```
//!
//! Nothing here chooses: what, when and how is decided in [`flippy_core`].

mod act;
mod ask;
mod ask_admission;
mod asking;
mod backoff;
mod clock;
mod configs;
mod decide;
mod driver;
mod events;
mod feed;
mod feeds;
mod gates;
mod interner;
pub mod lease;
mod list;
mod metrics;
mod new_pod;
mod operator;
mod report;
mod serve;
mod slim;
mod source_feeds;
mod sources;
mod term;
mod world;

pub use act::FIELD_MANAGER;
pub use clock::{Clock, Jump};
pub use list::list_snapshot;
pub use operator::{Clients, Operator, Settings, StartError};
pub use sources::Sources;
