//! Dumps in which one value is not what it should be: each is refused, or played; none ends the program.

use std::time::Duration;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::Timestamp;
use serde_json::{Value, json};

use super::material::Material;
use super::stage::{self, Play};
use super::what_if::WhatIf;

const DUMP: &str = include_str!("../../../../examples/rehearsal/dump.json");
const CONFIG: &str = include_str!("../../../../examples/rehearsal/mesh.yaml");

/// What a value is replaced by.
fn wrong() -> [Value; 9] {
    [
        json!(null),
        json!("x"),
        json!("99999999999999999999%"),
        json!(-1),
        json!(i64::MAX),
        json!(1e300),
        json!([]),
        json!(["x"]),
        json!({"x": {"y": []}}),
    ]
}

/// The places of all values in a value.
fn places(value: &Value, here: &str, all: &mut Vec<String>) {
    all.push(here.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{here}/{at}"), all));
        }
        Value::Object(fields) => fields.iter().for_each(|(field, value)| {
            places(value, &format!("{here}/{}", field.replace('~', "~0").replace('/', "~1")), all);
        }),
        _ => {}
    }
}

/// One object of each kind, and those that belong to it.
fn objects() -> Vec<Value> {
    let dump: Value = serde_json::from_str(DUMP).expect("the example is JSON");
    let of = |object: &&Value| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        ["bank", "ledger", "ledger-0", "accounts", "accounts-57d9", "accounts-57d9-0"].contains(&name)
    };
    dump["items"].as_array().expect("it is a list").iter().filter(of).cloned().collect()
}

fn played(objects: Vec<Value>, config: &FlippyConfig, options: &ConversionOptions) -> Result<(), String> {
    let now: Timestamp = "2026-01-06T00:00:00Z".parse().expect("it is a time");
    let mut material = Material::seen_before(now);
    objects.into_iter().try_for_each(|object| material.take(object))?;
    material.forget_empty_sets();
    let play = Play {
        material,
        configs: vec![config.clone()],
        options,
        what_if: WhatIf { fail: 0.1, ..WhatIf::default() },
        seed: 1,
        start: now,
    };
    flippy_sim::run(async {
        let stage = stage::set(play).await.map_err(|failure| failure.to_string())?;
        // Everybody who can be woken is.
        for resource in [flippy_sim::Resource::Deployments, flippy_sim::Resource::StatefulSets] {
            for object in stage.cluster.list(resource) {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
                let _ = stage.cluster.edit("somebody", resource, &text("namespace"), &text("name"), |object| {
                    object["spec"]["template"]["metadata"]["annotations"]["restarted"] = flippy_sim::json!("yes");
                });
            }
        }
        tokio::time::sleep(Duration::from_mins(5)).await;
        let _ = stage.cluster.now();
        Ok(())
    })
}

#[test]
fn no_wrong_value_in_a_dump_ends_the_program() {
    let config: FlippyConfig = serde_saphyr::from_str(CONFIG).expect("the example is a config");
    let options =
        ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces: ["istio-system".into()].into() };
    let objects = objects();
    assert_eq!(played(objects.clone(), &config, &options), Ok(()));
    let (mut refused, mut taken, mut ended) = (0, 0, Vec::new());
    for at in 0..objects.len() {
        let mut all = Vec::new();
        places(&objects[at], "", &mut all);
        for place in all {
            for wrong in wrong() {
                let mut changed = objects.clone();
                let told = format!("{place}: {wrong}");
                *changed[at].pointer_mut(&place).expect("it was found there") = wrong;
                // All of them in one go, or mending takes as many runs.
                match std::panic::catch_unwind(|| played(changed, &config, &options)) {
                    Ok(Ok(())) => taken += 1,
                    Ok(Err(_)) => refused += 1,
                    Err(_) => ended.push(told),
                }
            }
        }
    }
    assert!(ended.is_empty(), "{ended:#?}");
    assert!(refused > 100 && taken > 100, "refused: {refused}, taken: {taken}");
}
