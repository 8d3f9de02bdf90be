//! By what name and in which scope a custom kind is served. Discovery is open to everybody; definitions are not.

use flippy_core::CustomKind;
use kube::Client;
use kube::core::ApiResource;

/// How a custom kind is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// In namespaces, under this name.
    As(ApiResource),
    /// Not at all: why, for people.
    Absent(String),
    /// Not in namespaces: why nothing of it is restarted, for people.
    ClusterScoped(String),
}

/// Asks once.
///
/// # Errors
/// When nobody knows.
pub(crate) async fn find(client: &Client, kind: CustomKind) -> Result<Found, kube::Error> {
    let list = match client.list_api_group_resources(&kind.api_version()).await {
        Ok(list) => list,
        Err(kube::Error::Api(status)) if status.code == 404 => {
            let why = format!("the API server does not serve {}: its definition is not installed", kind.api_version());
            return Ok(Found::Absent(why));
        }
        Err(error) => return Err(error),
    };
    // A subresource is listed beside its resource, and may have the kind of that.
    let resources = || list.resources.iter().filter(|resource| !resource.name.contains('/'));
    if let Some(found) = resources().find(|resource| resource.kind == kind.kind()) {
        return Ok(if found.namespaced {
            Found::As(ApiResource {
                group: kind.group().to_owned(),
                version: kind.version().to_owned(),
                api_version: kind.api_version(),
                kind: kind.kind().to_owned(),
                plural: found.name.clone(),
            })
        } else {
            let why =
                format!("{kind} is not in namespaces, and Flippy restarts only what is: take it out of RestartObjects");
            Found::ClusterScoped(why)
        });
    }
    let is_near = |found: &str| found.eq_ignore_ascii_case(kind.kind());
    let near = resources().find(|resource| is_near(&resource.kind) || is_near(&resource.name));
    let advice = near.map_or_else(String::new, |near| format!(", but a {}", near.kind));
    Ok(Found::Absent(format!("the API server serves no {} in {}{advice}", kind.kind(), kind.api_version())))
}

/// The plural of a custom kind, if it is served in namespaces, as far as the API server tells.
pub async fn plural_of(client: &Client, kind: CustomKind) -> Option<String> {
    match find(client, kind).await {
        Ok(Found::As(resource)) => Some(resource.plural),
        _ => None,
    }
}

/// The rule that is missing where the API server forbids to watch a custom kind.
pub(crate) fn missing_rule(resource: Option<&ApiResource>, kind: CustomKind) -> String {
    let plural = resource.map_or("its plural", |resource| &resource.plural);
    format!(
        "give the operator the rule {{apiGroups: [{}], resources: [{plural}], verbs: [list, watch, patch]}}: \
         customKinds in the values of the chart",
        kind.group()
    )
}

#[cfg(test)]
mod tests {
    use flippy_core::Kind;
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::{Value, json};

    use super::*;

    fn clone_set() -> CustomKind {
        let Ok(Kind::Custom(kind)) = Kind::named("CloneSet", "apps.kruise.io/v1alpha1") else {
            panic!("it is a custom kind")
        };
        kind
    }

    /// What is found where the API server answers this.
    async fn found(status: u16, answer: Value) -> Found {
        let answer = move |request: Request<Body>| {
            assert_eq!(request.uri().path(), "/apis/apps.kruise.io/v1alpha1");
            let response = Response::builder().status(status).body(Body::from(answer.to_string().into_bytes()));
            async { Ok::<_, std::convert::Infallible>(response.expect("the parts are valid")) }
        };
        find(&Client::new(tower::service_fn(answer), "default"), clone_set()).await.expect("the answer can be read")
    }

    fn list(kind: &str, name: &str, namespaced: bool) -> Value {
        let resource = |name: String| json!({"name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["list"]});
        json!({
            "kind": "APIResourceList", "groupVersion": "apps.kruise.io/v1alpha1",
            "resources": [resource(format!("{name}/scale")), resource(name.to_owned())],
        })
    }

    #[tokio::test]
    async fn a_kind_is_found_by_the_name_of_its_resource() {
        let Found::As(resource) = found(200, list("CloneSet", "clonesets", true)).await else { panic!("it is served") };
        assert_eq!((&*resource.plural, &*resource.api_version), ("clonesets", "apps.kruise.io/v1alpha1"));
    }

    #[tokio::test]
    async fn a_kind_that_is_not_in_namespaces_is_refused() {
        let found = found(200, list("CloneSet", "clonesets", false)).await;
        assert!(
            matches!(&found, Found::ClusterScoped(why) if why.starts_with("CloneSet.apps.kruise.io is not in namespaces"))
        );
    }

    #[tokio::test]
    async fn a_kind_that_is_spelled_otherwise_is_absent_and_told_how_it_is_spelled() {
        let why = "the API server serves no CloneSet in apps.kruise.io/v1alpha1, but a Cloneset";
        assert_eq!(found(200, list("Cloneset", "clonesets", true)).await, Found::Absent(why.to_owned()));
    }

    #[tokio::test]
    async fn a_version_that_is_not_served_is_absent() {
        let status = json!({"kind": "Status", "status": "Failure", "message": "not found", "code": 404});
        let why = "the API server does not serve apps.kruise.io/v1alpha1: its definition is not installed";
        assert_eq!(found(404, status).await, Found::Absent(why.to_owned()));
    }
}
