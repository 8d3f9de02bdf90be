use serde_json::{Value, json};

use super::*;

/// Whether a Deployment with this strategy brings up a new pod before an old one goes.
fn surges(strategy: &Value) -> bool {
    let deployment: SlimDeployment =
        serde_json::from_value(json!({"metadata": {"name": "cart"}, "spec": {"strategy": strategy}}))
            .expect("the API server could say this");
    match deployment.record(&mut Interner::new()).rollout {
        RolloutFacts::Deployment(facts) => facts.surges,
        other => panic!("a Deployment became {other:?}"),
    }
}

fn surges_by(max_surge: &Value) -> bool {
    surges(&json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": 1}}))
}

#[test]
fn a_deployment_surges_unless_its_strategy_says_otherwise() {
    for strategy in [json!(null), json!({}), json!({"type": "RollingUpdate"}), json!({"rollingUpdate": null})] {
        assert!(surges(&strategy), "{strategy}");
    }
    assert!(surges_by(&json!(null)));
}

#[test]
fn a_deployment_surges_by_any_number_and_any_share_of_its_pods_but_none() {
    for max_surge in [json!(1), json!(3), json!("1%"), json!("10%"), json!("25%"), json!("100%")] {
        assert!(surges_by(&max_surge), "{max_surge}");
    }
    for max_surge in [json!(0), json!("0%"), json!("00%")] {
        assert!(!surges_by(&max_surge), "{max_surge}");
    }
}

#[test]
fn a_deployment_that_is_recreated_does_not_surge() {
    assert!(!surges(&json!({"type": "Recreate"})));
    assert!(!surges(&json!({"type": "Recreate", "rollingUpdate": null})));
}
