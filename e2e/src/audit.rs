//! What the API server's audit log says about the requests of a user.
//!
//! The log is complete up to every request that has been answered: it is written in blocking mode.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::Deserialize;

/// The audit log of one cluster.
#[derive(Debug, Clone)]
pub struct AuditLog {
    path: PathBuf,
}

impl AuditLog {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// All requests of audited users so far, in the order in which the server received them.
    pub fn requests(&self) -> Result<Requests> {
        let text = std::fs::read_to_string(&self.path)
            .with_context(|| format!("cannot read the audit log {}", self.path.display()))?;
        parse(&text).with_context(|| format!("{} is no audit log", self.path.display()))
    }
}

fn parse(text: &str) -> Result<Requests> {
    // A line without its end is being written by a request that has not been answered.
    let complete = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut requests = BTreeMap::new();
    for line in complete.lines() {
        let request: Request =
            serde_json::from_str(line).with_context(|| format!("this line is no audit event: {line}"))?;
        // A watch is told twice, when it starts and when it ends: the later event knows more.
        requests.insert((request.received, request.audit_id.clone()), request);
    }
    Ok(Requests(requests.into_values().collect()))
}

/// One request to the API server.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    #[serde(rename = "auditID")]
    pub(crate) audit_id: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`.
    pub verb: String,
    /// Path and query.
    #[serde(rename = "requestURI")]
    pub uri: String,
    pub(crate) user: User,
    #[serde(default)]
    pub(crate) object_ref: ObjectRef,
    #[serde(default)]
    pub(crate) response_status: ResponseStatus,
    /// When the server received it.
    #[serde(rename = "requestReceivedTimestamp")]
    pub received: Timestamp,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct User {
    pub(crate) username: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ObjectRef {
    #[serde(default)]
    pub(crate) resource: String,
    #[serde(default)]
    pub(crate) subresource: String,
    #[serde(default)]
    pub(crate) namespace: String,
    #[serde(default)]
    pub(crate) name: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct ResponseStatus {
    #[serde(default)]
    pub(crate) code: u16,
}

impl Request {
    /// Who asked.
    pub fn user(&self) -> &str {
        &self.user.username
    }

    /// The resource in plural, with its subresource if there is one: `deployments`, `pods/eviction`. Empty for
    /// requests about no resource, such as discovery.
    pub fn resource(&self) -> String {
        match self.object_ref.subresource.as_str() {
            "" => self.object_ref.resource.clone(),
            subresource => format!("{}/{subresource}", self.object_ref.resource),
        }
    }

    /// The namespace asked about. Empty when there is none.
    pub fn namespace(&self) -> &str {
        &self.object_ref.namespace
    }

    /// The name of the object asked about. Empty for lists and watches.
    pub fn name(&self) -> &str {
        &self.object_ref.name
    }

    /// The HTTP status of the answer. 0 while it is not known.
    pub fn status(&self) -> u16 {
        self.response_status.code
    }

    /// Whether the server did it.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status())
    }

    /// Whether nothing would have been stored.
    pub fn is_dry_run(&self) -> bool {
        self.uri.contains("dryRun=All")
    }
}

/// Some requests, in the order in which the server received them.
#[derive(Debug, Clone, Default)]
pub struct Requests(pub(crate) Vec<Request>);

impl Requests {
    /// Those for which `keep` says yes.
    #[must_use]
    pub fn only(&self, keep: impl Fn(&Request) -> bool) -> Self {
        Self(self.0.iter().filter(|request| keep(request)).cloned().collect())
    }

    /// Those of a user.
    #[must_use]
    pub fn by_user(&self, user: &str) -> Self {
        self.only(|request| request.user() == user)
    }

    /// Those received at `start` or later.
    #[must_use]
    pub fn since(&self, start: Timestamp) -> Self {
        self.only(|request| request.received >= start)
    }

    /// Those with a verb.
    #[must_use]
    pub fn verb(&self, verb: &str) -> Self {
        self.only(|request| request.verb == verb)
    }

    /// Those about a resource, in the words of [`Request::resource`].
    #[must_use]
    pub fn resource(&self, resource: &str) -> Self {
        self.only(|request| request.resource() == resource)
    }

    /// Those about a namespace.
    #[must_use]
    pub fn namespace(&self, namespace: &str) -> Self {
        self.only(|request| request.namespace() == namespace)
    }

    /// Restarts: successful patches of workloads that were no dry runs.
    #[must_use]
    pub fn restarts(&self) -> Self {
        self.patches_of_workloads().only(Request::succeeded)
    }

    /// Evictions that were carried out.
    #[must_use]
    pub fn evictions(&self) -> Self {
        self.verb("create").resource("pods/eviction").only(|request| request.succeeded() && !request.is_dry_run())
    }

    /// Restarts that nobody knows of whether they were carried out: whoever asked for them was gone before the answer, and
    /// the server noted the end of its own waiting.
    #[must_use]
    pub fn restarts_in_doubt(&self) -> Self {
        self.patches_of_workloads().only(|request| matches!(request.status(), 0 | 504))
    }

    fn patches_of_workloads(&self) -> Self {
        const WORKLOADS: [&str; 7] = [
            "deployments",
            "rollouts",
            "statefulsets",
            "daemonsets",
            "replicasets",
            "replicationcontrollers",
            "clonesets",
        ];
        let is_of_workload = |request: &Request| WORKLOADS.contains(&request.resource().as_str());
        self.verb("patch").only(|request| is_of_workload(request) && !request.is_dry_run())
    }

    /// All of them.
    pub fn iter(&self) -> std::slice::Iter<'_, Request> {
        self.0.iter()
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// `namespace/name` of the objects asked about, in order, repeated when asked about repeatedly.
    pub fn names(&self) -> Vec<String> {
        let name = |request: &Request| format!("{}/{}", request.namespace(), request.name());
        self.iter().map(name).collect()
    }

    /// How many by verb and resource.
    pub fn by_verb_and_resource(&self) -> BTreeMap<(String, String), usize> {
        let mut counts = BTreeMap::new();
        for request in self {
            *counts.entry((request.verb.clone(), request.resource())).or_default() += 1;
        }
        counts
    }

    /// One line per verb and resource, for messages.
    pub fn table(&self) -> String {
        let line = |((verb, resource), count): ((String, String), usize)| format!("{count:>7}  {verb:<8} {resource}");
        let lines: Vec<String> = self.by_verb_and_resource().into_iter().map(line).collect();
        lines.join("\n")
    }
}

impl<'a> IntoIterator for &'a Requests {
    type Item = &'a Request;
    type IntoIter = std::slice::Iter<'a, Request>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Requests, parse};

    fn event(id: &str, second: u8, stage: &str, verb: &str, code: u16) -> String {
        let event = json!({
            "auditID": id, "stage": stage, "verb": verb, "requestURI": "/apis/apps/v1/namespaces/a/deployments/b",
            "user": {"username": "flippy"},
            "objectRef": {"resource": "deployments", "namespace": "a", "name": id},
            "responseStatus": {"code": code},
            "requestReceivedTimestamp": format!("2026-01-01T00:00:{second:02}.000000Z"),
        });
        format!("{event}\n")
    }

    fn requests(log: &str) -> Requests {
        parse(log).expect("the log is valid")
    }

    #[test]
    fn a_watch_that_started_and_ended_is_one_request() {
        let log = event("w", 1, "ResponseStarted", "watch", 200) + &event("w", 1, "ResponseComplete", "watch", 200);
        assert_eq!(requests(&log).verb("watch").count(), 1);
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_for_later() {
        let log = event("p", 1, "ResponseComplete", "patch", 200) + "{\"auditID\": \"half";
        assert_eq!(requests(&log).count(), 1);
    }

    #[test]
    fn requests_are_in_the_order_in_which_they_were_received_and_not_answered() {
        let log =
            event("late", 2, "ResponseComplete", "patch", 200) + &event("early", 1, "ResponseComplete", "patch", 200);
        assert_eq!(requests(&log).names(), ["a/early", "a/late"]);
    }

    #[test]
    fn a_patch_whose_sender_was_gone_before_the_answer_is_in_doubt() {
        let log = event("x", 1, "ResponseComplete", "patch", 504) + &event("y", 2, "ResponseComplete", "patch", 422);
        let requests = requests(&log);
        assert_eq!(requests.restarts_in_doubt().names(), ["a/x"]);
        assert_eq!(requests.restarts().count(), 0);
    }

    #[test]
    fn a_refused_patch_is_no_restart() {
        let log = event("x", 1, "ResponseComplete", "patch", 422) + &event("y", 2, "ResponseComplete", "patch", 200);
        assert_eq!(requests(&log).restarts().names(), ["a/y"]);
    }
}
