//! JSON patches with `test`s: how every restart is written.

use anyhow::Result;
use flippy_e2e::observe;
use flippy_e2e::scenario::Scenario;
use flippy_e2e::workloads::{Workload, WorkloadRef};
use kube::Resource;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};

use crate::refusal::{Refusal, refusal};

flippy_e2e::scenarios! {
    both: [
        a_failed_test_is_refused_with_422_without_causes_and_changes_nothing,
        a_test_for_null_holds_where_nothing_is_as_long_as_there_could_be,
        tests_of_numbers_and_texts_compare_the_types_too,
        a_member_that_is_not_there_can_be_replaced_but_not_removed,
        what_does_not_fit_is_refused_with_422_and_what_is_no_patch_with_400,
        operations_see_what_earlier_ones_did_and_all_or_none_take_effect,
        a_patch_of_what_does_not_exist_is_404,
    ]
}

async fn patch(s: &Scenario, workload: &WorkloadRef, patch: Value) -> Result<kube::Result<DynamicObject>> {
    let patch = Patch::Json::<()>(serde_json::from_value(patch)?);
    let params = PatchParams { field_manager: Some("flippy".to_owned()), ..PatchParams::default() };
    Ok(observe::api(&s.client(), workload).patch(&workload.name, &params, &patch).await)
}

async fn both_kinds(s: &Scenario) -> Result<Vec<WorkloadRef>> {
    let shop = s.namespace("shop").await?;
    s.create_all(&shop, [Workload::deployment("cart"), Workload::rollout("search")]).await
}

fn set_label() -> Value {
    json!({"op": "add", "path": "/metadata/labels/changed", "value": "true"})
}

fn patch_refused(message: &str) -> Refusal {
    Refusal { code: 422, reason: "Invalid".to_owned(), message: message.to_owned(), causes: Vec::new() }
}

async fn a_failed_test_is_refused_with_422_without_causes_and_changes_nothing(s: &Scenario) -> Result<()> {
    for workload in both_kinds(s).await? {
        let before = s.get(&workload).await?;
        for (path, value) in [("/metadata/uid", json!("another")), ("/metadata/generation", json!(4711))] {
            let test = json!({"op": "test", "path": path, "value": value});
            let refused = refusal(patch(s, &workload, json!([test, set_label()])).await?)?;
            assert_eq!(refused, patch_refused("the server rejected our request due to an error in our request"));
        }
        assert_eq!(s.get(&workload).await?.metadata.resource_version, before.metadata.resource_version);
    }
    Ok(())
}

async fn a_test_for_null_holds_where_nothing_is_as_long_as_there_could_be(s: &Scenario) -> Result<()> {
    for workload in both_kinds(s).await? {
        let object = s.get(&workload).await?;
        let holds = async |path: &str| -> Result<bool> {
            let test = json!({"op": "test", "path": path, "value": null});
            Ok(patch(s, &workload, json!([test])).await?.is_ok())
        };
        assert_eq!(object.data["spec"]["template"]["metadata"]["annotations"], json!(null));
        assert!(holds("/spec/template/metadata/annotations").await?, "{workload}");
        assert!(!holds("/spec/template/metadata/annotations/some").await?, "{workload}");
        assert!(!holds("/spec/template/metadata/labels").await?, "{workload}");
        assert!(holds("/metadata/labels/some").await?, "{workload}");
    }
    Ok(())
}

async fn tests_of_numbers_and_texts_compare_the_types_too(s: &Scenario) -> Result<()> {
    for workload in both_kinds(s).await? {
        let generation = s.get(&workload).await?.metadata.generation;
        let test = |value: Value| json!([{"op": "test", "path": "/metadata/generation", "value": value}]);
        assert!(patch(s, &workload, test(json!(generation))).await?.is_ok());
        let in_quotes = generation.map(|number| number.to_string());
        assert_eq!(refusal(patch(s, &workload, test(json!(in_quotes))).await?)?.code, 422);
    }
    Ok(())
}

async fn what_does_not_fit_is_refused_with_422_and_what_is_no_patch_with_400(s: &Scenario) -> Result<()> {
    for workload in both_kinds(s).await? {
        for (operation, path) in [
            ("add", "/spec/template/metadata/annotations/some"),
            ("replace", "/spec/template/metadata/annotations/some"),
            ("remove", "/metadata/labels/some"),
        ] {
            let operation = json!({"op": operation, "path": path, "value": "x"});
            let refused = refusal(patch(s, &workload, json!([operation])).await?)?;
            assert_eq!(refused.kind(), (422, "Invalid"), "{operation}: {refused:?}");
            assert_eq!(refused.causes.len(), 0, "{operation}: {refused:?}");
        }
        let resource = workload.kind.api_resource();
        let all = DynamicObject::url_path(&resource, Some(&workload.namespace));
        let path = format!("{all}/{}", workload.name);
        let request = http::Request::patch(path)
            .header("content-type", "application/json-patch+json")
            .body(br#"{"metadata": {}}"#.to_vec())?;
        let refused = refusal(s.client().request::<Value>(request).await)?;
        assert_eq!(refused.kind(), (400, "BadRequest"), "{refused:?}");
    }
    Ok(())
}

async fn a_member_that_is_not_there_can_be_replaced_but_not_removed(s: &Scenario) -> Result<()> {
    for workload in both_kinds(s).await? {
        let operation = |op: &str| json!([{"op": op, "path": "/metadata/labels/some", "value": "x"}]);
        assert_eq!(refusal(patch(s, &workload, operation("remove")).await?)?.code, 422);
        let replaced = patch(s, &workload, operation("replace")).await??;
        assert_eq!(replaced.metadata.labels.unwrap_or_default()["some"], "x");
    }
    Ok(())
}

async fn operations_see_what_earlier_ones_did_and_all_or_none_take_effect(s: &Scenario) -> Result<()> {
    for workload in both_kinds(s).await? {
        let parent = "/spec/template/metadata/annotations";
        let restart = json!([
            {"op": "test", "path": parent, "value": null},
            {"op": "add", "path": parent, "value": {}},
            {"op": "add", "path": format!("{parent}/example.com~1restarted-at"), "value": "now"},
        ]);
        let restarted = patch(s, &workload, restart.clone()).await??;
        let annotations = &restarted.data["spec"]["template"]["metadata"]["annotations"];
        assert_eq!(annotations, &json!({"example.com/restarted-at": "now"}));

        // The first operation fails now, and so the others do nothing.
        assert_eq!(refusal(patch(s, &workload, restart).await?)?.code, 422);
        let late = json!([set_label(), {"op": "test", "path": "/metadata/uid", "value": "another"}]);
        assert_eq!(refusal(patch(s, &workload, late).await?)?.code, 422);
        let labels = s.get(&workload).await?.metadata.labels.unwrap_or_default();
        assert_eq!(labels.get("changed"), None);
    }
    Ok(())
}

async fn a_patch_of_what_does_not_exist_is_404(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    for workload in [Workload::deployment("cart"), Workload::rollout("search")] {
        let workload = workload.reference(&shop);
        let refused = refusal(patch(s, &workload, json!([set_label()])).await?)?;
        assert_eq!(refused.kind(), (404, "NotFound"));
    }
    Ok(())
}
