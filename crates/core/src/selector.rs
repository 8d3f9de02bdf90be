//! Label selectors, as Kubernetes knows them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Requirements on labels, all of which must be met. Without any it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(pub Vec<Requirement>);

/// One requirement on one label (apimachinery `labels.Requirement`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Key of the label.
    pub key: Arc<str>,
    /// What is required of it.
    pub operator: SelectorOperator,
}

/// What is required of a label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SelectorOperator {
    /// It has one of these values.
    In(Vec<Arc<str>>),
    /// It has none of these values. One that is absent has none.
    NotIn(Vec<Arc<str>>),
    /// It is there.
    Exists,
    /// It is not there.
    DoesNotExist,
}

impl Selector {
    /// Whether labels meet every requirement.
    pub fn matches(&self, labels: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.get(&requirement.key);
            match &requirement.operator {
                SelectorOperator::In(values) => value.is_some_and(|value| values.contains(value)),
                SelectorOperator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                SelectorOperator::Exists => value.is_some(),
                SelectorOperator::DoesNotExist => value.is_none(),
            }
        })
    }
}
