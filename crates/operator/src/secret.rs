//! Reads one key of one Secret, and only when a config names it.

use flippy_core::SecretKey;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};

use crate::ask::causes;

/// What a key of a Secret holds. It is read each time: secrets are rotated.
///
/// # Errors
/// When it cannot be read, in one line that quotes nothing of it.
pub(crate) async fn value(client: &Client, namespace: &str, key: &SecretKey) -> Result<Vec<u8>, String> {
    let SecretKey { name, key } = key;
    let secret = Api::<Secret>::namespaced(client.clone(), namespace).get(name).await;
    let secret = secret.map_err(|error| match error {
        kube::Error::Api(status) if status.code == 403 => {
            format!(
                "Flippy may not get Secret {namespace}/{name}: allow it with a Role as in \
                 deploy/optional/secret-role.yaml"
            )
        }
        kube::Error::Api(status) if status.code == 404 => format!("there is no Secret {namespace}/{name}"),
        error => format!("cannot get Secret {namespace}/{name}: {}", causes(&error)),
    })?;
    let value = secret.data.and_then(|mut data| data.remove(&**key));
    value.map(|value| value.0).ok_or_else(|| format!("Secret {namespace}/{name} has no key {key}"))
}
