//! An API server that knows large lists by heart, page by page, so that it costs nearly nothing to ask it. Nothing ever
//! changes in it.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use flippy_e2e::workloads::Kind;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::large_mesh::{LargeMesh, List, is_custom};

/// As Flippy asks for.
const PAGE_SIZE: usize = 2000;

/// The running server; it ends with the process.
pub(super) struct Canned {
    pub(super) url: String,
    knows: Arc<Knows>,
}

struct Knows {
    /// By path and page.
    lists: BTreeMap<String, Vec<Bytes>>,
    /// What tells how a custom kind is served, by path.
    resources: BTreeMap<String, Value>,
    config: Value,
    /// How often each thing was asked for.
    asked: Mutex<BTreeMap<String, usize>>,
}

impl Canned {
    pub(super) async fn start(mesh: LargeMesh) -> Result<Self> {
        let resource = |kind: &Kind| {
            let (name, version) = (kind.plural(), kind.api_resource().api_version);
            let resource =
                json!({"name": name, "singularName": "", "namespaced": true, "kind": kind.name(), "verbs": ["list"]});
            let list = json!({"kind": "APIResourceList", "groupVersion": version, "resources": [resource]});
            (format!("/apis/{version}"), list)
        };
        let knows = Arc::new(Knows {
            lists: mesh.lists().into_iter().map(|list| (list.path.clone(), paged(&list))).collect(),
            resources: mesh.kinds.iter().filter(|kind| is_custom(**kind)).map(resource).collect(),
            config: mesh.config(),
            asked: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let router = Router::new().fallback(answer).with_state(knows.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self { url, knows })
    }

    /// What it was asked for: a verb and a path, and how often.
    pub(super) fn asked(&self) -> BTreeMap<String, usize> {
        self.knows.asked().clone()
    }

    pub(super) fn forget_asked(&self) {
        self.knows.asked().clear();
    }
}

impl Knows {
    fn asked(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn paged(list: &List) -> Vec<Bytes> {
    let pages = list.count.div_ceil(PAGE_SIZE).max(1);
    let page = |page: usize| {
        let numbers = page * PAGE_SIZE..((page + 1) * PAGE_SIZE).min(list.count);
        let next = if page + 1 < pages { (page + 1).to_string() } else { String::new() };
        let items: Vec<Value> = numbers.map(&list.object).collect();
        let metadata = json!({"resourceVersion": "1", "continue": next});
        json!({"apiVersion": "v1", "kind": "List", "metadata": metadata, "items": items}).to_string().into()
    };
    (0..pages).map(page).collect()
}

async fn answer(State(knows): State<Arc<Knows>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default();
    let parameter = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let page: usize = parameter("continue").and_then(|page| page.parse().ok()).unwrap_or_default();
    let is_watch = parameter("watch").is_some();
    let verb = match *request.method() {
        Method::GET if is_watch => "watch",
        Method::GET if knows.lists.contains_key(&path) => "list",
        Method::GET => "get",
        Method::POST => "create",
        _ => "change",
    };
    *knows.asked().entry(format!("{verb} {path}")).or_default() += 1;
    let found = match verb {
        "watch" if knows.lists.contains_key(&path) => return Body::from_stream(nothing()).into_response(),
        "list" => knows.lists[&path].get(page).cloned(),
        "get" => knows.resources.get(&path).map(|list| list.to_string().into()),
        "change" if path.ends_with("/flippyconfigs/mesh/status") => Some(knows.config.to_string().into()),
        // What is created is an event, and comes back as it is.
        "create" => axum::body::to_bytes(request.into_body(), usize::MAX).await.ok(),
        _ => None,
    };
    found.map_or_else(not_found, IntoResponse::into_response)
}

fn not_found() -> Response {
    let status = json!({"kind": "Status", "status": "Failure", "code": 404, "message": "not found"});
    (StatusCode::NOT_FOUND, status.to_string()).into_response()
}

/// A watch on which nothing ever comes.
fn nothing() -> impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> {
    futures::stream::once(pending())
}
