//! Labels and annotations, and what it means to carry some of them.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels or annotations of one object. Shared, because most objects carry the same ones as their neighbours.
pub type Labels = Arc<BTreeMap<Arc<str>, Arc<str>>>;

/// Whether `labels` carries every pair of `wanted`. Nothing wanted is carried by everything.
pub fn contains_all(labels: &BTreeMap<Arc<str>, Arc<str>>, wanted: &BTreeMap<Arc<str>, Arc<str>>) -> bool {
    wanted.iter().all(|(key, value)| labels.get(key) == Some(value))
}
