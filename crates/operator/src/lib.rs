//! Acts: watches the cluster, asks core what to do, does it and reports.
//!
//! ```text
//! feeds ──Delta──► World (one writer) ──Snapshot──► decide ──Start──► act    (the only one that changes workloads)
//!                                                     └──────Facts──► report (the only one that writes statuses)
//! ```
//!
//! Nothing here chooses: what, when and how is decided in [`flippy_core`].

mod act;
mod acting;
mod ask;
mod ask_admission;
mod asking;
mod audience;
mod backoff;
mod campaign;
mod clock;
mod config_reader;
mod configs;
mod custom_kinds;
mod decide;
mod dial;
mod discovery;
mod driver;
mod event_limit;
mod events;
mod evict;
mod feed;
mod feeds;
mod figures;
mod gates;
mod given;
mod interner;
pub mod lease;
mod list;
mod metrics;
mod new_pod;
mod next_pass;
mod notify;
mod observed;
mod operator;
mod record;
mod report;
mod secret;
mod serve;
mod slim;
mod source_feeds;
mod sources;
mod term;
mod trust;
mod watches;
mod webhook;
mod world;

pub use act::FIELD_MANAGER;
pub use audience::News;
pub use campaign::Campaign;
pub use clock::{Clock, Jump};
pub use dial::Dialer;
pub use discovery::plural_of;
pub use list::{NamespaceSnapshot, list_namespace, list_snapshot};
pub use metrics::metrics_reference;
pub use operator::{Clients, MetricsProtection, Operator, Settings, StartError};
pub use record::{check_readable, workload_of};
pub use serve::TlsFiles;
pub use sources::Sources;
