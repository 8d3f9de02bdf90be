//! The pod that a workload's controller would create next, as far as admission looks at it.

use flippy_core::{Kind, NamedWorkload, WorkloadRef};
use serde_json::{Value, json};

/// Stands for the hash of a template that does not exist yet, and for the ordinal of a pod.
const NEXT: &str = "0";
/// Characters of the value of a label.
const MAX_LABEL_LENGTH: usize = 63;

/// Makes it of the object that holds the template. `None` when that has none.
///
/// Injectors look at labels, annotations, the service account and the owner; Istio finds the workload's name by the
/// name of the pod and the label with the hash of its template. All that is as the controllers set it. There is no name, because a pod of
/// that name may exist, and no `blockOwnerDeletion`, which needs rights of its own.
pub(crate) fn new_pod(workload: &WorkloadRef, template_holder: &Value) -> Option<Value> {
    let template = template_holder.pointer("/spec/template")?;
    let NamedWorkload { kind, namespace, name } = &workload.named;
    let replica_set = format!("{name}-{NEXT}");
    let api_version;
    let (owner_version, owner_kind, owner) = match kind {
        Kind::Deployment | Kind::ArgoRollout => ("apps/v1", "ReplicaSet", replica_set.as_str()),
        Kind::StatefulSet => ("apps/v1", "StatefulSet", &**name),
        Kind::DaemonSet => ("apps/v1", "DaemonSet", &**name),
        Kind::ReplicaSet => ("apps/v1", "ReplicaSet", &**name),
        Kind::ReplicationController => ("v1", "ReplicationController", &**name),
        Kind::Custom(kind) => {
            api_version = kind.api_version();
            (&*api_version, kind.kind(), &**name)
        }
    };
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "generateName": format!("{owner}-"),
            "ownerReferences": [
                {"apiVersion": owner_version, "kind": owner_kind, "name": owner, "uid": workload.uid, "controller": true},
            ],
            "annotations": template.pointer("/metadata/annotations"),
            "labels": template.pointer("/metadata/labels"),
        },
        "spec": template.get("spec")?,
    });
    for (label, value) in labels_of_controller(*kind, name) {
        if value.len() <= MAX_LABEL_LENGTH {
            pod["metadata"]["labels"][label] = json!(value);
        }
    }
    // Those of custom kinds are named as those of StatefulSets, where they have any (OpenKruise).
    if matches!(kind, Kind::StatefulSet | Kind::Custom(_)) {
        add_claims(&mut pod, name, template_holder);
    }
    Some(pod)
}

fn labels_of_controller(kind: Kind, name: &str) -> Vec<(&'static str, String)> {
    match kind {
        Kind::Deployment => vec![("pod-template-hash", NEXT.to_owned())],
        Kind::ArgoRollout => vec![("rollouts-pod-template-hash", NEXT.to_owned())],
        Kind::DaemonSet => vec![("controller-revision-hash", NEXT.to_owned())],
        Kind::StatefulSet => vec![
            ("controller-revision-hash", format!("{name}-{NEXT}")),
            ("statefulset.kubernetes.io/pod-name", format!("{name}-{NEXT}")),
            ("apps.kubernetes.io/pod-index", NEXT.to_owned()),
        ],
        // Their template is all there is, as far as anybody knows.
        Kind::ReplicaSet | Kind::ReplicationController | Kind::Custom(_) => Vec::new(),
    }
}

/// Without its claims, a pod whose containers mount them is not valid.
fn add_claims(pod: &mut Value, name: &str, stateful_set: &Value) {
    let templates = stateful_set.pointer("/spec/volumeClaimTemplates").and_then(Value::as_array);
    let names = templates.into_iter().flatten().filter_map(|claim| claim.pointer("/metadata/name")?.as_str());
    let claims: Vec<Value> = names
        .map(|claim| json!({"name": claim, "persistentVolumeClaim": {"claimName": format!("{claim}-{name}-{NEXT}")}}))
        .collect();
    if claims.is_empty() {
        return;
    }
    let given = pod["spec"]["volumes"].as_array().cloned().unwrap_or_default();
    // As the controller does: a claim takes the place of a volume of its name (k/k `updateStorage`).
    let others = given.into_iter().filter(|volume| claims.iter().all(|claim| claim["name"] != volume["name"]));
    pod["spec"]["volumes"] = Value::Array(others.chain(claims.iter().cloned()).collect());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workload(kind: Kind, name: &str) -> WorkloadRef {
        WorkloadRef { named: NamedWorkload { kind, namespace: "shop".into(), name: name.into() }, uid: "7".into() }
    }

    fn template() -> Value {
        json!({
            "metadata": {"labels": {"app": "cart"}, "annotations": {"inject": "yes"}},
            "spec": {"serviceAccountName": "cart", "containers": [{"name": "app", "image": "cart:1"}]},
        })
    }

    fn pod(kind: Kind) -> Value {
        new_pod(&workload(kind, "cart"), &json!({"spec": {"template": template()}})).expect("it has a template")
    }

    #[test]
    fn it_is_made_of_the_template() {
        let pod = pod(Kind::Deployment);
        assert_eq!(pod["spec"], template()["spec"]);
        assert_eq!(pod["metadata"]["annotations"], json!({"inject": "yes"}));
        assert_eq!(pod["metadata"]["labels"]["app"], "cart");
        assert_eq!(pod["metadata"]["namespace"], "shop");
    }

    #[test]
    fn it_is_named_owned_and_labelled_as_its_controller_does() {
        let told = |kind| {
            let meta = pod(kind)["metadata"].clone();
            let owner = &meta["ownerReferences"][0];
            let owner = format!("{} {}", owner["kind"].as_str().unwrap(), owner["name"].as_str().unwrap());
            let labels: Vec<String> = meta["labels"].as_object().unwrap().keys().cloned().collect();
            (meta["generateName"].as_str().unwrap().to_owned(), owner, labels.join(" "))
        };
        let expected =
            |generated: &str, owner: &str, labels: &str| (generated.to_owned(), owner.to_owned(), labels.to_owned());
        assert_eq!(told(Kind::Deployment), expected("cart-0-", "ReplicaSet cart-0", "app pod-template-hash"));
        assert_eq!(told(Kind::ArgoRollout), expected("cart-0-", "ReplicaSet cart-0", "app rollouts-pod-template-hash"));
        assert_eq!(told(Kind::DaemonSet), expected("cart-", "DaemonSet cart", "app controller-revision-hash"));
        assert_eq!(told(Kind::ReplicaSet), expected("cart-", "ReplicaSet cart", "app"));
        assert_eq!(told(Kind::ReplicationController), expected("cart-", "ReplicationController cart", "app"));
        let clone_set = Kind::named("CloneSet", "apps.kruise.io/v1alpha1").expect("it is one");
        assert_eq!(told(clone_set), expected("cart-", "CloneSet cart", "app"));
        let of_stateful_set =
            "app apps.kubernetes.io/pod-index controller-revision-hash statefulset.kubernetes.io/pod-name";
        assert_eq!(told(Kind::StatefulSet), expected("cart-", "StatefulSet cart", of_stateful_set));
    }

    #[test]
    fn a_pod_of_a_stateful_set_or_of_a_custom_kind_has_its_claims() {
        let mut holder = json!({"spec": {
            "template": template(), "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
        }});
        holder["spec"]["template"]["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}, {"name": "data"}]);
        let claim = json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-cart-0"}});
        let clone_set = Kind::named("CloneSet", "apps.kruise.io/v1alpha1").expect("it is one");
        for kind in [Kind::StatefulSet, clone_set] {
            let pod = new_pod(&workload(kind, "cart"), &holder).expect("it has a template");
            assert_eq!(pod["spec"]["volumes"], json!([{"name": "tmp", "emptyDir": {}}, claim]), "{kind}");
        }
    }

    #[test]
    fn a_label_that_no_controller_could_set_is_left_out() {
        let holder = json!({"spec": {"template": template()}});
        let pod = new_pod(&workload(Kind::StatefulSet, &"c".repeat(62)), &holder).expect("it has a template");
        assert_eq!(pod["metadata"]["labels"]["controller-revision-hash"], Value::Null);
    }

    #[test]
    fn without_a_template_there_is_no_pod() {
        assert_eq!(new_pod(&workload(Kind::ArgoRollout, "cart"), &json!({"spec": {}})), None);
    }
}
