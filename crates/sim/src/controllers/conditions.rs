//! Conditions of workloads.

use crate::{Json, json};

/// Sets a condition; the transition time moves only when its status does, the update time only when anything does.
pub(crate) fn set(status: &mut Json, kind: &str, value: &str, reason: &str, message: &str, now: &Json) {
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(conditions) = status["conditions"].as_array_mut() else { return };
    let mut new = json!({
        "type": kind, "status": value, "reason": reason, "message": message,
        "lastUpdateTime": now, "lastTransitionTime": now,
    });
    match conditions.iter_mut().find(|condition| condition["type"] == kind) {
        Some(old) => {
            if old["status"] == value {
                new["lastTransitionTime"] = old["lastTransitionTime"].take();
                if old["reason"] == reason {
                    new["lastUpdateTime"] = old["lastUpdateTime"].take();
                }
            }
            *old = new;
        }
        None => conditions.push(new),
    }
}

/// Marks a condition as confirmed now.
pub(crate) fn touch(status: &mut Json, kind: &str, now: &Json) {
    let conditions = status["conditions"].as_array_mut();
    if let Some(condition) = conditions.into_iter().flatten().find(|condition| condition["type"] == kind) {
        condition["lastUpdateTime"] = now.clone();
    }
}

pub(crate) fn reason<'a>(status: &'a Json, kind: &str) -> &'a str {
    find(status, kind).and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
}

pub(crate) fn find<'a>(status: &'a Json, kind: &str) -> Option<&'a Json> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
