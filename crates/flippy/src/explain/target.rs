//! Which workload is meant, as people write it for kubectl.

use flippy_core::{CustomKind, Kind};

use crate::exit::Failure;

/// A kind and a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) kind: TargetKind,
    pub(crate) name: String,
}

/// What can be asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TargetKind {
    /// A workload.
    Workload(Kind),
    /// A pod: its workload is meant.
    Pod,
    /// A workload of a kind that only a config tells: the word for it, and what stands behind the first dot.
    Named(String, String),
}

/// Kind, API group, and every word for it that kubectl knows.
const WORDS: [(TargetKind, &str, &[&str]); 7] = [
    (TargetKind::Workload(Kind::Deployment), "apps", &["deployment", "deployments", "deploy"]),
    (TargetKind::Workload(Kind::StatefulSet), "apps", &["statefulset", "statefulsets", "sts"]),
    (TargetKind::Workload(Kind::DaemonSet), "apps", &["daemonset", "daemonsets", "ds"]),
    (TargetKind::Workload(Kind::ArgoRollout), "argoproj.io", &["rollout", "rollouts", "ro", "argorollout"]),
    (TargetKind::Workload(Kind::ReplicaSet), "apps", &["replicaset", "replicasets", "rs"]),
    (TargetKind::Workload(Kind::ReplicationController), "", &["replicationcontroller", "replicationcontrollers", "rc"]),
    (TargetKind::Pod, "", &["pod", "pods", "po"]),
];

impl Target {
    /// Reads `KIND/NAME` or `KIND NAME`.
    ///
    /// # Errors
    /// When it is neither, or the kind is none that can be explained.
    pub(crate) fn parse(words: &[String]) -> Result<Self, Failure> {
        let (kind, name) = match words {
            [both] => both.split_once('/').ok_or_else(|| {
                Failure::cannot_begin(format!("`{both}` names no workload: write KIND/NAME, for example deploy/{both}"))
            })?,
            [kind, name] => (kind.as_str(), name.as_str()),
            _ => return Err(Failure::cannot_begin("write KIND/NAME, for example deploy/cart")),
        };
        if name.is_empty() || name.contains('/') {
            return Err(Failure::cannot_begin(format!(
                "`{name}` is no name: write KIND/NAME, for example deploy/cart"
            )));
        }
        Ok(Self { kind: kind_of(kind)?, name: name.to_owned() })
    }
}

/// `deployments`, `deployments.apps` or `deployments.v1.apps`.
fn kind_of(text: &str) -> Result<TargetKind, Failure> {
    let lower = text.to_ascii_lowercase();
    let (word, rest) = lower.split_once('.').unwrap_or((&lower, ""));
    let is_in = |group: &str| {
        rest.is_empty()
            || rest == group
            || rest.strip_prefix('v').and_then(|rest| rest.split_once('.')).is_some_and(|(_, found)| found == group)
    };
    let known = WORDS.iter().find(|(_, group, words)| words.contains(&word) && is_in(group));
    if let Some((kind, ..)) = known {
        return Ok(kind.clone());
    }
    // Groups of custom resources have a dot.
    if rest.contains('.') {
        return Ok(TargetKind::Named(word.to_owned(), rest.to_owned()));
    }
    Err(Failure::cannot_begin(format!(
        "`{text}` is not a kind that can be explained: write deployment, statefulset, daemonset, rollout or pod, or a short \
         name as kubectl has them; a custom kind that a FlippyConfig names with its group, such as cloneset.apps.kruise.io"
    )))
}

/// The custom kind of these that is meant by a word and what stands behind its first dot: the kind or its plural, then the group
/// or a version and the group.
pub(crate) fn named(word: &str, rest: &str, mut kinds: impl Iterator<Item = Kind>) -> Option<Kind> {
    let is_word = |kind: CustomKind| {
        let singular = kind.kind().to_ascii_lowercase();
        word == singular || word.strip_suffix('s').is_some_and(|word| word == singular)
    };
    let is_rest =
        |kind: CustomKind| rest == kind.group() || rest.split_once('.').is_some_and(|(_, rest)| rest == kind.group());
    kinds.find(|kind| matches!(kind, Kind::Custom(custom) if is_word(*custom) && is_rest(*custom)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(text: &str) -> Option<TargetKind> {
        Target::parse(&[format!("{text}/cart")]).ok().map(|target| target.kind)
    }

    #[test]
    fn kinds_are_written_as_for_kubectl() {
        for text in ["deploy", "deployment", "Deployments", "deployments.apps", "deployment.v1.apps"] {
            assert_eq!(kind(text), Some(TargetKind::Workload(Kind::Deployment)), "{text}");
        }
        for text in ["ro", "rollout", "rollouts.argoproj.io", "rollouts.v1alpha1.argoproj.io", "ArgoRollout"] {
            assert_eq!(kind(text), Some(TargetKind::Workload(Kind::ArgoRollout)), "{text}");
        }
        assert_eq!(kind("sts"), Some(TargetKind::Workload(Kind::StatefulSet)));
        assert_eq!(kind("ds"), Some(TargetKind::Workload(Kind::DaemonSet)));
        assert_eq!(kind("po"), Some(TargetKind::Pod));
    }

    #[test]
    fn another_group_is_another_kind() {
        let named = TargetKind::Named("deployments".to_owned(), "example.org".to_owned());
        assert_eq!(kind("deployments.example.org"), Some(named));
        assert_eq!(kind("rollouts.apps"), None);
        assert_eq!(kind("job"), None);
    }

    #[test]
    fn a_custom_kind_is_found_among_those_that_configs_name() {
        let clone_set = Kind::named("CloneSet", "apps.kruise.io/v1alpha1").expect("it is a kind");
        let found = |text: &str| {
            let Some(TargetKind::Named(word, rest)) = kind(text) else { panic!("{text} is no custom kind") };
            named(&word, &rest, [Kind::Deployment, clone_set].into_iter())
        };
        for text in ["cloneset.apps.kruise.io", "CloneSet.apps.kruise.io", "clonesets.v1alpha1.apps.kruise.io"] {
            assert_eq!(found(text), Some(clone_set), "{text}");
        }
        assert_eq!(found("cloneset.example.org"), None);
        assert_eq!(found("statefulset.apps.kruise.io"), None);
    }

    #[test]
    fn kind_and_name_may_stand_apart() {
        let words = ["sts".to_owned(), "db".to_owned()];
        assert_eq!(Target::parse(&words).map(|target| target.name), Ok("db".to_owned()));
    }

    #[test]
    fn a_name_alone_is_answered_with_what_to_write() {
        let failure = Target::parse(&["cart".to_owned()]).expect_err("it has no kind");
        assert!(failure.to_string().contains("deploy/cart"), "{failure}");
        assert!(Target::parse(&["deploy/".to_owned()]).is_err());
        assert!(Target::parse(&["deploy/a/b".to_owned()]).is_err());
    }
}
