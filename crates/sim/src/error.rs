//! Refusals, in the words of the API server.

use crate::{Json, json};

use crate::resources::Resource;

/// A request that was not carried out.
#[derive(Debug, Clone)]
pub(crate) struct ApiError {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Json,
    pub(crate) retry_after_seconds: Option<u64>,
}

impl ApiError {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: Json::Null, retry_after_seconds: None }
    }

    fn about(mut self, resource: Resource, name: &str) -> Self {
        self.details = json!({"name": name, "group": resource.traits().group, "kind": resource.plural()});
        self
    }

    pub(crate) fn cause(mut self, kind: &str, message: impl Into<String>) -> Self {
        self.details["causes"] = json!([{"reason": kind, "message": message.into()}]);
        self
    }

    fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_seconds = Some(seconds);
        self.details["retryAfterSeconds"] = json!(seconds);
        self
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn forbidden(resource: Resource, name: &str, why: &str) -> Self {
        Self::new(403, "Forbidden", format!("{} \"{name}\" is forbidden: {why}", resource.qualified()))
            .about(resource, name)
    }

    pub(crate) fn not_found(resource: Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified())).about(resource, name)
    }

    /// What the server says of paths it does not serve, such as a custom resource without its definition.
    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "404 page not found")
    }

    pub(crate) fn already_exists(resource: Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", resource.qualified()))
            .about(resource, name)
    }

    pub(crate) fn conflict(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(409, "Conflict", message).about(resource, name)
    }

    pub(crate) fn stale_write(resource: Resource, name: &str) -> Self {
        let why = "the object has been modified; please apply your changes to the latest version and try again";
        Self::conflict(resource, name, why)
    }

    pub(crate) fn gone(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    pub(crate) fn unsupported_media_type(content_type: &str) -> Self {
        let message = format!("the body of the request was in an unknown format - {content_type}");
        Self::new(415, "UnsupportedMediaType", message)
    }

    pub(crate) fn invalid(resource: Resource, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is invalid: {why}", resource.kind());
        Self::new(422, "Invalid", message).about(resource, name)
    }

    /// A JSON patch that could not be applied, a failed `test` included.
    /// As `jsonPatcher.applyJSPatch` of the API server says it: without what was wrong, and without causes.
    pub(crate) fn unprocessable_patch() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request")
    }

    pub(crate) fn too_many_requests(message: impl Into<String>, seconds: u64) -> Self {
        let error = Self::new(429, "TooManyRequests", message);
        if seconds == 0 { error } else { error.retry_after(seconds) }
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    /// An eviction of a pod that several budgets protect: the one refusal that gives no reason.
    pub(crate) fn several_budgets() -> Self {
        let message =
            "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        Self::new(500, "", message)
    }

    /// The one refusal that no real server gives: this one does not know how.
    pub(crate) fn not_simulated(what: impl std::fmt::Display) -> Self {
        Self::new(
            501,
            "NotImplemented",
            format!("the simulated API server cannot do this: {what}; teach it in crates/sim"),
        )
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(503, "ServiceUnavailable", "the server is currently unable to handle the request")
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message)
    }

    pub(crate) fn too_large_revision(wanted: u64, current: u64) -> Self {
        Self::new(504, "Timeout", format!("Timeout: Too large resource version: {wanted}, current: {current}"))
            .retry_after(1)
            .cause("ResourceVersionTooLarge", "Too large resource version")
    }

    pub(crate) fn status(&self) -> Json {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "reason": self.reason, "code": self.code,
        });
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }
}
