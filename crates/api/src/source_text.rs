//! What the text of a source says: a list of images, or a document that a template makes one image of.

use flippy_core::{FieldPath, ImageRef, MAX_SOURCE_IMAGES, SourcePart, Template};
use serde_json::Value;

use crate::bounds::{MAX_FIELD_MESSAGE_LENGTH, one_line};

/// Kubernetes stores no larger `ConfigMap`.
const MAX_BYTES: usize = 1 << 20;

/// Reads the text at the key of a `ConfigMap`. At least one image, each once, in the order of the text.
///
/// # Errors
/// Why it names no images, on one line: it is too large, holds something else, or nothing. A source that names nothing is a
/// mistake: as an empty list it would make everything stale, or nothing.
pub fn images_in(text: &str, part: &SourcePart) -> Result<Vec<ImageRef>, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("is larger than {} MiB", MAX_BYTES >> 20));
    }
    let read = match &part.template {
        Some(template) => filled(text, template).map(|image| vec![image]),
        None => listed(text),
    };
    // The text may be anybody's.
    read.map_err(|why| one_line(&why, MAX_FIELD_MESSAGE_LENGTH))
}

fn listed(text: &str) -> Result<Vec<ImageRef>, String> {
    let mut images: Vec<ImageRef> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for written in without_comment(line).split(',') {
            let written = unquoted(written);
            if written.is_empty() {
                continue;
            }
            let image = ImageRef::parse(written).map_err(|error| format!("line {}: {error}", index + 1))?;
            if images.contains(&image) {
                continue;
            }
            if images.len() == MAX_SOURCE_IMAGES {
                return Err(format!("names more than {MAX_SOURCE_IMAGES} images"));
            }
            images.push(image);
        }
    }
    if images.is_empty() { Err("names no image: write one a line".to_owned()) } else { Ok(images) }
}

/// As in YAML and in most lists: a comment begins a line, or follows a blank.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, char)| line[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let comment = line.char_indices().filter(|(_, c)| *c == '#').find(begins);
    comment.map_or(line, |(at, _)| &line[..at])
}

/// A list in YAML reads as well as one without dashes.
fn unquoted(written: &str) -> &str {
    let written = written.trim();
    let written = written.strip_prefix("- ").map_or(written, str::trim_start);
    let quoted = |quote| written.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    quoted('"').or_else(|| quoted('\'')).unwrap_or(written)
}

fn filled(text: &str, template: &Template) -> Result<ImageRef, String> {
    let document = document(text)?;
    let image = template.fill(|path| value_at(&document, path))?;
    ImageRef::parse(&image).map_err(|error| format!("the template makes `{image}` of it, but {error}"))
}

/// JSON is YAML. Small documents that grow when they are read are refused.
fn document(text: &str) -> Result<Value, String> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_nodes: 50_000,
            max_events: 200_000,
            max_aliases: 100,
            max_anchors: 100,
            max_merge_keys: 100,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 50_000,
            max_replay_stack_depth: 16,
        },
    };
    serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let line = error.location().map_or_else(String::new, |location| format!(", line {}", location.line()));
        let message = error.without_snippet().to_string();
        format!("is no YAML or JSON document{line}: {}", message.lines().next().unwrap_or_default())
    })
}

fn value_at(document: &Value, path: &FieldPath) -> Result<String, String> {
    let mut value = document;
    for step in path.steps() {
        let missing = || format!("has no field {path}");
        value = value.get(step).ok_or_else(missing)?;
    }
    match value {
        Value::String(text) if !text.trim().is_empty() => Ok(text.trim().to_owned()),
        Value::String(_) | Value::Null => Err(format!("has nothing in the field {path}")),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        // `1.30` is 1.3 to whoever reads it as a number: the image would be another one.
        Value::Number(number) => Err(format!("has the number {number} in the field {path}: write it in quotes")),
        Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(format!("has no text in the field {path}, but a {}", kind_of(value)))
        }
    }
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Array(_) => "list",
        Value::Object(_) => "map",
        _ => "boolean",
    }
}
