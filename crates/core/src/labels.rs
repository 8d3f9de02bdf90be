//! Labels and annotations, and what it means to carry some of them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels or annotations of one object. Shared, because most objects carry the same ones as their neighbours.
pub type Labels = Arc<BTreeMap<Arc<str>, Arc<str>>>;

/// Whether `labels` carries every pair of `wanted`. Nothing wanted is carried by everything.
pub fn contains_all(labels: &BTreeMap<Arc<str>, Arc<str>>, wanted: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
    lacking(labels, wanted).next().is_none()
}

/// The pairs of `wanted` that `labels` does not carry, each with the value found instead, if any.
pub(crate) fn lacking<'a>(
    labels: &'a BTreeMap<Arc<str>, Arc<str>>,
    wanted: &'a BTreeMap<Arc<str>, Arc<str>>,
) -> impl Iterator<Item = (&'a Arc<str>, &'a Arc<str>, Option<&'a Arc<str>>)> {
    let found = wanted.iter().map(|(key, value)| (key, value, labels.get(key)));
    found.filter(|(_, wanted, found)| *found != Some(*wanted))
}
