//! What the API server says when it does not do something.

use anyhow::{Result, bail};
use flippy_e2e::scenario::Scenario;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

/// A refusal, as far as anybody decides by it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: u16,
    pub(crate) reason: String,
    pub(crate) message: String,
    /// The reasons of its causes.
    pub(crate) causes: Vec<String>,
}

impl Refusal {
    /// Its code and reason.
    pub(crate) fn kind(&self) -> (u16, &str) {
        (self.code, &self.reason)
    }
}

/// The refusal that this is. Fails when it is none.
pub(crate) fn refusal<T: std::fmt::Debug>(answer: kube::Result<T>) -> Result<Refusal> {
    match answer {
        Err(kube::Error::Api(status)) => {
            let status = *status;
            let causes = status.details.into_iter().flat_map(|details| details.causes);
            Ok(Refusal {
                code: status.code,
                reason: status.reason,
                message: status.message,
                causes: causes.map(|cause| cause.reason).collect(),
            })
        }
        other => bail!("the API server did not refuse: {other:?}"),
    }
}

/// A new `ConfigMap`, the plainest of objects.
pub(crate) async fn config_map(s: &Scenario, namespace: &str, name: &str) -> Result<ConfigMap> {
    let map = serde_json::from_value(json!({"metadata": {"name": name}, "data": {"key": "0"}}))?;
    Ok(config_maps(s, namespace).create(&PostParams::default(), &map).await?)
}

pub(crate) fn config_maps(s: &Scenario, namespace: &str) -> Api<ConfigMap> {
    Api::namespaced(s.client(), namespace)
}

/// The JSON that a client sent or got.
pub(crate) fn json_of(object: &impl serde::Serialize) -> Value {
    serde_json::to_value(object).expect("what came as JSON goes as JSON")
}
