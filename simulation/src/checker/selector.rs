//! Label selectors, as Kubernetes means them (apimachinery `LabelSelector`), written down a second time.

use flippy_sim::Json;

/// Whether labels match; an absent or empty selector matches everything.
pub(super) fn selects(selector: &Json, labels: &Json) -> bool {
    let wanted = selector["matchLabels"].as_object();
    let expressions = selector["matchExpressions"].as_array();
    wanted.into_iter().flatten().all(|(label, value)| labels[label] == *value)
        && expressions.into_iter().flatten().all(|expression| {
            let value = &labels[expression["key"].as_str().unwrap_or_default()];
            let is_among = expression["values"].as_array().is_some_and(|values| values.contains(value));
            match expression["operator"].as_str() {
                Some("In") => is_among,
                Some("NotIn") => !is_among,
                Some("Exists") => !value.is_null(),
                _ => value.is_null(),
            }
        })
}
