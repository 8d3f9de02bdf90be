//! An API server that knows large lists by heart, page by page, so that it costs nearly nothing to ask it.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

const OLD: &str = "docker.io/istio/proxyv2:1.30.3";
const NEW: &str = "docker.io/istio/proxyv2:1.30.4";
const NAMESPACES: usize = 500;
/// As Flippy asks for.
const PAGE_SIZE: usize = 2000;
/// Bytes that a real pod has besides what is written here: environment, volumes, tolerations, managed fields.
const PADDING: usize = 2000;

/// Answers by path and page.
type Pages = BTreeMap<&'static str, Vec<Vec<u8>>>;

/// The running server; it ends with the process.
pub(super) struct Canned {
    pub(super) url: String,
}

impl Canned {
    /// A mesh in the middle of an upgrade: every second pod is stale.
    pub(super) fn start(deployments: usize, pods: usize) -> Result<Self> {
        let pages: Pages = BTreeMap::from([
            ("/apis/keikoproj.io/v1/flippyconfigs", paged(1, |_| config())),
            ("/api/v1/namespaces", paged(NAMESPACES, namespace)),
            ("/apis/apps/v1/deployments", paged(deployments, |number| deployment(number, pods))),
            ("/apis/policy/v1/poddisruptionbudgets", paged(0, namespace)),
            ("/apis/apps/v1/replicasets", paged(deployments, replica_set)),
            ("/api/v1/pods", paged(deployments * pods, |number| pod(number / pods, number % pods))),
        ]);
        let pages = Arc::new(pages);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let pages = pages.clone();
                thread::spawn(move || answer_all(&stream, &pages));
            }
        });
        Ok(Self { url })
    }
}

fn paged(count: usize, object: impl Fn(usize) -> Value) -> Vec<Vec<u8>> {
    let pages = count.div_ceil(PAGE_SIZE).max(1);
    let page = |page: usize| {
        let numbers = page * PAGE_SIZE..((page + 1) * PAGE_SIZE).min(count);
        let next = if page + 1 < pages { (page + 1).to_string() } else { String::new() };
        let items: Vec<Value> = numbers.map(&object).collect();
        let metadata = json!({"resourceVersion": "1", "continue": next});
        json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items}).to_string().into_bytes()
    };
    (0..pages).map(page).collect()
}

fn answer_all(stream: &TcpStream, pages: &Pages) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(Ok(request)) = lines.next() {
        lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
        let target = request.split(' ').nth(1).unwrap_or_default();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let page = query.split('&').find_map(|pair| pair.strip_prefix("continue=")?.parse().ok()).unwrap_or(0);
        let found: Option<&Vec<u8>> = pages.get(path).and_then(|pages| pages.get(page));
        let (code, body) = match found {
            Some(body) => (200, body.as_slice()),
            None => {
                (404, br#"{"kind": "Status", "status": "Failure", "code": 404, "message": "not found"}"#.as_slice())
            }
        };
        let head =
            format!("HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        let mut stream = stream;
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).is_err() {
            return;
        }
    }
}

fn config() -> Value {
    json!({
        "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
        "metadata": {"name": "mesh", "namespace": "istio-system", "uid": "config", "generation": 1},
        "spec": {
            "ImageList": [NEW],
            "ProcessFilter": {"Labels": {"istio-injection": "enabled"}, "Containers": ["istio-proxy"]},
            "RestartObjects": [
                {"Type": "Deployment", "StatusCheckConfig": {"CheckStatus": true, "MaxRetry": 10, "RetryDuration": 30}},
            ],
            "Strategy": {"MaxConcurrent": "5%"},
        },
    })
}

fn namespace(number: usize) -> Value {
    json!({"metadata": {"name": format!("n{number}"), "uid": format!("n{number}"), "labels": {"istio-injection": "enabled"}}})
}

/// Name, namespace and uid.
fn metadata(number: usize, name: &str) -> Value {
    json!({
        "name": name, "namespace": format!("n{}", number % NAMESPACES), "uid": format!("00000000-0000-0000-0000-{name:0>12}"),
        "generation": 1, "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"app": format!("w{number}"), "team": format!("team-{}", number % 40)},
        "managedFields": [{"manager": "kube-controller-manager", "fieldsV1": {"padding": "x".repeat(PADDING)}}],
    })
}

fn deployment(number: usize, replicas: usize) -> Value {
    let labels = json!({"app": format!("w{number}")});
    json!({
        "metadata": metadata(number, &format!("w{number}")),
        "spec": {
            "replicas": replicas, "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "example.com/app:1"}]}},
        },
        "status": {
            "observedGeneration": 1, "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas,
            "availableReplicas": replicas,
        },
    })
}

fn owned(number: usize, name: &str, kind: &str, owner: &str) -> Value {
    let mut metadata = metadata(number, name);
    let uid = format!("00000000-0000-0000-0000-{owner:0>12}");
    metadata["ownerReferences"] = json!([
        {"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid, "controller": true, "blockOwnerDeletion": true},
    ]);
    metadata
}

fn replica_set(number: usize) -> Value {
    json!({"metadata": owned(number, &format!("w{number}-rs"), "Deployment", &format!("w{number}")), "spec": {"replicas": 1}})
}

fn pod(workload: usize, number: usize) -> Value {
    let image = if number.is_multiple_of(2) { OLD } else { NEW };
    json!({
        "metadata": owned(workload, &format!("w{workload}-rs-{number}"), "ReplicaSet", &format!("w{workload}-rs")),
        "spec": {
            "nodeName": format!("node-{}", workload % 1000),
            "containers": [{"name": "app", "image": "example.com/app:1"}, {"name": "istio-proxy", "image": image}],
        },
        "status": {
            "phase": "Running", "startTime": "2026-01-01T00:00:00Z",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"}],
            "containerStatuses": [
                {"name": "app", "ready": true, "image": "example.com/app:1"},
                {"name": "istio-proxy", "ready": true, "image": image},
            ],
        },
    })
}
