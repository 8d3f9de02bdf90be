//! In the place of the pods of Flippy, which no node here could run: the real binary, with the arguments, the environment
//! and the service account that the Deployment gives to them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::{ListParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use crate::cluster::Cluster;
use crate::operator::Operator;

/// The label of everything that Flippy consists of.
const OURS: &str = "app.kubernetes.io/name=flippy";

/// How long the account's token is good for: longer than any test.
const TOKEN_SECONDS: i64 = 7200;

/// The replicas that run, by namespace, name, generation of the Deployment, and number.
pub struct Pods {
    cluster: Cluster,
    client: Client,
    running: BTreeMap<(String, String, i64, i32), Operator>,
    started: usize,
}

// By hand, because a client has none.
impl std::fmt::Debug for Pods {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pods").field("running", &self.running).finish_non_exhaustive()
    }
}

impl Pods {
    /// None runs yet.
    pub async fn of(cluster: &Cluster) -> Result<Self> {
        let client = cluster.admin().await?;
        Ok(Self { cluster: cluster.clone(), client, running: BTreeMap::new(), started: 0 })
    }

    /// Starts and stops replicas until they are what the Deployments say.
    pub async fn follow(&mut self) -> Result<()> {
        let deployments: Api<Deployment> = Api::all(self.client.clone());
        let mut wanted = BTreeMap::new();
        for deployment in deployments.list(&ListParams::default().labels(OURS)).await? {
            let spec = deployment.spec.as_ref().context("a Deployment has no spec")?;
            for number in 0..spec.replicas.unwrap_or(1) {
                let generation = deployment.metadata.generation.unwrap_or_default();
                let namespace = deployment.namespace().unwrap_or_default();
                wanted.insert((namespace, deployment.name_any(), generation, number), deployment.clone());
            }
        }
        let surplus: Vec<_> = self.running.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        for key in surplus {
            if let Some(operator) = self.running.remove(&key) {
                operator.terminate().await?;
            }
        }
        for (key, deployment) in wanted {
            if !self.running.contains_key(&key) {
                let operator = self.start(&deployment).await?;
                self.running.insert(key, operator);
            }
        }
        Ok(())
    }

    async fn start(&mut self, deployment: &Deployment) -> Result<Operator> {
        let pod = deployment.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()).context("it has no pods")?;
        let args = pod.containers[0].args.clone().unwrap_or_default();
        // The first one is `run`.
        let args: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
        let namespace = deployment.namespace().unwrap_or_default();
        let account = pod.service_account_name.as_deref().unwrap_or("default");
        let kubeconfig = self.kubeconfig(&namespace, account).await?;
        self.started += 1;
        let name = format!("{}-{}", deployment.name_any(), self.started);
        let mut operator = Operator::spawn(self.cluster.directory(), &name, &kubeconfig, &namespace, &args)?;
        operator.ready().await?;
        Ok(operator)
    }

    async fn kubeconfig(&self, namespace: &str, account: &str) -> Result<PathBuf> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(TOKEN_SECONDS), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = accounts.create_token_request(account, &PostParams::default(), &request).await?;
        let token = answer.status.context("the API server gave no token")?.token;
        let kubeconfig = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "pod",
            "clusters": [{"name": "pod", "cluster": {
                "server": self.cluster.server(),
                "certificate-authority": self.cluster.directory().join("certificates/ca.pem"),
            }}],
            "users": [{"name": "pod", "user": {"token": token}}],
            "contexts": [{"name": "pod", "context": {"cluster": "pod", "user": "pod", "namespace": namespace}}],
        });
        let path = self.cluster.directory().join(format!("account-{namespace}-{account}.kubeconfig"));
        std::fs::write(&path, kubeconfig.to_string())?;
        Ok(path)
    }
}
