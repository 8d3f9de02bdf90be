//! Patches: JSON, merge, strategic merge.

use serde_json::Value;

use crate::{Json, Map, json};

use crate::error::ApiError;
use crate::merge_keys;

/// What a patch body is, by its content type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchKind {
    pub(crate) fn of(content_type: &str, custom: bool) -> Result<Self, ApiError> {
        match content_type {
            "application/json-patch+json" => Ok(Self::Json),
            "application/merge-patch+json" => Ok(Self::Merge),
            "application/strategic-merge-patch+json" if !custom => Ok(Self::Strategic),
            "application/apply-patch+yaml" => Ok(Self::Apply),
            other => Err(ApiError::unsupported_media_type(other)),
        }
    }
}

/// RFC 6902. A failed `test`, or any other operation that does not fit, is 422. The library patches values of `serde_json`: what
/// comes of it shares nothing with what was.
pub(crate) fn json(object: &Json, body: &[u8]) -> Result<Json, ApiError> {
    let patch: json_patch::Patch = serde_json::from_slice(body)
        .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))?;
    let mut patched = Value::from(object);
    for mut operation in patch.0 {
        if tests_for_absence(&patched, &operation) {
            continue;
        }
        // To the API server a member that is not there can be replaced (evanphx/json-patch `partialDoc.get` never fails).
        if let json_patch::PatchOperation::Replace(replace) = &operation
            && is_absent_member(&patched, replace.path.as_str())
        {
            let add = json_patch::AddOperation { path: replace.path.clone(), value: replace.value.clone() };
            operation = json_patch::PatchOperation::Add(add);
        }
        json_patch::patch(&mut patched, &[operation]).map_err(|_| ApiError::unprocessable_patch())?;
    }
    Ok(patched.into())
}

/// To the API server a member that is not there equals null (evanphx/json-patch `Patch.test`), as long as its parent exists.
fn tests_for_absence(object: &Value, operation: &json_patch::PatchOperation) -> bool {
    let json_patch::PatchOperation::Test(test) = operation else { return false };
    test.value.is_null() && is_absent_member(object, test.path.as_str())
}

fn is_absent_member(object: &Value, path: &str) -> bool {
    let parent = path.rfind('/').map(|at| &path[..at]);
    object.pointer(path).is_none() && parent.and_then(|parent| object.pointer(parent)).is_some_and(Value::is_object)
}

/// RFC 7386.
pub(crate) fn merge(object: &mut Json, patch: &Json) {
    let Some(fields) = patch.as_object() else {
        *object = patch.clone();
        return;
    };
    if !object.is_object() {
        *object = Json::Object(Map::new());
    }
    let Some(object) = object.as_object_mut() else { return };
    for (field, value) in fields {
        if value.is_null() {
            object.remove(field);
        } else {
            merge(object.get_or_null(field), value);
        }
    }
}

/// Strategic merge for built-in kinds: maps merge, keyed lists merge by key, other lists are replaced.
/// Of the directives, `$patch: delete` and `$patch: replace` are known, and the order hints of kubectl are ignored.
pub(crate) fn strategic(object: &mut Json, patch: &Json) -> Result<(), ApiError> {
    let Some(fields) = patch.as_object() else {
        *object = patch.clone();
        return Ok(());
    };
    match patch["$patch"].as_str() {
        Some("replace") => {
            *object = patch.clone();
            if let Some(object) = object.as_object_mut() {
                object.remove("$patch");
            }
            return Ok(());
        }
        Some(other) if other != "merge" => {
            return Err(ApiError::not_simulated(format_args!("strategic merge directive $patch: {other} on a map")));
        }
        _ => {}
    }
    if !object.is_object() {
        *object = Json::Object(Map::new());
    }
    let Some(object) = object.as_object_mut() else { return Ok(()) };
    for (field, value) in fields {
        if field == "$patch" || field.starts_with("$setElementOrder/") {
            continue;
        }
        if field.starts_with('$') {
            return Err(ApiError::not_simulated(format_args!("strategic merge directive {field}")));
        }
        match (value, merge_keys::of(field, false)) {
            (Json::Null, _) => {
                object.remove(field);
            }
            (Json::Array(items), Some(keys)) => {
                strategic_list(object.get_or_null(field), items, keys)?;
            }
            (Json::Object(_), _) => strategic(object.get_or_null(field), value)?,
            _ => {
                object.insert(field.clone(), value.clone());
            }
        }
    }
    Ok(())
}

fn strategic_list(list: &mut Json, items: &[Json], keys: &[&str]) -> Result<(), ApiError> {
    if !list.is_array() {
        *list = json!([]);
    }
    let Some(list) = list.as_array_mut() else { return Ok(()) };
    if items.iter().any(|item| item["$patch"] == "replace") {
        *list = items.iter().filter(|item| item["$patch"].is_null()).cloned().collect();
        return Ok(());
    }
    for item in items {
        let at = list.iter().position(|existing| merge_keys::same_item(keys, existing, item));
        match (item["$patch"].as_str(), at) {
            (Some("delete"), Some(at)) => drop(list.remove(at)),
            (Some("delete"), None) => {}
            (Some(other), _) => {
                return Err(ApiError::not_simulated(format_args!(
                    "strategic merge directive $patch: {other} on a list item"
                )));
            }
            (None, Some(at)) => strategic(&mut list.make_mut()[at], item)?,
            (None, None) => list.push(item.clone()),
        }
    }
    Ok(())
}
