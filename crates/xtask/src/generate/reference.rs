//! References: every field of a schema, with its type and its description.

use std::fmt::Write;

use anyhow::{Context, Result};
use flippy_e2e::apply;
use serde_json::Value;

use crate::workspace;

/// The reference of `FlippyConfig`, from its definition.
pub(super) fn of_configs(definition: &str) -> Result<String> {
    let documents = apply::parse(definition)?;
    let schema = documents[0].pointer("/spec/versions/0/schema/openAPIV3Schema/properties");
    let schema = schema.context("the definition has no schema")?;
    let mut text = String::from(
        "# FlippyConfig\n\n\
         Every field, from the definition that is installed; `kubectl explain flippyconfig.spec` says the same. `flippy plan -f`\n\
         tells what a config would do. Written by `cargo xtask generate`.\n",
    );
    for part in ["spec", "status"] {
        object(&mut text, part, &schema[part]);
    }
    Ok(text)
}

/// The reference of the chart's values, from their schema and their defaults.
pub(super) fn of_values() -> Result<String> {
    let chart = workspace::root().join("charts/flippy");
    let read = |name: &str| std::fs::read_to_string(chart.join(name)).with_context(|| format!("cannot read {name}"));
    let schema: Value = serde_json::from_str(&read("values.schema.json")?).context("values.schema.json is no JSON")?;
    let values = apply::parse(&read("values.yaml")?)?;
    let mut text = String::from(
        "# The chart of Flippy\n\n\
         docs/install.md says how to install it. Values that are not here are refused. Written by `cargo xtask generate`.\n\n\
         | Value | Otherwise | Meaning |\n|---|---|---|\n",
    );
    values_of(&mut text, "", &schema, &values[0]);
    Ok(text)
}

fn values_of(text: &mut String, path: &str, schema: &Value, defaults: &Value) {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if field["description"].is_null() {
            values_of(text, &path, field, &defaults[name]);
        } else if !defaults[name].is_null() {
            row(text, &[&format!("`{path}`"), &format!("`{}`", defaults[name]), &meaning(field)]);
        }
    }
}

fn object(text: &mut String, path: &str, schema: &Value) {
    let Some(fields) = schema["properties"].as_object() else {
        return;
    };
    write!(text, "\n## `{path}`\n\n").expect("a text takes everything");
    let about = meaning(schema);
    if !about.is_empty() {
        write!(text, "{about}\n\n").expect("a text takes everything");
    }
    text.push_str("| Field | Type | Meaning |\n|---|---|---|\n");
    for (name, field) in fields {
        let name = format!("`{name}`{}", if is_required(schema, name) { " (required)" } else { "" });
        row(text, &[&name, &type_of(field), &meaning(field)]);
    }
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        if let Some(message) = rule["message"].as_str() {
            write!(text, "\nChecked: {message}\n").expect("a text takes everything");
        }
    }
    for (name, field) in fields {
        object(text, &format!("{path}.{name}"), field);
        object(text, &format!("{path}.{name}[]"), &field["items"]);
        object(text, &format!("{path}.{name}.*"), &field["additionalProperties"]);
    }
}

fn is_required(schema: &Value, name: &str) -> bool {
    schema["required"].as_array().is_some_and(|required| required.iter().any(|field| field == name))
}

fn type_of(field: &Value) -> String {
    let mut name = match field["type"].as_str() {
        _ if field["x-kubernetes-int-or-string"] == true => "number or text".to_owned(),
        Some("array") => format!("list of {}", type_of(&field["items"])),
        Some("object") if field["additionalProperties"].is_object() => {
            format!("map to {}", type_of(&field["additionalProperties"]))
        }
        Some("string") => "text".to_owned(),
        Some(other) => other.to_owned(),
        None => "anything".to_owned(),
    };
    if let Some(values) = field["enum"].as_array() {
        let values: Vec<String> = values.iter().filter_map(|value| Some(format!("`{}`", value.as_str()?))).collect();
        name = values.join(", ");
    }
    for (limit, word) in [("minimum", "from"), ("maximum", "to"), ("maxItems", "at most"), ("maxProperties", "at most")]
    {
        if let Some(number) = field[limit].as_i64() {
            write!(name, ", {word} {number}").expect("a text takes everything");
        }
    }
    name
}

fn meaning(field: &Value) -> String {
    field["description"].as_str().unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn row(text: &mut String, cells: &[&str]) {
    let cells: Vec<String> = cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
    writeln!(text, "| {} |", cells.join(" | ")).expect("a text takes everything");
}
