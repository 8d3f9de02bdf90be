//! Kubernetes events.

use anyhow::Result;
use flippy_e2e::scenario::Scenario;
use kube::api::{Api, ListParams, PostParams};
use serde_json::json;

use crate::refusal::refusal;

flippy_e2e::scenarios! {
    both: [an_event_is_written_the_new_way_once_and_read_either_way]
}

async fn an_event_is_written_the_new_way_once_and_read_either_way(s: &Scenario) -> Result<()> {
    let shop = s.namespace("shop").await?;
    let new: Api<k8s_openapi::api::events::v1::Event> = Api::namespaced(s.client(), &shop);
    let event = serde_json::from_value(json!({
        "metadata": {"name": "cart.1"}, "eventTime": "2026-01-05T00:00:00.123456Z",
        "type": "Normal", "reason": "Restarted", "action": "Restarted", "note": "because",
        "reportingController": "keikoproj.io/flippy", "reportingInstance": "flippy-0",
        "regarding": {"apiVersion": "apps/v1", "kind": "Deployment", "namespace": shop, "name": "cart", "uid": "u"},
    }))?;
    let created = new.create(&PostParams::default(), &event).await?;
    assert_eq!(created.event_time, event.event_time);
    let refused = refusal(new.create(&PostParams::default(), &event).await)?;
    assert_eq!(refused.kind(), (409, "AlreadyExists"));

    let old: Api<k8s_openapi::api::core::v1::Event> = Api::namespaced(s.client(), &shop);
    let about_cart = ListParams::default().fields("involvedObject.name=cart,involvedObject.kind=Deployment");
    let shown = old.list(&about_cart).await?.items;
    assert_eq!(shown.len(), 1);
    assert_eq!((shown[0].message.as_deref(), shown[0].reason.as_deref()), (Some("because"), Some("Restarted")));
    assert_eq!(shown[0].reporting_component.as_deref(), Some("keikoproj.io/flippy"));
    assert_eq!(shown[0].event_time, event.event_time);
    assert_eq!(new.get("cart.1").await?.note.as_deref(), Some("because"));
    Ok(())
}
