//! Answers of the API server, in words that say what to do.

use std::error::Error;

use crate::exit::Failure;

/// Says what failed while `doing`, for example "list pods", at the cluster with this URL.
pub(crate) fn failure(error: &kube::Error, server: &str) -> Failure {
    match error {
        kube::Error::Api(status) if status.code == 401 => Failure::cannot_begin(format!(
            "the cluster at {server} does not accept these credentials: log in again, or choose another context with --context"
        )),
        kube::Error::Api(status) if status.code == 403 => Failure::error(missing_right(&status.message)),
        kube::Error::Api(status) => Failure::error(format!(
            "the cluster at {server} answered {} {}: {}",
            status.code, status.reason, status.message
        )),
        kube::Error::Auth(error) => Failure::cannot_begin(format!(
            "cannot get credentials for the cluster at {server}: {}; check the user in the kubeconfig",
            chain(error)
        )),
        kube::Error::SerdeError(error) => {
            Failure::error(format!("the cluster at {server} sent something that does not decode: {error}"))
        }
        error => Failure::cannot_begin(format!(
            "cannot reach the cluster at {server}: {}; check that it runs, and that the context is the right one (--context)",
            innermost(error)
        )),
    }
}

/// Which right is missing, and for whom.
///
/// The API server says it in one form since Kubernetes 1.8: `pods is forbidden: User "jane" cannot list resource
/// "pods" in API group "" at the cluster scope`.
fn missing_right(message: &str) -> String {
    let said = || {
        let user = between(message, "User \"", "\"")?;
        let verb = between(message, "cannot ", " resource \"")?;
        let resource = between(message, " resource \"", "\"")?;
        let group = between(message, "API group \"", "\"")?;
        let place = between(message, "in the namespace \"", "\"")
            .map_or_else(|| "in the whole cluster".to_owned(), |namespace| format!("in namespace {namespace}"));
        let resource = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        // What the operator only reads, people may be allowed by its role too.
        let role =
            if matches!(verb, "list" | "watch") { "; deploy/clusterrole.yaml has all that is needed" } else { "" };
        Some(format!(
            "{user} may not {verb} {resource} {place}: bind a ClusterRole to {user} that allows `{verb}` on `{resource}`{role}"
        ))
    };
    said().unwrap_or_else(|| format!("the cluster forbids it: {message}"))
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.split_once(before)?.1.split_once(after).map(|(found, _)| found)
}

/// An error with its causes, each said once, on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut said = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) {
            said = format!("{said}: {text}");
        }
        next = cause.source();
    }
    one_line(&said)
}

/// The cause at the bottom: `connection refused`, not five layers of "client error (Connect)".
fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(cause) = innermost.source() {
        innermost = cause;
    }
    one_line(&innermost.to_string())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_right_is_named_with_its_verb_resource_and_owner() {
        let message = "deployments.apps is forbidden: User \"jane\" cannot list resource \"deployments\" in API group \"apps\" at the cluster scope";
        let text = missing_right(message);
        assert!(text.starts_with("jane may not list deployments.apps in the whole cluster"), "{text}");
    }

    #[test]
    fn what_the_role_of_the_operator_does_not_allow_is_not_looked_for_there() {
        let message = "flippyconfigs.keikoproj.io \"mesh\" is forbidden: User \"jane\" cannot patch resource \"flippyconfigs\" in API group \"keikoproj.io\" in the namespace \"istio-system\"";
        let text = missing_right(message);
        assert!(text.starts_with("jane may not patch flippyconfigs.keikoproj.io in namespace istio-system"), "{text}");
        assert!(!text.contains("deploy/"), "{text}");
    }

    #[test]
    fn the_core_group_has_no_dot() {
        let message = "pods is forbidden: User \"system:serviceaccount:a:b\" cannot list resource \"pods\" in API group \"\" in the namespace \"shop\"";
        let text = missing_right(message);
        assert!(text.starts_with("system:serviceaccount:a:b may not list pods in namespace shop"), "{text}");
    }

    #[test]
    fn another_form_of_refusal_is_passed_on_whole() {
        assert_eq!(
            missing_right("an admission webhook says no"),
            "the cluster forbids it: an admission webhook says no"
        );
    }
}
