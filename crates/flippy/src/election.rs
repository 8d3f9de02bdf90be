//! Which of several replicas acts: the flags, and what they come to.
#![allow(clippy::doc_markdown, reason = "doc comments are help texts here, and a terminal shows backticks as they are")]

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use clap::builder::BoolishValueParser;
use flippy_operator::lease::{ElectionSettings, Timing};

use crate::exit::Failure;
use crate::go_duration;

/// Where a pod finds the name of its own namespace, if it has a service account.
const OWN_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Leader election, as controller-runtime and the components of Kubernetes have it.
#[derive(Args, Clone, Debug)]
#[allow(clippy::struct_field_names, reason = "that is what they are called")]
#[command(next_help_heading = "Leader election")]
pub(crate) struct ElectionArgs {
    /// Act only while holding a lease, so that of several replicas one acts and the others are ready to take over
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new())]
    pub(crate) leader_elect: bool,
    /// Namespace of the lease [default: the operator's own ($POD_NAMESPACE, or that of its service account)]
    #[arg(long, value_name = "NAMESPACE")]
    leader_election_namespace: Option<String>,
    /// Name of the lease. Replicas with different ones do not know of each other
    #[arg(long, value_name = "NAME", default_value = "flippy")]
    leader_election_name: String,
    /// How long the others wait for a leader of whom they see nothing; whole seconds
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = go_duration::parse_period)]
    leader_election_lease_duration: Duration,
    /// How long the leader acts after its last successful renewal
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = go_duration::parse_period)]
    leader_election_renew_deadline: Duration,
    /// How often the leader renews its lease, and the others look at it
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = go_duration::parse_period)]
    leader_election_retry_period: Duration,
}

impl ElectionArgs {
    /// What the operator needs to know of it: nothing without `--leader-elect`.
    ///
    /// # Errors
    /// When there is no namespace for the lease, or the periods do not fit together.
    pub(crate) fn settings(
        self,
        own_namespace: Option<String>,
        instance: &str,
    ) -> Result<Option<ElectionSettings>, Failure> {
        let (lease, renew_deadline, retry_period) = (
            self.leader_election_lease_duration,
            self.leader_election_renew_deadline,
            self.leader_election_retry_period,
        );
        let timing = Timing::new(lease, renew_deadline, retry_period).map_err(|error| {
            Failure::cannot_begin(format!(
                "{error}: --leader-election-lease-duration is {lease:?}, --leader-election-renew-deadline is \
                 {renew_deadline:?}, --leader-election-retry-period is {retry_period:?}"
            ))
        })?;
        if !self.leader_elect {
            return Ok(None);
        }
        let namespace =
            self.leader_election_namespace.or(own_namespace).or_else(|| namespace_of(OWN_NAMESPACE.as_ref()));
        // Not that of the kubeconfig: two replicas whose contexts differ would both lead.
        let namespace = namespace.filter(|name| !name.is_empty()).ok_or_else(|| {
            Failure::cannot_begin(
                "--leader-elect needs a namespace for its lease, and this is no pod: name one with \
                 --leader-election-namespace, or set POD_NAMESPACE",
            )
        })?;
        Ok(Some(ElectionSettings { namespace, name: self.leader_election_name, identity: identity(instance), timing }))
    }
}

fn namespace_of(file: &Path) -> Option<String> {
    std::fs::read_to_string(file).ok().map(|text| text.trim().to_owned())
}

/// Never the same twice: a restarted pod has its old name, but must not take itself for its predecessor, whose last
/// requests may still be on their way.
fn identity(instance: &str) -> String {
    format!("{instance}_{:016x}", RandomState::new().build_hasher().finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_processes_of_one_pod_have_different_identities() {
        let (first, second) = (identity("flippy-0"), identity("flippy-0"));
        assert_ne!(first, second);
        assert!(first.starts_with("flippy-0_") && second.starts_with("flippy-0_"), "{first} {second}");
    }
}
