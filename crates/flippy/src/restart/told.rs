//! What is told of a campaign, as JSON lines. The schema is described in `flippy restart --help`; fields may be added,
//! none renamed.

use flippy_core::{NamedWorkload, Timestamp};
use serde::Serialize;

use super::ending::Ending;
use crate::plan::view::{ConfigView, CountersView, NamedView};
use crate::status::view::StatusView;

/// One line.
#[derive(Serialize)]
#[serde(tag = "event", rename_all_fields = "camelCase")]
pub(super) enum Told<'a> {
    /// What would be done with the workloads of one config.
    Planned {
        at: String,
        namespace: &'a str,
        name: &'a str,
        desired_images: &'a [String],
        counters: CountersView,
        starts_now: &'a [NamedView],
        #[serde(skip_serializing_if = "Option::is_none")]
        hold: Option<&'a str>,
    },
    /// Something was done to one workload.
    Restarted { at: String, kind: &'static str, namespace: &'a str, name: &'a str, message: &'a str },
    /// How one config stands.
    Progress {
        at: String,
        #[serde(flatten)]
        status: &'a StatusView,
    },
    /// It is over.
    Ended {
        at: String,
        outcome: Ending,
        exit_code: u8,
        message: &'a str,
        under_way: &'a [String],
        configs: &'a [StatusView],
    },
}

impl<'a> Told<'a> {
    /// `None` for a config that is no policy.
    pub(super) fn planned(view: &'a ConfigView, now: Timestamp) -> Option<Self> {
        let plan = view.plan.as_ref()?;
        Some(Self::Planned {
            at: now.to_string(),
            namespace: &view.namespace,
            name: &view.name,
            desired_images: &plan.desired_images,
            counters: plan.counters,
            starts_now: &plan.starts_now,
            hold: plan.hold.as_ref().map(|hold| hold.message.as_str()),
        })
    }

    pub(super) fn restarted(workload: &'a NamedWorkload, at: Timestamp, message: &'a str) -> Self {
        let (namespace, name) = (&workload.namespace, &workload.name);
        Self::Restarted { at: at.to_string(), kind: workload.kind.as_str(), namespace, name, message }
    }
}
