//! An admission webhook that takes no change of one object, as long as it is there.

use crate::error::ApiError;
use crate::object::Key;
use crate::request::{ApiRequest, Part, Verb};
use crate::resources::Resource;

/// Refuses every change of one object that comes over the wire; its status may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Of which resource.
    pub resource: Resource,
    /// Which object.
    pub key: Key,
    /// It cannot be reached, rather than saying no: answered with 500, and not with 403.
    pub fails: bool,
}

impl Webhook {
    /// What is answered to a request that it is asked about.
    pub(crate) fn refusal(&self, request: &ApiRequest) -> Option<ApiError> {
        let is_change = matches!(request.verb, Verb::Patch | Verb::Update) && request.part == Part::Main;
        let name = request.name.as_deref().unwrap_or_default();
        let is_its_own = request.resource == self.resource
            && *self.key.name == *name
            && *self.key.namespace == *request.namespace.as_deref().unwrap_or_default();
        (is_change && is_its_own).then(|| {
            if self.fails {
                ApiError::internal("failed calling webhook \"policy.example.com\": context deadline exceeded")
            } else {
                ApiError::forbidden(self.resource, name, "admission webhook \"policy.example.com\" denied the request")
            }
        })
    }
}
