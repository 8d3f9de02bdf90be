//! Who is told what is found and done.

use flippy_api::FlippyConfigStatus;
use flippy_core::{NamedWorkload, PolicyName, Timestamp};
use tokio::sync::mpsc;

/// Who is told.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    /// Everybody who looks at the cluster: statuses and events of configs are written there.
    Cluster,
    /// Somebody who waits for the end: the configs need not even exist in the cluster.
    Person(mpsc::Sender<News>),
}

/// Something that a person hears of a campaign.
#[derive(Clone, Debug)]
pub enum News {
    /// Something was done to a workload.
    OfWorkload {
        /// Which one.
        workload: NamedWorkload,
        /// When.
        at: Timestamp,
        /// One word from the closed list of reasons.
        reason: String,
        /// One line for people.
        message: String,
    },
    /// How a config stands now. Said whenever it changes.
    OfConfig {
        /// Which one.
        config: PolicyName,
        /// What would be written into its status.
        status: Box<FlippyConfigStatus>,
    },
}
