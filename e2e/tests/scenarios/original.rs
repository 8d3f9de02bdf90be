//! What existing installations of the original have.

use anyhow::Result;
use flippy_e2e::apply;
use flippy_e2e::config::condition;
use flippy_e2e::scenario::{NEW_IMAGE, Scenario};
use flippy_e2e::wait;
use flippy_e2e::workloads::Workload;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, ValidationDirective};
use serde_json::{Value, json};

use crate::config::{MESH, wanting};
use crate::outcome::{LIMIT, ready_because, restarted_once};

flippy_e2e::scenarios! {
    both: [
        a_config_with_the_fields_of_the_originals_sample_is_accepted_strictly_and_reaches_the_same_end,
        objects_that_the_originals_definition_stored_survive_ours,
        an_object_that_does_not_decode_is_reported_and_a_valid_one_beside_it_completes,
    ],
}

async fn a_config_with_the_fields_of_the_originals_sample_is_accepted_strictly_and_reaches_the_same_end(
    s: &Scenario,
) -> Result<()> {
    let control = s.namespace_with("control", &json!({"istio-injection": null})).await?;
    let named = ["istiod", "ingress"].map(Workload::deployment);
    let named = s.create_all(&control, named).await?;
    let shop = s.namespace("shop").await?;
    let injected = |workload: Workload| workload.pod_annotation("sidecar.istio.io/inject", "true");
    let workloads = [injected(Workload::deployment("cart")), injected(Workload::rollout("search"))];
    let mut workloads = s.create_all(&shop, workloads).await?;
    s.create_all(&shop, [Workload::deployment("not-annotated")]).await?;
    let _operator = s.operator().await?;
    s.mesh().upgrade(NEW_IMAGE).await?;

    let patiently = json!({"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30});
    let not_waiting = json!({"CheckStatus": false, "MaxRetry": 10, "RetryDuration": 30});
    let workload = |name: &str| {
        let k8s = json!({"Type": "Deployment", "Name": name, "Namespace": control});
        json!({"K8S": k8s, "StatusCheckConfig": patiently})
    };
    let config = json!({
        "apiVersion": "keikoproj.io/v1",
        "kind": "FlippyConfig",
        "metadata": {"name": MESH, "namespace": s.system()},
        "spec": {
            "ImageList": [NEW_IMAGE, "docker.io/istio/proxyv2:1.30.9"],
            "PostFilterRestarts": [workload("ingress")],
            "Preconditions": [workload("istiod")],
            "RestartObjects": [
                {"Type": "Deployment", "StatusCheckConfig": not_waiting},
                {"Type": "ArgoRollout", "StatusCheckConfig": not_waiting},
            ],
            "ProcessFilter": {
                "Containers": ["istio-proxy"],
                "Labels": s.labels(),
                "Annotations": {"sidecar.istio.io/inject": "true"},
            },
        },
    });
    // Unknown fields are errors, as in `kubectl create`.
    let strictly = PatchParams { field_validation: Some(ValidationDirective::Strict), ..PatchParams::apply("kubectl") };
    s.configs(s.system()).patch(MESH, &strictly, &Patch::Apply(config)).await?;

    ready_because(s, MESH, "AllFresh").await?;
    s.fresh(&workloads, NEW_IMAGE, LIMIT).await?;
    workloads.push(named[1].clone());
    restarted_once(s, &workloads).await
}

async fn objects_that_the_originals_definition_stored_survive_ours(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    remove_definition(s).await?;
    apply::apply(&s.client(), &[originals_definition()]).await?;
    let mut odd = wanting(s, &[NEW_IMAGE]);
    odd["RestartObjects"][0]["StatusCheckConfig"] = json!({"CheckStatus": true, "MaxRetry": -1, "RetryDuration": 30});
    odd["Preconditions"] = json!(null);
    odd["PostFilterRestarts"] = json!(null);
    odd["ProcessFilter"]["PodLabels"] = json!(null);
    let wrong = json!({"ImageList": "docker.io/istio/proxyv2:1.30.4"});
    for (name, spec) in [("odd", odd), ("bare", json!(null)), ("nulls", json!({"ImageList": null})), ("wrong", wrong)] {
        store(s, name, &spec).await?;
    }

    let _operator = s.operator().await?;

    for name in ["bare", "nulls"] {
        ready_because(s, name, "SelectsNothing").await?;
    }
    let status = ready_because(s, "odd", "AllFresh").await?;
    let message = condition(&status, "Ready").expect("it was just read")["message"].as_str().unwrap_or_default();
    assert!(message.contains("spec.RestartObjects[0].StatusCheckConfig.MaxRetry: -1"), "{message}");
    restarted_once(s, &workloads).await?;
    Ok(())
}

async fn an_object_that_does_not_decode_is_reported_and_a_valid_one_beside_it_completes(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let workloads = s.create_all(&shop, [Workload::deployment("cart")]).await?;
    s.mesh().upgrade(NEW_IMAGE).await?;
    s.install().await?;
    remove_definition(s).await?;
    apply::apply(&s.client(), &[originals_definition()]).await?;
    store(s, "wrong", &json!({"ImageList": NEW_IMAGE})).await?;
    store(s, MESH, &wanting(s, &[NEW_IMAGE])).await?;
    // From here on the stored object does not fit the schema, and nothing can be applied to it, not even a status.
    flippy_e2e::install::install_definitions(&s.client()).await?;

    let mut operator = s.spawn_operator(&[]).await?;
    operator.ready().await?;

    ready_because(s, MESH, "AllFresh").await?;
    restarted_once(s, &workloads).await?;
    let status = ready_because(s, "wrong", "InvalidSpec").await?;
    let message = condition(&status, "Ready").expect("it was just read")["message"].as_str().unwrap_or_default();
    assert!(message.contains("does not decode") && message.contains(NEW_IMAGE), "{message}");
    Ok(())
}

async fn store(s: &Scenario, name: &str, spec: &Value) -> Result<()> {
    let mut object = json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"namespace": s.system(), "name": name},
    });
    if !spec.is_null() {
        object["spec"] = spec.clone();
    }
    let object: DynamicObject = serde_json::from_value(object)?;
    s.configs(s.system()).create(&PostParams::default(), &object).await?;
    Ok(())
}

pub(crate) async fn remove_definition(s: &Scenario) -> Result<()> {
    let definitions: Api<CustomResourceDefinition> = Api::all(s.client());
    match definitions.delete("flippyconfigs.keikoproj.io", &DeleteParams::default()).await {
        Ok(_) => wait::until_gone(definitions, "flippyconfigs.keikoproj.io", LIMIT).await,
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Laxer than the original's, so that it stores whatever any version of it may have stored.
fn originals_definition() -> Value {
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "flippyconfigs.keikoproj.io"},
        "spec": {
            "group": "keikoproj.io",
            "names": {
                "kind": "FlippyConfig", "listKind": "FlippyConfigList",
                "plural": "flippyconfigs", "singular": "flippyconfig",
            },
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {
                    "type": "object",
                    "properties": {"spec": anything, "status": anything},
                }},
            }],
        },
    })
}
