//! The values that objects are kept as: they read and write as JSON does, and copies share what nobody changed.

use flippy_sim::{Json, json};
use proptest::prelude::*;
use serde_json::Value;

#[test]
fn a_copy_shares_all_but_the_path_to_what_was_changed() {
    let pod = json!({"metadata": {"name": "web", "labels": {"app": "web"}}, "spec": {"containers": [{"name": "app"}]}});
    let mut changed = pod.clone();
    assert!(changed.is_copy_of(&pod));
    changed["metadata"]["resourceVersion"] = json!("2");
    assert_eq!(pod["metadata"]["resourceVersion"], Json::Null, "the original is as it was");
    assert!(!changed["metadata"].is_copy_of(&pod["metadata"]));
    assert!(changed["metadata"]["labels"].is_copy_of(&pod["metadata"]["labels"]));
    assert!(changed["spec"].is_copy_of(&pod["spec"]));
}

#[test]
fn what_is_asked_to_be_removed_and_is_not_there_copies_nothing() {
    let pod = json!({"metadata": {"name": "web"}});
    let mut same = pod.clone();
    let fields = same.as_object_mut().expect("it is an object");
    assert_eq!(fields.remove("status"), None);
    fields.retain(|_, _| true);
    assert!(same.is_copy_of(&pod));
}

#[test]
fn what_is_removed_from_a_copy_stays_in_the_original() {
    let pod = json!({"a": 1, "b": 2, "c": 3, "d": 4});
    let mut copy = pod.clone();
    let fields = copy.as_object_mut().expect("it is an object");
    fields.retain(|name, value| name != "b" && *value != 3);
    assert_eq!(fields.remove("d"), Some(json!(4)));
    assert_eq!((copy, pod), (json!({"a": 1}), json!({"a": 1, "b": 2, "c": 3, "d": 4})));
}

#[test]
fn values_are_equal_whether_they_share_their_parts_or_not() {
    let one = json!({"a": [1, {"b": null}], "c": true});
    let other = json!({"c": true, "a": [1, {"b": null}]});
    assert!(!one.is_copy_of(&other));
    assert_eq!(one, other);
    assert_ne!(one, json!({"a": [1, {"b": null}], "c": false}));
    assert_ne!(one, json!({"a": [1, {"b": null}]}));
}

#[test]
fn what_is_not_there_reads_as_null_and_is_made_when_it_is_written() {
    let mut object = json!({"metadata": {}});
    assert_eq!(object["status"]["conditions"][3]["type"], Json::Null);
    assert_eq!(object.to_string(), r#"{"metadata":{}}"#, "reading made nothing");
    object["metadata"]["labels"]["app"] = json!("web");
    assert_eq!(object, json!({"metadata": {"labels": {"app": "web"}}}));
}

#[test]
fn an_expression_in_a_literal_is_copied_and_not_moved() {
    let name = String::from("web");
    let labels = json!({"app": name});
    let key = "team";
    let object = json!({"labels": labels, (key): [name, null, {}, [], -1, 2.5], "none": Option::<bool>::None});
    assert_eq!(object.to_string(), r#"{"labels":{"app":"web"},"none":null,"team":["web",null,{},[],-1,2.5]}"#);
    assert!(object["labels"].is_copy_of(&labels));
}

/// Any JSON value, with texts and names that need escapes, and names that begin alike.
fn any_value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof!["[a-z]{0,3}", "begin[\\x00s-t\u{e9}]{0,5}", any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((text(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_is_written_as_serde_json_writes_it(value in any_value()) {
        let text = value.to_string();
        let json = Json::from(&value);
        prop_assert_eq!(&json.to_string(), &text, "by itself");
        prop_assert_eq!(&serde_json::to_string(&json).expect("it serialises"), &text, "by serde");
    }

    #[test]
    fn a_value_is_read_and_converted_without_a_change(value in any_value()) {
        let json = Json::from(&value);
        let read: Json = serde_json::from_str(&value.to_string()).expect("it is JSON");
        let said_by_serde: Value = serde_json::from_str(&value.to_string()).expect("it is JSON");
        prop_assert_eq!(&read, &Json::from(said_by_serde));
        prop_assert_eq!(Value::from(&json), value);
    }

    #[test]
    fn fields_set_in_any_order_are_found_and_come_in_the_order_of_their_names(names in prop::collection::vec("[a-d]{1,3}|begin[\\x00s-t\u{e9}]{0,5}", 0..12)) {
        let mut json = json!({});
        for (place, name) in names.iter().enumerate() {
            json[name] = json!(place);
        }
        for name in &names {
            let last = names.iter().rposition(|other| other == name).expect("it is one of them");
            prop_assert_eq!(&json[name], &json!(last));
        }
        let sorted: std::collections::BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let fields: Vec<&str> = json.as_object().expect("it is an object").keys().map(flippy_sim::SmolStr::as_str).collect();
        prop_assert_eq!(fields, sorted.into_iter().collect::<Vec<_>>());
    }
}
