//! What a scenario has: its own mesh, namespaces and operator, and everything that can be asked of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::apply;
use crate::audit::{Request, Requests};
use crate::backend::Backend;
use crate::cluster::Cluster;
use crate::config;
use crate::mesh::{MESH_LABEL, Mesh, Sidecar};
use crate::observe;
use crate::operator::Operator;
use crate::user;
use crate::wait::{self, Check};
use crate::workloads::{Workload, WorkloadRef};

/// The label of everything that a scenario creates. Its value is the scenario's id.
pub const SCENARIO_LABEL: &str = "flippy-e2e/scenario";

/// The image that every mesh hands out at first.
pub const OLD_IMAGE: &str = "docker.io/istio/proxyv2:1.30.3";

/// The image to upgrade to, when it does not matter which.
pub const NEW_IMAGE: &str = "docker.io/istio/proxyv2:1.30.4";

/// How long a few workloads may take to be rolled out.
const ROLLED_OUT: Duration = Duration::from_mins(1);

/// How long an object may take to disappear.
const GONE: Duration = Duration::from_secs(30);

/// A running scenario.
pub struct Scenario {
    id: String,
    backend: Backend,
    client: Client,
    mesh: Mesh,
    started: Timestamp,
    installed: OnceCell<()>,
    /// How many operators were started.
    operators: AtomicUsize,
    logs: Mutex<Vec<PathBuf>>,
    denials_expected: AtomicBool,
}

// By hand, because a client has none.
impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Scenario {
    /// A scenario with a mesh of its own, on a cluster from which earlier ones are gone.
    pub(crate) async fn begin(backend: Backend, sidecar: Sidecar) -> Result<Self> {
        let client = backend.admin().await?;
        backend.sweep(&client).await.context("cannot remove what earlier scenarios left behind")?;
        let id = backend.new_id();
        Ok(Self {
            mesh: backend.mesh(&client, &id, sidecar, OLD_IMAGE).await?,
            id,
            started: backend.now(),
            backend,
            client,
            installed: OnceCell::new(),
            operators: AtomicUsize::new(0),
            logs: Mutex::new(Vec::new()),
            denials_expected: AtomicBool::new(false),
        })
    }

    /// Removes what it created.
    pub(crate) async fn end(&self) -> Result<()> {
        self.backend.sweep(&self.client).await.context("cannot remove what the scenario created")
    }

    /// Fails when the operator asked for anything that it may not do: the shipped role must hold for everything that
    /// it does in any scenario.
    pub(crate) fn nothing_was_denied(&self) -> Result<()> {
        if self.operators.load(Ordering::Relaxed) == 0 {
            return Ok(());
        }
        let requests = self.requests()?;
        let expected = self.denials_expected.load(Ordering::Relaxed);
        // Admission refuses pods with the same status.
        let may_be_denied = ["configmaps", "pods", "clonesets"];
        let is_expected = |request: &Request| expected && may_be_denied.contains(&&*request.resource());
        let denied = requests.only(|request| request.status() == 403 && !is_expected(request));
        ensure!(requests.count() > 0, "the operator asked for nothing, so nothing is known of its permissions");
        ensure!(denied.count() == 0, "the shipped role does not allow what the operator does:\n{}", denied.table());
        Ok(())
    }

    /// Its id, which is also its mesh's name: different in every run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The real cluster. Fails on the embedded backend.
    pub fn cluster(&self) -> Result<&Cluster> {
        self.backend.real()
    }

    /// The time on the cluster's clock.
    pub fn now(&self) -> Timestamp {
        self.backend.now()
    }

    /// A client that may do anything.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Its mesh.
    pub fn mesh(&self) -> &Mesh {
        &self.mesh
    }

    /// The system namespace of its mesh, which is the operator's own too: a config in it acts on all namespaces in its
    /// scope, a config elsewhere on its own namespace only.
    pub fn system(&self) -> &str {
        self.mesh.name()
    }

    /// Labels of the namespaces that [`Scenario::namespace`] creates and nothing else has: what a config of this
    /// scenario writes into `ProcessFilter.Labels`.
    pub fn labels(&self) -> BTreeMap<&'static str, String> {
        BTreeMap::from([("istio-injection", "enabled".to_owned()), (MESH_LABEL, self.id.clone())])
    }

    /// Makes sure that the changes of the cluster's first moments are forgotten: nothing can be resumed from version 1.
    pub fn forget_ancient_versions(&self) {
        self.backend.forget_ancient_versions();
    }

    /// Creates a namespace in the mesh, called `name` and an ending that makes it unique, and returns the whole name.
    /// The ending is the same for all, so that they sort as their names do.
    pub async fn namespace(&self, name: &str) -> Result<String> {
        self.namespace_with(name, &json!({})).await
    }

    /// Like [`Scenario::namespace`], with further labels. A label that is null is left out, so that
    /// `json!({"istio-injection": null})` makes a namespace out of scope.
    pub async fn namespace_with(&self, name: &str, labels: &Value) -> Result<String> {
        let name = format!("{name}-{}", self.id);
        let mut all = json!(self.labels());
        all[SCENARIO_LABEL] = json!(self.id);
        for (label, value) in labels.as_object().into_iter().flatten() {
            all[label] = value.clone();
        }
        let labels = all.as_object_mut().expect("it was made an object above");
        labels.retain(|_, value| !value.is_null());
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        apply::apply(&self.client, &[manifest]).await?;
        if self.backend.has_service_accounts() {
            self.service_account(&name).await?;
        }
        Ok(name)
    }

    async fn service_account(&self, namespace: &str) -> Result<()> {
        let accounts: Api<k8s_openapi::api::core::v1::ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let what = format!("the service account {namespace}/default");
        wait::until(accounts, "default", &what, ROLLED_OUT, |account| {
            account.map(|_| ()).ok_or("it does not exist".to_owned())
        })
        .await
    }

    /// Creates a workload. It need not be rolled out yet.
    pub async fn create(&self, namespace: &str, workload: Workload) -> Result<WorkloadRef> {
        let reference = workload.reference(namespace);
        // The label leads `fresh` to the pods of all namespaces with one watch.
        let manifest = workload.pod_label(SCENARIO_LABEL, &self.id).manifest(namespace);
        let object = serde_json::from_value(manifest)?;
        observe::api(&self.client, &reference)
            .create(&kube::api::PostParams::default(), &object)
            .await
            .with_context(|| format!("cannot create {reference}"))?;
        Ok(reference)
    }

    /// Creates workloads and waits until all are rolled out.
    pub async fn create_all(
        &self,
        namespace: &str,
        workloads: impl IntoIterator<Item = Workload>,
    ) -> Result<Vec<WorkloadRef>> {
        let created = workloads.into_iter().map(|workload| self.create(namespace, workload));
        let created = try_join_all(created).await?;
        try_join_all(created.iter().map(|workload| self.rolled_out(workload))).await?;
        Ok(created)
    }

    /// Waits until a workload is completely rolled out, by its own status.
    pub async fn rolled_out(&self, workload: &WorkloadRef) -> Result<()> {
        observe::until_rolled_out(&self.client, workload, ROLLED_OUT).await
    }

    /// Waits until all pods of the given workloads are ready with a sidecar from `image`.
    pub async fn fresh<'a>(
        &self,
        workloads: impl IntoIterator<Item = &'a WorkloadRef>,
        image: &str,
        limit: Duration,
    ) -> Result<()> {
        let workloads: Vec<WorkloadRef> = workloads.into_iter().cloned().collect();
        let selector = format!("{SCENARIO_LABEL}={}", self.id);
        observe::until_fresh(&self.client, &workloads, &selector, image, limit).await
    }

    /// The sidecar images of a workload's pods, sorted.
    pub async fn sidecar_images(&self, workload: &WorkloadRef) -> Result<Vec<String>> {
        observe::sidecar_images(&self.client, workload).await
    }

    /// How many revisions a workload has had. See [`observe::revisions`].
    pub async fn revisions(&self, workload: &WorkloadRef) -> Result<usize> {
        observe::revisions(&self.client, workload).await
    }

    /// A workload as it is now.
    pub async fn get(&self, workload: &WorkloadRef) -> Result<DynamicObject> {
        Ok(observe::api(&self.client, workload).get(&workload.name).await?)
    }

    /// Changes a workload by a JSON merge patch, as a person would.
    pub async fn edit(&self, workload: &WorkloadRef, change: Value) -> Result<()> {
        let api = observe::api(&self.client, workload);
        api.patch(&workload.name, &PatchParams::default(), &Patch::Merge(change)).await?;
        Ok(())
    }

    /// Lets the operator read a `ConfigMap` of the mesh's system namespace, as an installation that names one as a source of
    /// images does.
    pub async fn may_read(&self, config_map: &str) -> Result<()> {
        self.backend.allow_source(&self.client, &self.user(), self.system(), config_map).await
    }

    /// Lets the operator create pods on a dry run, as an installation does that asks admission what new pods would get.
    pub async fn may_ask_admission(&self) -> Result<()> {
        self.backend.allow_asking(&self.client, &self.user(), &self.id).await
    }

    /// Installs the definition of `CloneSet`s and a controller of those in `namespace`, for as long as what is returned is kept.
    pub async fn install_clone_sets(&self, namespace: &str) -> Result<impl Sized> {
        self.backend.install_clone_sets(&self.client, namespace).await
    }

    /// Lets the operator watch and restart `CloneSet`s, as an installation with `customKinds` does.
    pub async fn may_restart_clone_sets(&self) -> Result<()> {
        self.backend.allow_clone_sets(&self.client, &self.user(), &self.id).await
    }

    /// This scenario is about a `ConfigMap` that the operator may not read, about pods that it may not create, or about
    /// `CloneSet`s that it may not watch.
    pub fn denials_are_expected(&self) {
        self.denials_expected.store(true, Ordering::Relaxed);
    }

    /// Makes the shipped custom resource definition and roles known to the cluster. The methods below do that by
    /// themselves.
    pub async fn install(&self) -> Result<()> {
        self.installed.get_or_try_init(|| self.backend.install(&self.client)).await?;
        Ok(())
    }

    /// Installs Argo Rollouts' definitions again after they were deleted.
    pub async fn install_argo_rollouts(&self) -> Result<()> {
        self.backend.install_argo_rollouts(&self.client).await
    }

    /// The user whom the operator of this scenario is. Nobody else is it.
    pub fn user(&self) -> String {
        format!("flippy-e2e:{}", self.id)
    }

    /// Starts the operator with exactly the shipped permissions, and waits until it is ready.
    pub async fn operator(&self) -> Result<Operator> {
        self.operator_with(&[]).await
    }

    /// Like [`Scenario::operator`], with further arguments.
    pub async fn operator_with(&self, arguments: &[&str]) -> Result<Operator> {
        self.install().await?;
        let mut operator = self.spawn_operator(arguments).await?;
        operator.ready().await?;
        Ok(operator)
    }

    /// Starts a replica: an operator with a user and a pod name of its own, so that one can tell them apart. Waits until it
    /// is ready.
    pub async fn replica(&self, name: &str, arguments: &[&str]) -> Result<Operator> {
        self.install().await?;
        let mut operator = self.spawn(&self.pod_name(name), &self.replica_user(name), arguments).await?;
        operator.ready().await?;
        Ok(operator)
    }

    /// The user whom a replica is.
    pub fn replica_user(&self, name: &str) -> String {
        user::replica(&self.user(), name)
    }

    /// What a replica knows as the name of its pod.
    pub fn pod_name(&self, name: &str) -> String {
        format!("{}-{name}", self.id)
    }

    /// Starts the operator without waiting until it is ready, and without the custom resource definition unless that
    /// is there already.
    pub async fn spawn_operator(&self, arguments: &[&str]) -> Result<Operator> {
        self.spawn(&self.id, &self.user(), arguments).await
    }

    async fn spawn(&self, name: &str, user: &str, arguments: &[&str]) -> Result<Operator> {
        let operator = self.backend.operator(&self.client, name, user, self.system(), arguments).await?;
        self.operators.fetch_add(1, Ordering::Relaxed);
        self.logs.lock().expect("no holder panics").extend(operator.log().map(Path::to_owned));
        Ok(operator)
    }

    /// The requests of the operator and of all replicas in this scenario so far.
    pub fn requests(&self) -> Result<Requests> {
        Ok(self.backend.requests(&self.user())?.since(self.started))
    }

    /// Creates a `FlippyConfig`, or changes it to `spec`.
    pub async fn config(&self, namespace: &str, name: &str, spec: Value) -> Result<()> {
        self.install().await?;
        let config = json!({
            "apiVersion": "keikoproj.io/v1", "kind": "FlippyConfig",
            "metadata": {"namespace": namespace, "name": name},
            "spec": spec,
        });
        apply::apply(&self.client, &[config]).await
    }

    /// Waits until the status of a `FlippyConfig` passes `check`, which gets null while there is none.
    pub async fn config_status<T>(
        &self,
        namespace: &str,
        name: &str,
        what: &str,
        limit: Duration,
        mut check: impl FnMut(&Value) -> Check<T>,
    ) -> Result<T> {
        wait::until(self.configs(namespace), name, what, limit, |config| {
            check(config.map_or(&Value::Null, |config| &config.data["status"]))
        })
        .await
    }

    /// Deletes a `FlippyConfig`.
    pub async fn delete_config(&self, namespace: &str, name: &str) -> Result<()> {
        self.configs(namespace).delete(name, &DeleteParams::default()).await?;
        wait::until_gone(self.configs(namespace), name, GONE).await
    }

    /// The API of the `FlippyConfig`s of a namespace.
    pub fn configs(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &config::resource())
    }

    #[allow(clippy::print_stdout, reason = "the test harness shows this when the test fails, and only then")]
    pub(crate) fn explain(&self) {
        for log in self.logs.lock().expect("no holder panics").iter() {
            println!("--- {}\n{}", log.display(), std::fs::read_to_string(log).unwrap_or_default());
        }
        match self.requests() {
            Ok(requests) => println!("--- requests of the operator\n{}", requests.table()),
            Err(error) => println!("--- requests of the operator are not known: {error:#}"),
        }
        println!("--- {}", self.backend.explanation());
    }
}
