//! What a rehearsal takes for granted, in words. Whoever decides by it must be able to disagree.

use super::material::Material;
use super::readiness::ASSUMED;
use super::stage::{STOPS_WITHIN, Stage};
use super::subject::Subject;
use super::what_if::WhatIf;

/// Kinds that are named, at most.
const NAMED: usize = 8;

/// What was assumed to play it.
pub(super) fn told(stage: &Stage, what_if: &WhatIf, changes: Vec<String>) -> Vec<String> {
    let learnt = &stage.learnt;
    let mut told = vec![
        "the mesh is upgraded: new pods get the wanted images; what a workload pins itself, it keeps".to_owned(),
        match learnt.median {
            Some(median) => format!(
                "new pods get ready as fast as the present ones did: learnt for {} workloads, {} s in the middle",
                learnt.learnt,
                median.as_secs_f64()
            ),
            None => "no pod tells how long it took to be ready".to_owned(),
        },
    ];
    if learnt.assumed > 0 {
        told.push(format!("{} no pod that tells: {} s", have(learnt.assumed), ASSUMED.as_secs()));
    }
    if learnt.never > 0 {
        told.push(format!(
            "{} had no ready pod for ten minutes: new ones do not get ready, either",
            have(learnt.never)
        ));
    }
    told.push(format!(
        "a pod is gone {} s after it was told to stop, or after its own grace if that is shorter",
        STOPS_WITHIN.as_secs()
    ));
    told.push("nobody else changes anything, and every new pod finds a node".to_owned());
    told.extend(changes);
    if let Some(worse) = what_if.told() {
        told.push(format!("what if: {worse}"));
    }
    if !stage.failing.is_empty() {
        told.push(format!("drawn to fail: {}", some_of(&stage.failing)));
    }
    told
}

/// What was not understood, or is missing.
pub(super) fn notes(material: &Material, subject: &Subject) -> Vec<String> {
    let mut notes = material.notes.clone();
    let ignored: usize = material.ignored.values().sum();
    if ignored > 0 {
        let kinds: Vec<String> = material.ignored.iter().map(|(kind, count)| format!("{count} {kind}")).collect();
        notes.push(format!("{ignored} objects of kinds that play no part: {}", some_of(&kinds)));
    }
    if material.repeated > 0 {
        notes.push(format!("{} objects were there twice: the last one of each counts", material.repeated));
    }
    if subject.others > 0 {
        notes.push(format!("{} other FlippyConfigs of the cluster have no part", subject.others));
    }
    let count = |kind: &str| material.count(kind);
    if count("Namespace") == 0 {
        notes.push("there are no namespaces in it, so their labels are not known: add `ns` to the dump".to_owned());
    }
    if count("Deployment") + count("Rollout") > 0 && count("ReplicaSet") == 0 {
        notes.push(
            "there are no replica sets in it, so nobody knows whose the pods are: add `rs` to the dump".to_owned(),
        );
    }
    if count("Pod") == 0 {
        notes.push("there are no pods in it: add `pods` to the dump".to_owned());
    }
    if count("PodDisruptionBudget") == 0 {
        notes.push("there are no disruption budgets in it; if the cluster has some, add `pdb` to the dump".to_owned());
    }
    notes
}

fn have(count: usize) -> String {
    if count == 1 { "1 workload has".to_owned() } else { format!("{count} workloads have") }
}

fn some_of(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMED);
    let shown = names[..names.len().min(NAMED)].join(", ");
    if more > 0 { format!("{shown} and {more} more") } else { shown }
}
