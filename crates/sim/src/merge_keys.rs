//! Which lists are maps in disguise.

use crate::Json;

/// The fields by which the items of a list are told apart; None for lists that are replaced as a whole.
/// Custom resources declare theirs in their schema; here only `conditions` is taken for a map.
pub(crate) fn of(field: &str, custom: bool) -> Option<&'static [&'static str]> {
    match field {
        "conditions" => Some(&["type"]),
        "ownerReferences" => Some(&["uid"]),
        _ if custom => None,
        "containers" | "initContainers" | "ephemeralContainers" | "volumes" | "env" | "imagePullSecrets" => {
            Some(&["name"])
        }
        "volumeMounts" => Some(&["mountPath"]),
        "ports" => Some(&["containerPort", "protocol"]),
        _ => None,
    }
}

pub(crate) fn same_item(keys: &[&str], one: &Json, other: &Json) -> bool {
    keys.iter()
        .all(|key| one[key] == other[key] || (*key == "protocol" && (one[key].is_null() || other[key].is_null())))
}
