//! Which policies have a say in a workload, and what its restarts are therefore made for.

use std::cell::OnceCell;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};

use crate::coverage::Coverage;
use crate::desired::hash_of;
use crate::policy::{Policy, PolicyName, Waiting};
use crate::snapshot::Snapshot;
use crate::wanted::{Wanted, WantedImages};
use crate::workload::{NamedWorkload, Workload};

/// Every policy's claim on every workload. Made once per pass, over all policies.
///
/// A restart serves everybody who has a say in the workload. Its token therefore names the images of all of them:
/// if each policy marked the workload with its own images only, two policies would overwrite each other's marks
/// and restart it in turns for ever.
pub struct Claims<'a> {
    by_workload: HashMap<&'a NamedWorkload, Claim<'a>>,
    /// What each policy that has a say admits, in the order of the snapshot.
    admitted: Vec<(&'a Policy, Vec<&'a Workload>)>,
    wanted: WantedImages<'a>,
    snapshot: &'a Snapshot,
    coverage: OnceCell<Coverage>,
}

struct Claim<'a> {
    /// Those that compare its images.
    in_scope_of: Vec<&'a Policy>,
    /// The others, which restart it before what they compare.
    restarted_first_by: Vec<&'a Policy>,
    hash: Arc<str>,
}

impl<'a> Claims<'a> {
    /// Collects the claims. Policies on a dry run have no say, nor have those of which nobody knows what they want.
    pub fn new(policies: &[&'a Policy], snapshot: &'a Snapshot) -> Self {
        let acting = policies.iter().filter(|policy| !policy.dry_run && policy.knows_images());
        let mut admitted: Vec<(&Policy, Vec<&Workload>)> = acting.map(|policy| (*policy, Vec::new())).collect();
        let wanted = WantedImages::new(snapshot);
        let mut by_workload = HashMap::new();
        for workload in snapshot.workloads() {
            let named = &workload.id.named;
            let (mut in_scope_of, mut restarted_first_by) = (Vec::new(), Vec::new());
            for (policy, admitted) in &mut admitted {
                if policy.admits(workload, snapshot) {
                    in_scope_of.push(*policy);
                    admitted.push(workload);
                } else if policy.restarts_first(named) {
                    restarted_first_by.push(*policy);
                }
            }
            if !in_scope_of.is_empty() || !restarted_first_by.is_empty() {
                let hash = combined_hash(in_scope_of.iter().chain(&restarted_first_by), &wanted, workload);
                by_workload.insert(named, Claim { in_scope_of, restarted_first_by, hash });
            }
        }
        Self { by_workload, admitted, wanted, snapshot, coverage: OnceCell::new() }
    }

    /// What a policy admits, in the order of the snapshot: of one that has a say that is known already.
    pub(crate) fn admitted_by(&self, policy: &Policy) -> Vec<&'a Workload> {
        // The very same policy: another one of its name, which a person tries out, may admit others.
        match self.admitted.iter().find(|(known, _)| std::ptr::eq(*known, policy)) {
            Some((_, admitted)) => admitted.clone(),
            None => self.snapshot.workloads().filter(|workload| policy.admits(workload, self.snapshot)).collect(),
        }
    }

    /// What `policy` wants of the pods of a workload.
    pub(crate) fn wanted<'p>(&self, workload: &Workload, policy: &'p Policy) -> Wanted<'a, 'p> {
        self.wanted.of(workload, policy)
    }

    /// The hash that a restart of this workload is marked with, on behalf of `policy`.
    pub(crate) fn hash_for(&self, workload: &Workload, policy: &Policy) -> Arc<str> {
        match self.by_workload.get(&workload.id.named) {
            Some(claim) => claim.hash.clone(),
            None => hash_of_wanted(&self.wanted(workload, policy)).unwrap_or_else(|| policy.images.hash().into()),
        }
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
    pub(crate) fn conflict(&self, workload: &Workload, policy: &Policy) -> Option<PolicyName> {
        let claim = self.by_workload.get(&workload.id.named)?;
        let ours = self.wanted(workload, policy);
        let ours = ours.images.known().filter(|images| !images.is_empty())?;
        let disagrees = |other: &&&Policy| {
            other.name != policy.name
                && !other.scope.containers.is_disjoint(&policy.scope.containers)
                && self
                    .wanted(workload, other)
                    .images
                    .known()
                    .is_some_and(|theirs| !theirs.is_empty() && theirs.excludes(ours))
        };
        claim.in_scope_of.iter().find(disagrees).map(|other| other.name.clone())
    }
}

/// `None` while nobody knows what is wanted: then there is nothing to name.
fn hash_of_wanted(wanted: &Wanted<'_, '_>) -> Option<Arc<str>> {
    wanted.images.known().map(|images| images.hash().into())
}

/// Those that do not know yet what they want have no say in it.
fn combined_hash<'a>(
    policies: impl Iterator<Item = &'a &'a Policy>,
    wanted: &WantedImages<'_>,
    workload: &Workload,
) -> Arc<str> {
    let mut hashes: Vec<Arc<str>> =
        policies.filter_map(|policy| hash_of_wanted(&wanted.of(workload, policy))).collect();
    hashes.sort_unstable();
    hashes.dedup();
    match hashes.as_slice() {
        [one] => one.clone(),
        several => hash_of(several.iter().map(ToString::to_string)).into(),
    }
}
