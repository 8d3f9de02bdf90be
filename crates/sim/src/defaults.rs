//! The defaults a real server fills in, as far as anything here reads them.

use crate::{Json, json};

use crate::resources::Resource;

/// Fills in what the creator left out.
pub(crate) fn fill(resource: Resource, object: &mut Json) {
    match resource {
        Resource::Deployments => {
            let spec = &mut object["spec"];
            default(spec, "replicas", json!(1));
            default(spec, "progressDeadlineSeconds", json!(600));
            default(spec, "revisionHistoryLimit", json!(10));
            default(&mut spec["strategy"], "type", json!("RollingUpdate"));
            if spec["strategy"]["type"] == "RollingUpdate" {
                default(&mut spec["strategy"]["rollingUpdate"], "maxSurge", json!("25%"));
                default(&mut spec["strategy"]["rollingUpdate"], "maxUnavailable", json!("25%"));
            }
        }
        Resource::ReplicaSets | Resource::ReplicationControllers | Resource::CloneSets => {
            default(&mut object["spec"], "replicas", json!(1));
        }
        Resource::StatefulSets => {
            let spec = &mut object["spec"];
            default(spec, "replicas", json!(1));
            default(spec, "podManagementPolicy", json!("OrderedReady"));
            default(&mut spec["updateStrategy"], "type", json!("RollingUpdate"));
            if spec["updateStrategy"]["type"] == "RollingUpdate" {
                default(&mut spec["updateStrategy"]["rollingUpdate"], "partition", json!(0));
            }
        }
        Resource::DaemonSets => {
            let spec = &mut object["spec"];
            default(&mut spec["updateStrategy"], "type", json!("RollingUpdate"));
            if spec["updateStrategy"]["type"] == "RollingUpdate" {
                default(&mut spec["updateStrategy"]["rollingUpdate"], "maxUnavailable", json!(1));
                default(&mut spec["updateStrategy"]["rollingUpdate"], "maxSurge", json!(0));
            }
        }
        Resource::Pods => {
            let spec = &mut object["spec"];
            default(spec, "restartPolicy", json!("Always"));
            default(spec, "terminationGracePeriodSeconds", json!(30));
            default(&mut object["status"], "phase", json!("Pending"));
        }
        Resource::Namespaces => {
            let name = object["metadata"]["name"].clone();
            default(&mut object["metadata"]["labels"], "kubernetes.io/metadata.name", name);
            default(&mut object["status"], "phase", json!("Active"));
        }
        // A real server takes a moment to say so.
        Resource::CustomResourceDefinitions => default(
            &mut object["status"],
            "conditions",
            json!([{"type": "Established", "status": "True", "reason": "InitialNamesAccepted", "message": "the initial names have been accepted"}]),
        ),
        _ => {}
    }
}

fn default(parent: &mut Json, field: &str, value: Json) {
    if parent[field].is_null() {
        parent[field] = value;
    }
}
