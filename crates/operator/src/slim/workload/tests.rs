use serde_json::{Value, json};

use super::*;

/// Whether a Deployment of one replica with this strategy keeps it until its successor is there.
fn keeps_its_only_pod(strategy: &Value) -> bool {
    let deployment: SlimDeployment =
        serde_json::from_value(json!({"metadata": {"name": "cart"}, "spec": {"strategy": strategy}}))
            .expect("the API server could say this");
    deployment.record(&mut Interner::new()).disruption.takes_nothing_away
}

fn keeps_it_by(max_surge: &Value, max_unavailable: &Value) -> bool {
    let rolling = json!({"maxSurge": max_surge, "maxUnavailable": max_unavailable});
    keeps_its_only_pod(&json!({"type": "RollingUpdate", "rollingUpdate": rolling}))
}

#[test]
fn a_deployment_keeps_its_only_pod_unless_its_strategy_says_otherwise() {
    for strategy in [json!(null), json!({}), json!({"type": "RollingUpdate"}), json!({"rollingUpdate": null})] {
        assert!(keeps_its_only_pod(&strategy), "{strategy}");
    }
    assert!(keeps_it_by(&json!(null), &json!(null)));
}

#[test]
fn a_deployment_surges_by_any_number_and_any_share_of_its_pods_but_none() {
    for max_surge in [json!(1), json!(3), json!("1%"), json!("10%"), json!("25%"), json!("100%")] {
        assert!(keeps_it_by(&max_surge, &json!(0)), "{max_surge}");
    }
    for max_surge in [json!(0), json!("0%"), json!("00%")] {
        assert!(!keeps_it_by(&max_surge, &json!(0)), "{max_surge}");
    }
}

#[test]
fn a_deployment_that_surges_may_lose_its_only_pod_all_the_same() {
    assert!(!keeps_it_by(&json!(1), &json!(1)));
}

#[test]
fn a_deployment_that_is_recreated_loses_its_only_pod() {
    assert!(!keeps_its_only_pod(&json!({"type": "Recreate"})));
    assert!(!keeps_its_only_pod(&json!({"type": "Recreate", "rollingUpdate": null})));
}
