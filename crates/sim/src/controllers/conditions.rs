//! Conditions of workloads.

use crate::json::NULL;
use crate::{Json, json};

/// Sets a condition, unless it is as it is to be; the transition time moves only when its status does, the update time when its
/// reason does, too.
pub(crate) fn set(status: &mut Json, kind: &str, value: &str, reason: &str, message: &str, now: &Json) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let place = conditions.iter().position(|condition| condition["type"] == kind);
    let old = place.map_or(&NULL, |place| &conditions[place]);
    let is_as_before = |field: &str, value: &str| old[field] == value;
    let (same_status, same_reason) = (is_as_before("status", value), is_as_before("reason", reason));
    if same_status && same_reason && is_as_before("message", message) {
        return;
    }
    let kept = |field: &str, is_kept: bool| if is_kept { &old[field] } else { now };
    let new = json!({
        "lastTransitionTime": kept("lastTransitionTime", same_status),
        "lastUpdateTime": kept("lastUpdateTime", same_status && same_reason),
        "message": message, "reason": reason, "status": value, "type": kind,
    });
    match place {
        Some(place) => conditions.make_mut()[place] = new,
        None => conditions.push(new),
    }
}

/// Marks a condition as confirmed now.
pub(crate) fn touch(status: &mut Json, kind: &str, now: &Json) {
    let conditions = status["conditions"].items_mut();
    if let Some(condition) = conditions.iter_mut().find(|condition| condition["type"] == kind) {
        condition["lastUpdateTime"] = now.clone();
    }
}

pub(crate) fn reason<'a>(status: &'a Json, kind: &str) -> &'a str {
    find(status, kind).and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
}

pub(crate) fn find<'a>(status: &'a Json, kind: &str) -> Option<&'a Json> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
