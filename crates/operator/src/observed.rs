//! A client whose requests are counted.

use http::{Method, Request, Response};
use kube::Client;
use kube::client::Body;

use crate::metrics::{Metrics, RequestLabels};

/// Counts what is asked of the API server through this client, and what it answers. A watch counts when it starts.
pub(crate) fn observed(client: &Client, metrics: &Metrics) -> Client {
    let (inner, counts) = (client.clone(), metrics.api_requests.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (inner, counts) = (inner.clone(), counts.clone());
        async move {
            let (verb, resource) = question(&request);
            let answer: Result<Response<Body>, kube::Error> = inner.send(request).await;
            let code = match &answer {
                Ok(answer) => answer.status().as_str().to_owned(),
                Err(_) => "error".to_owned(),
            };
            counts.get_or_create(&RequestLabels { verb, resource, code }).inc();
            answer
        }
    });
    Client::new(service, client.default_namespace())
}

/// The verb as RBAC knows it, and the resource with its subresource, of no group: there are few, and they are known.
fn question(request: &Request<Body>) -> (&'static str, String) {
    // /api/v1/…, /apis/GROUP/VERSION/…, either with namespaces/NAME/ in front of what is namespaced.
    let mut parts: Vec<&str> = request.uri().path().split('/').filter(|part| !part.is_empty()).collect();
    let prefix = match parts.first() {
        Some(&"api") => 2,
        Some(&"apis") => 3,
        _ => return (verb(request, true), String::new()),
    };
    parts.drain(..prefix.min(parts.len()));
    if parts.first() == Some(&"namespaces") && parts.len() > 2 {
        parts.drain(..2);
    }
    let resource = match parts[..] {
        [] => String::new(),
        [resource] | [resource, _] => resource.to_owned(),
        [resource, _, subresource, ..] => format!("{resource}/{subresource}"),
    };
    (verb(request, parts.len() > 1), resource)
}

fn verb(request: &Request<Body>, names_one: bool) -> &'static str {
    let is_watch = request.uri().query().is_some_and(|query| query.split('&').any(|pair| pair == "watch=true"));
    match *request.method() {
        Method::GET if is_watch => "watch",
        Method::GET if names_one => "get",
        Method::GET => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::Api;

    use super::*;

    fn asked(method: Method, uri: &str) -> (&'static str, String) {
        let request = Request::builder().method(method).uri(uri).body(Body::empty());
        question(&request.expect("it is a request"))
    }

    #[test]
    fn a_request_is_counted_under_its_verb_and_resource_whomever_it_is_about() {
        let pods = "/api/v1/pods?limit=2000";
        for (method, uri, verb, resource) in [
            (Method::GET, pods, "list", "pods"),
            (Method::GET, "/api/v1/pods?watch=true&resourceVersion=7", "watch", "pods"),
            (Method::GET, "/api/v1/namespaces?limit=2000", "list", "namespaces"),
            (Method::GET, "/api/v1/namespaces/shop", "get", "namespaces"),
            (Method::PATCH, "/apis/apps/v1/namespaces/shop/deployments/cart?", "patch", "deployments"),
            (
                Method::PATCH,
                "/apis/keikoproj.io/v1/namespaces/a/flippyconfigs/mesh/status?force=true",
                "patch",
                "flippyconfigs/status",
            ),
            (Method::PUT, "/apis/coordination.k8s.io/v1/namespaces/a/leases/flippy", "update", "leases"),
            (Method::POST, "/apis/events.k8s.io/v1/namespaces/a/events?", "create", "events"),
        ] {
            assert_eq!(asked(method, uri), (verb, resource.to_owned()), "{uri}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_counted_by_its_code_and_no_answer_as_an_error() {
        let metrics = Metrics::new();
        let refuses = tower::service_fn(|request: Request<Body>| async move {
            if request.uri().path().ends_with("lost") {
                return Err(std::io::Error::other("nobody is there"));
            }
            let body = br#"{"kind": "Status", "status": "Failure", "code": 404, "message": "no"}"#;
            Response::builder().status(404).body(Body::from(body.to_vec())).map_err(std::io::Error::other)
        });
        let client = observed(&Client::new(refuses, "default"), &metrics);
        let api = Api::<Deployment>::namespaced(client, "shop");
        for name in ["cart", "lost"] {
            assert!(api.get(name).await.is_err());
        }
        let text = metrics.render();
        for code in ["404", "error"] {
            let sample =
                format!("flippy_api_requests_total{{verb=\"get\",resource=\"deployments\",code=\"{code}\"}} 1\n");
            assert!(text.contains(&sample), "{sample} is not in {text}");
        }
    }
}
