//! Somebody who reads the docs and does what they say.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams};
use kube::{Client, ResourceExt};

use super::console::{self, agree};
use super::markdown::{Purpose, blocks};
use super::pods::Pods;
use crate::apply;
use crate::assets::Assets;
use crate::cluster::Cluster;
use crate::config;
use crate::operator;
use crate::wait;

/// No command of the docs takes longer.
const LIMIT_SECONDS: &str = "180";

/// Namespaces that are there before the reader comes.
const STAYS: [&str; 9] = [
    "default",
    "istio-system",
    "istio-probe",
    "linkerd",
    "linkerd-probe",
    "kube-system",
    "kube-public",
    "kube-node-lease",
    "no-mesh",
];

/// A reader with a shell, in a copy of the repository.
pub struct Reader {
    client: Client,
    kubeconfig: PathBuf,
    desk: PathBuf,
    pods: Pods,
}

// By hand, because a client has none.
impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl Reader {
    /// A reader in front of a cluster with two meshes, Istio and Linkerd, as far as sidecars go.
    pub async fn sit_down(cluster: &Cluster) -> Result<Self> {
        let client = cluster.admin().await?;
        let desk = cluster.directory().join("desk");
        let programs = desk.join(".programs");
        std::fs::create_dir_all(&programs)?;
        let assets = Assets::find()?;
        for name in ["kubectl", "helm"] {
            symlink(assets.binary(name), programs.join(name))?;
        }
        symlink(operator::binary()?.canonicalize()?, programs.join("flippy"))?;
        for name in ["istioctl", "linkerd"] {
            symlink(root().join("e2e/stage/bin").join(name), programs.join(name))?;
        }
        for name in ["charts", "deploy", "examples", "docs"] {
            symlink(root().join(name), desk.join(name))?;
        }
        symlink(root().join("e2e/stage"), desk.join(".stage"))?;
        apply::apply(&client, &apply::read(&root().join("e2e/stage/meshes.yaml"))?).await?;
        let pods = Pods::of(cluster).await?;
        let reader = Self { client, kubeconfig: cluster.admin_kubeconfig(), desk, pods };
        reader.type_in("istioctl upgrade --to 1.30.3 && linkerd upgrade --to edge-26.10.1")?;
        Ok(reader)
    }

    /// Does what a document in `docs/` says, from its beginning to its end.
    pub async fn follow(&mut self, name: &str) -> Result<()> {
        let text =
            std::fs::read_to_string(root().join("docs").join(name)).with_context(|| format!("no docs/{name}"))?;
        for block in blocks(&text)? {
            let at = || format!("docs/{name}:{}", block.line);
            match &block.purpose {
                Purpose::Show => {}
                Purpose::Write(file) => std::fs::write(self.desk.join(file), &block.text)?,
                Purpose::Run => {
                    self.type_in(&block.text).with_context(at)?;
                    self.pods.follow().await.with_context(at)?;
                }
                Purpose::Converse => {
                    for command in console::commands(&block.text) {
                        let printed = self.type_in(&command.typed).with_context(at)?;
                        ensure!(
                            agree(&command.printed, &printed),
                            "{}: `{}` does not print what the docs say, but\n{printed}",
                            at(),
                            command.typed
                        );
                        self.pods.follow().await.with_context(at)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Removes the configs and namespaces that a document led to.
    pub async fn tidy_up(&self) -> Result<()> {
        let configs = Api::<kube::api::DynamicObject>::all_with(self.client.clone(), &config::resource());
        for found in configs.list(&ListParams::default()).await? {
            let namespace = found.namespace().unwrap_or_default();
            let configs =
                Api::<kube::api::DynamicObject>::namespaced_with(self.client.clone(), &namespace, &config::resource());
            configs.delete(&found.name_any(), &DeleteParams::default()).await?;
        }
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        for namespace in namespaces.list(&ListParams::default()).await? {
            let name = namespace.name_any();
            if STAYS.contains(&name.as_str()) {
                continue;
            }
            namespaces.delete(&name, &DeleteParams::default()).await?;
            wait::until_gone(namespaces.clone(), &name, std::time::Duration::from_mins(1)).await?;
        }
        self.type_in("istioctl upgrade --to 1.30.3 && linkerd upgrade --to edge-26.10.1")?;
        Ok(())
    }

    /// Types something in, and returns what is printed. Fails when it fails.
    pub fn type_in(&self, script: &str) -> Result<String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("timeout")
            .args([LIMIT_SECONDS, "bash", "-euo", "pipefail", "-c", script])
            .current_dir(&self.desk)
            .env("PATH", format!("{}:{path}", self.desk.join(".programs").display()))
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", &self.desk)
            .env("NO_COLOR", "1")
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("`{}` failed ({}):\n{printed}{complaint}", script.trim(), output.status);
        }
        Ok(printed)
    }
}

fn root() -> &'static Path {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().expect("this crate is in a folder of the root")
}
