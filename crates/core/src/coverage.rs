//! Which workloads take turns, because they share a `PodDisruptionBudget` or a group.

use std::collections::BTreeMap;
use std::sync::Arc;

use ahash::{HashMap, HashMapExt};

use crate::disruption::{DisruptionBudget, NoDisruption, Turn};
use crate::labels::Labels;
use crate::selector::Selector;
use crate::snapshot::Snapshot;
use crate::workload::{Kind, NamedWorkload, Workload, WorkloadRef};

/// Budgets that are tried on one workload. A namespace of thousands of workloads and thousands of budgets that look alike
/// must not slow down the passes for everybody else; only whoever made such budgets loses by it.
const MAX_TRIED: usize = 256;

const APPLICATION: &str = "app.kubernetes.io/name";
const INSTANCE: &str = "app.kubernetes.io/instance";

/// Who takes turns with whom. Made once per pass, over all namespaces, and only if anything is to be restarted.
pub(crate) struct Coverage {
    shares: Vec<Share>,
    of: HashMap<NamedWorkload, Vec<usize>>,
}

/// Workloads that take turns.
pub(crate) struct Share {
    pub(crate) turn: Turn,
    /// Why nothing may be taken away, if this is a budget that says so.
    pub(crate) why_none: Option<NoDisruption>,
    pub(crate) members: Vec<WorkloadRef>,
}

/// The budgets of a namespace, each found by the rarest of the labels that it needs: tried one by one on every workload,
/// they would make a pass quadratic.
#[derive(Default)]
struct Budgets<'a> {
    by_label: HashMap<(&'a str, &'a str), Vec<(usize, &'a Selector)>>,
    others: Vec<(usize, &'a Selector)>,
}

impl Coverage {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        let mut coverage = Self { shares: Vec::new(), of: HashMap::new() };
        let mut budgets_of: HashMap<&str, Budgets<'_>> = HashMap::new();
        for (namespace, budgets) in snapshot.disruption_budgets() {
            budgets_of.insert(namespace, coverage.add_budgets(budgets));
        }
        let mut groups: BTreeMap<Turn, usize> = BTreeMap::new();
        for workload in snapshot.workloads().filter(|workload| !workload.deleting) {
            // An Argo Rollout with workloadRef keeps its template there.
            let holder = workload.template_from.as_ref().and_then(|named| snapshot.workload(named));
            let labels = &holder.unwrap_or(workload).template_labels;
            let mut shares = match budgets_of.get(&*workload.id.named.namespace) {
                Some(budgets) => budgets.covering(labels),
                None => Vec::new(),
            };
            if let Some(turn) = group_of(workload, labels) {
                shares.push(*groups.entry(turn).or_insert_with_key(|turn| {
                    coverage.shares.push(Share { turn: turn.clone(), why_none: None, members: Vec::new() });
                    coverage.shares.len() - 1
                }));
            }
            for share in &shares {
                coverage.shares[*share].members.push(workload.id.clone());
            }
            if !shares.is_empty() {
                coverage.of.insert(workload.id.named.clone(), shares);
            }
        }
        coverage
    }

    /// What a workload shares with others, or would.
    pub(crate) fn of<'a>(&'a self, workload: &NamedWorkload) -> impl Iterator<Item = &'a Share> + use<'a> {
        self.of.get(workload).into_iter().flatten().map(|share| &self.shares[*share])
    }

    fn add_budgets<'a>(&mut self, budgets: &'a BTreeMap<Arc<str>, DisruptionBudget>) -> Budgets<'a> {
        let mut uses: HashMap<(&str, &str), usize> = HashMap::new();
        for (key, value) in budgets.values().flat_map(|budget| budget.selector.needed_labels()) {
            *uses.entry((key, value)).or_default() += 1;
        }
        let mut found = Budgets::default();
        for budget in budgets.values() {
            let labels = budget.selector.needed_labels().map(|(key, value)| (&**key, &**value));
            let place = match labels.min_by_key(|label| uses[label]) {
                Some(label) => found.by_label.entry(label).or_default(),
                None => &mut found.others,
            };
            place.push((self.shares.len(), &budget.selector));
            let turn = Turn::Budget { namespace: budget.namespace.clone(), name: budget.name.clone() };
            self.shares.push(Share { turn, why_none: budget.why_none(), members: Vec::new() });
        }
        found
    }
}

impl Budgets<'_> {
    /// The shares of those that cover pods with these labels.
    fn covering(&self, labels: &Labels) -> Vec<usize> {
        let by_label = labels.iter().filter_map(|(key, value)| self.by_label.get(&(&**key, &**value)));
        let tried = by_label.chain([&self.others]).flatten().take(MAX_TRIED);
        tried.filter(|(_, selector)| selector.matches(labels)).map(|(share, _)| *share).collect()
    }
}

/// The group that a workload is in: the one that it names, or else, for a `StatefulSet`, its application. Replicas of one
/// system are often spread over several `StatefulSet`s (one for each zone, or each part), none of which may go beside another;
/// both labels, because the name alone would join systems that have nothing but their make in common.
fn group_of(workload: &Workload, labels: &Labels) -> Option<Turn> {
    let namespace = workload.id.named.namespace.clone();
    if let Some(name) = &workload.disruption.group {
        return (!name.is_empty()).then(|| Turn::Group { namespace, name: name.clone() });
    }
    if workload.kind() != Kind::StatefulSet {
        return None;
    }
    let (name, instance) = (labels.get(APPLICATION)?.clone(), labels.get(INSTANCE)?.clone());
    Some(Turn::Application { namespace, name, instance })
}
