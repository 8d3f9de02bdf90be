//! Conditions of workloads.

use serde_json::{Value, json};

/// Sets a condition; the transition time moves only when its status does, the update time only when anything does.
pub(crate) fn set(status: &mut Value, kind: &str, value: &str, reason: &str, message: &str, now: &Value) {
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
pub(crate) fn touch(status: &mut Value, kind: &str, now: &Value) {
    let conditions = status["conditions"].as_array_mut();
    if let Some(condition) = conditions.into_iter().flatten().find(|condition| condition["type"] == kind) {
        condition["lastUpdateTime"] = now.clone();
    }
}

pub(crate) fn reason<'a>(status: &'a Value, kind: &str) -> &'a str {
    find(status, kind).and_then(|condition| condition["reason"].as_str()).unwrap_or_default()
}

pub(crate) fn find<'a>(status: &'a Value, kind: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind)
}
