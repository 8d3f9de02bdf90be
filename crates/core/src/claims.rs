//! Which policies have a say in a workload, and what its restarts are therefore made for.

use std::cell::OnceCell;

use ahash::{HashMap, HashMapExt};

use crate::coverage::Coverage;
use crate::desired::hash_of;
use crate::policy::{Policy, PolicyName, Waiting};
use crate::snapshot::Snapshot;
use crate::workload::{NamedWorkload, Workload, WorkloadRef};

/// Every policy's claim on every workload. Made once per pass, over all policies.
///
/// A restart serves everybody who has a say in the workload. Its token therefore names the images of all of them:
/// if each policy marked the workload with its own images only, two policies would overwrite each other's marks
/// and restart it in turns for ever.
pub struct Claims<'a> {
    by_workload: HashMap<&'a NamedWorkload, Claim<'a>>,
    snapshot: &'a Snapshot,
    coverage: OnceCell<Coverage>,
}

struct Claim<'a> {
    /// Those that compare its images.
    in_scope_of: Vec<&'a Policy>,
    /// The others, which restart it before what they compare.
    restarted_first_by: Vec<&'a Policy>,
    hash: Box<str>,
}

impl<'a> Claims<'a> {
    /// Collects the claims. Policies on a dry run have no say, nor have those of which nobody knows what they want.
    pub fn new(policies: &[&'a Policy], snapshot: &'a Snapshot) -> Self {
        let acting: Vec<&Policy> =
            policies.iter().filter(|policy| !policy.dry_run && policy.knows_images()).copied().collect();
        let mut by_workload = HashMap::new();
        for workload in snapshot.workloads() {
            let named = &workload.id.named;
            let (in_scope_of, others): (Vec<&Policy>, Vec<&Policy>) =
                acting.iter().partition(|policy| policy.admits(workload, snapshot));
            let restarted_first_by: Vec<&Policy> =
                others.into_iter().filter(|policy| policy.restarts_first(named)).collect();
            let claimants: Vec<&Policy> = in_scope_of.iter().chain(&restarted_first_by).copied().collect();
            if !claimants.is_empty() {
                by_workload.insert(named, Claim { hash: combined_hash(&claimants), in_scope_of, restarted_first_by });
            }
        }
        Self { by_workload, snapshot, coverage: OnceCell::new() }
    }

    /// The hash that a restart of this workload is marked with, on behalf of `policy`.
    pub(crate) fn hash_for<'b>(&'b self, workload: &WorkloadRef, policy: &'b Policy) -> &'b str {
        self.by_workload.get(&workload.named).map_or_else(|| policy.images.hash(), |claim| &claim.hash)
    }

    /// Who takes turns with whom, whoever restarts them.
    pub(crate) fn coverage(&self) -> &Coverage {
        self.coverage.get_or_init(|| Coverage::new(self.snapshot))
    }

    /// Every policy that has a say in a workload, and how long it waits for it.
    pub(crate) fn waiting_for(&self, workload: &Workload) -> Vec<(&'a Policy, Waiting)> {
        let Some(claim) = self.by_workload.get(&workload.id.named) else { return Vec::new() };
        let in_scope =
            claim.in_scope_of.iter().filter_map(|policy| Some((*policy, policy.rank_of(workload.kind())?.1)));
        // One may be in scope and go first: then it has the longer of two windows.
        let all = claim.in_scope_of.iter().chain(&claim.restarted_first_by);
        let first = all.flat_map(|policy| {
            let named = policy.restart_first.iter().filter(|first| first.target == workload.id.named);
            named.map(|first| (*policy, first.waiting))
        });
        in_scope.chain(first).collect()
    }

    /// A policy that wants an image which `policy` does not accept in one of the same containers.
    pub(crate) fn conflict(&self, workload: &WorkloadRef, policy: &Policy) -> Option<PolicyName> {
        let claim = self.by_workload.get(&workload.named)?;
        let disagrees = |other: &&&Policy| {
            other.name != policy.name
                && !other.scope.containers.is_disjoint(&policy.scope.containers)
                && !other.images.is_empty()
                && other.images.excludes(&policy.images)
        };
        claim.in_scope_of.iter().find(disagrees).map(|other| other.name.clone())
    }
}

fn combined_hash(policies: &[&Policy]) -> Box<str> {
    let mut hashes: Vec<&str> = policies.iter().map(|policy| policy.images.hash()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    match hashes.as_slice() {
        [one] => (*one).into(),
        several => hash_of(several.iter().map(ToString::to_string)),
    }
}
