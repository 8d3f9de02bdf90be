//! The `FlippyConfig`s of the cluster.

use flippy_api::FlippyConfig;
use kube::api::ListParams;
use kube::core::DeserializeGuard;
use kube::{Api, Client};

use crate::exit::Failure;
use crate::refusal;

/// Lists all configs that can be seen, if any can.
pub(crate) async fn configs_if_any(client: &Client) -> Vec<DeserializeGuard<FlippyConfig>> {
    let api = Api::<DeserializeGuard<FlippyConfig>>::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => list.items,
        Err(error) => {
            if let kube::Error::Api(status) = &error
                && status.code == 403
            {
                eprintln!(
                    "note: FlippyConfigs of the cluster may not be listed, so an operator that is at work on the same \
                     workloads is not noticed: {}",
                    status.message
                );
            }
            Vec::new()
        }
    }
}

/// Lists all configs. With `optional`, a cluster that has none to show is as good as one without any.
///
/// # Errors
/// When they cannot be listed. All are needed, even to plan one: those that disagree block each other.
pub(crate) async fn configs(
    client: &Client,
    server: &str,
    optional: bool,
) -> Result<Vec<DeserializeGuard<FlippyConfig>>, Failure> {
    let api = Api::<DeserializeGuard<FlippyConfig>>::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(list) => Ok(list.items),
        Err(kube::Error::Api(status)) if status.code == 404 && optional => Ok(Vec::new()),
        Err(kube::Error::Api(status)) if status.code == 403 && optional => {
            eprintln!(
                "note: FlippyConfigs of the cluster may not be listed, so conflicts with them are not shown: {}",
                status.message
            );
            Ok(Vec::new())
        }
        Err(kube::Error::Api(status)) if status.code == 404 => Err(Failure::error(
            "the cluster does not know FlippyConfig: install it with `flippy crd | kubectl apply -f -`, \
             or plan a file with `flippy plan -f config.yaml`",
        )),
        Err(error) => Err(refusal::failure(&error, server)),
    }
}
