//! Label and field selectors.

use crate::Json;

use crate::error::ApiError;
use crate::resources::Resource;

/// One requirement on the labels of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Requirement {
    In(String, Vec<String>),
    NotIn(String, Vec<String>),
    Exists(String),
    Absent(String),
}

/// A label selector; the empty one matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// The form of query strings: `app=web,tier!=db,env in (a,b),!legacy`.
    pub(crate) fn parse(text: &str) -> Result<Self, ApiError> {
        split_outside_parentheses(text).into_iter().map(parse_requirement).collect::<Result<_, _>>().map(Self)
    }

    /// The form of specs: `matchLabels` and `matchExpressions`. None where it names an unknown operator.
    pub(crate) fn of_spec(selector: &Json) -> Option<Self> {
        let mut all = Vec::new();
        for (key, value) in selector["matchLabels"].as_object().into_iter().flatten() {
            all.push(Requirement::In(key.to_string(), vec![value.as_str()?.to_owned()]));
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let key = expression["key"].as_str()?.to_owned();
            let values = || {
                expression["values"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|value| value.as_str().map(str::to_owned))
                    .collect()
            };
            all.push(match expression["operator"].as_str()? {
                "In" => Requirement::In(key, values()),
                "NotIn" => Requirement::NotIn(key, values()),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::Absent(key),
                _ => return None,
            });
        }
        Some(Self(all))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Json) -> bool {
        let labels = &object["metadata"]["labels"];
        self.0.iter().all(|requirement| match requirement {
            Requirement::In(key, values) => {
                labels[key].as_str().is_some_and(|label| values.iter().any(|value| value == label))
            }
            Requirement::NotIn(key, values) => {
                labels[key].as_str().is_none_or(|label| values.iter().all(|value| value != label))
            }
            Requirement::Exists(key) => labels[key].is_string(),
            Requirement::Absent(key) => !labels[key].is_string(),
        })
    }
}

fn split_outside_parentheses(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_i32, 0);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(text[start..at].trim());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text[start..].trim());
    parts.retain(|part| !part.is_empty());
    parts
}

fn parse_requirement(text: &str) -> Result<Requirement, ApiError> {
    if let Some((key, rest)) = text.split_once(" notin ") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), parse_values(text, rest)?));
    }
    if let Some((key, rest)) = text.split_once(" in ") {
        return Ok(Requirement::In(key.trim().to_owned(), parse_values(text, rest)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Ok(Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once("==").or_else(|| text.split_once('=')) {
        return Ok(Requirement::In(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if text.contains(['(', ')', ' ', '<', '>']) {
        return Err(ApiError::bad_request(format!("unable to parse requirement: {text}")));
    }
    Ok(text
        .strip_prefix('!')
        .map_or_else(|| Requirement::Exists(text.to_owned()), |key| Requirement::Absent(key.trim().to_owned())))
}

fn parse_values(requirement: &str, text: &str) -> Result<Vec<String>, ApiError> {
    text.trim()
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .map(|text| text.split(',').map(|value| value.trim().to_owned()).collect())
        .ok_or_else(|| ApiError::bad_request(format!("unable to parse requirement: {requirement}")))
}

/// A field selector: (path, must be equal, value).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldSelector(Vec<(Vec<String>, bool, String)>);

impl FieldSelector {
    pub(crate) fn parse(resource: Resource, text: &str) -> Result<Self, ApiError> {
        let mut all = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let (path, equal, value) = if let Some((path, value)) = part.split_once("!=") {
                (path, false, value)
            } else if let Some((path, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (path, true, value)
            } else {
                return Err(ApiError::bad_request(format!("invalid selector: '{part}'; can't understand '{part}'")));
            };
            if !is_selectable(resource, path) {
                return Err(ApiError::bad_request(format!("field label not supported: {path}")));
            }
            // Events are stored the core/v1 way.
            let stored = path.replacen("regarding.", "involvedObject.", 1);
            all.push((stored.split('.').map(str::to_owned).collect(), equal, value.to_owned()));
        }
        Ok(Self(all))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, object: &Json) -> bool {
        self.0.iter().all(|(path, equal, wanted)| {
            let found = path.iter().fold(object, |value, field| &value[field]);
            (found.as_str().unwrap_or_default() == wanted) == *equal
        })
    }
}

/// The field labels that real servers register per kind.
fn is_selectable(resource: Resource, path: &str) -> bool {
    if path == "metadata.name" || (path == "metadata.namespace" && resource.traits().namespaced) {
        return true;
    }
    match resource {
        Resource::Pods => matches!(
            path,
            "spec.nodeName"
                | "spec.restartPolicy"
                | "spec.schedulerName"
                | "spec.serviceAccountName"
                | "status.phase"
                | "status.podIP"
        ),
        Resource::Namespaces => path == "status.phase",
        Resource::Secrets => path == "type",
        Resource::Events => matches!(
            path,
            "involvedObject.kind"
                | "involvedObject.namespace"
                | "involvedObject.name"
                | "involvedObject.uid"
                | "regarding.kind"
                | "regarding.namespace"
                | "regarding.name"
                | "regarding.uid"
                | "reason"
                | "type"
                | "reportingComponent"
                | "source"
        ),
        _ => false,
    }
}
