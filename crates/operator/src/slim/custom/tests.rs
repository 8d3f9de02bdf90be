use serde_json::{Value, json};

use super::*;

/// The workload that a `CloneSet` with this spec and status is.
fn workload(spec: &Value, status: &Value) -> Workload {
    let Ok(Kind::Custom(kind)) = Kind::named("CloneSet", "apps.kruise.io/v1alpha1") else {
        panic!("it is a custom kind")
    };
    let object =
        json!({"metadata": {"namespace": "shop", "name": "cart", "generation": 3}, "spec": spec, "status": status});
    let slim: SlimCustom = serde_json::from_value(object).expect("the API server could say this");
    slim.record(kind, &mut Interner::new())
}

fn facts(spec: &Value, status: &Value) -> CustomFacts {
    let RolloutFacts::Custom(facts) = workload(spec, status).rollout else { panic!("it is of a custom kind") };
    facts
}

fn effect(strategy: &Value) -> TemplateEffect {
    facts(&json!({"template": {"metadata": {}}, "updateStrategy": strategy}), &json!({})).effect
}

#[test]
fn a_clone_set_is_read_by_its_usual_fields() {
    let spec = json!({"replicas": 3, "template": {"metadata": {"annotations": {"a": "b"}}}});
    let status = json!({
        "observedGeneration": 2, "replicas": 4, "updatedReplicas": 1, "updatedReadyReplicas": 0, "readyReplicas": 3,
    });
    assert_eq!(
        facts(&spec, &status),
        CustomFacts {
            replicas_wanted: 3,
            paused: false,
            effect: TemplateEffect::ReplacesPods,
            observed_generation: Some(2),
            replicas: Some(4),
            updated: Some(1),
            ready: Some(0),
        }
    );
    let workload = workload(&spec, &status);
    assert_eq!(workload.id.to_string(), "CloneSet.apps.kruise.io shop/cart");
    assert_eq!((workload.generation, workload.template_annotations.len()), (3, 1));
}

#[test]
fn a_daemon_set_is_read_by_the_fields_that_it_has_instead() {
    let status = json!({"desiredNumberScheduled": 5, "updatedNumberScheduled": 4, "numberAvailable": 3});
    let facts = facts(&json!({}), &status);
    assert_eq!((facts.replicas_wanted, facts.updated, facts.ready), (5, Some(4), Some(3)));
}

#[test]
fn what_is_of_another_type_than_usual_counts_as_absent() {
    let spec = json!({"replicas": "three", "paused": "no", "template": [], "updateStrategy": "any"});
    let status = json!({"observedGeneration": "2", "replicas": null, "updatedReplicas": {}});
    let facts = facts(&spec, &status);
    assert_eq!((facts.replicas_wanted, facts.paused, facts.effect), (1, false, TemplateEffect::NoTemplate));
    assert_eq!((facts.observed_generation, facts.replicas, facts.updated), (None, None, None));
    assert_eq!(self::facts(&json!(null), &json!(null)).ready, None);
}

#[test]
fn it_is_paused_wherever_that_is_said() {
    let paused = |spec| facts(&spec, &json!({})).paused;
    assert!(paused(json!({"paused": true})));
    assert!(paused(json!({"updateStrategy": {"paused": true}})));
    assert!(paused(json!({"updateStrategy": {"rollingUpdate": {"paused": true}}})));
    assert!(!paused(json!({"updateStrategy": {"paused": false}})));
}

#[test]
fn in_place_updates_are_told_in_each_of_their_spellings() {
    for strategy in [
        json!({"type": "InPlaceIfPossible"}),
        json!({"type": "InPlaceOnly"}),
        json!({"type": "RollingUpdate", "rollingUpdate": {"podUpdatePolicy": "InPlaceIfPossible"}}),
        json!({"type": "RollingUpdate", "rollingUpdate": {"rollingUpdateType": "InPlaceIfPossible"}}),
        json!({"podUpdatePolicy": "InPlaceOnly"}),
    ] {
        assert_eq!(effect(&strategy), TemplateEffect::InPlace, "{strategy}");
    }
    for strategy in
        [json!(null), json!({}), json!({"type": "ReCreate"}), json!({"rollingUpdate": {"podUpdatePolicy": "ReCreate"}})]
    {
        assert_eq!(effect(&strategy), TemplateEffect::ReplacesPods, "{strategy}");
    }
}

#[test]
fn pods_that_are_held_back_are_told_by_number_share_or_selector() {
    for strategy in [
        json!({"partition": 1}),
        json!({"partition": "20%"}),
        json!({"partition": "some"}),
        json!({"rollingUpdate": {"partition": 2}}),
        json!({"rollingUpdate": {"selector": {"matchLabels": {"a": "b"}}}}),
    ] {
        assert_eq!(effect(&strategy), TemplateEffect::ReplacesSome, "{strategy}");
    }
    for partition in [json!(0), json!("0%"), json!("0"), json!(null)] {
        assert_eq!(effect(&json!({"partition": partition})), TemplateEffect::ReplacesPods, "{partition}");
    }
    assert_eq!(effect(&json!({"type": "OnDelete", "partition": 1})), TemplateEffect::ReplacesNone);
}

#[test]
fn without_a_template_that_has_metadata_there_is_no_place_for_an_annotation() {
    for spec in [json!({}), json!({"template": null}), json!({"template": {}}), json!({"template": {"spec": {}}})] {
        assert_eq!(facts(&spec, &json!({})).effect, TemplateEffect::NoTemplate, "{spec}");
    }
}
