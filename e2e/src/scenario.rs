//! The frame of every test: one scenario, with its own mesh, namespaces and operator, on the shared cluster.

use std::collections::BTreeMap;
use std::fs::File;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::FutureExt;
use futures::future::try_join_all;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::apply;
use crate::audit::Requests;
use crate::cluster::Cluster;
use crate::config;
use crate::install;
use crate::mesh::{MESH_LABEL, Mesh, Sidecar};
use crate::observe;
use crate::operator::Operator;
use crate::sweep::sweep;
use crate::wait::{self, Check};
use crate::workloads::{Workload, WorkloadRef};

/// The label of everything that a scenario creates. Its value is the scenario's id.
pub const SCENARIO_LABEL: &str = "flippy-e2e/scenario";

/// The image that every mesh hands out at first.
pub const OLD_IMAGE: &str = "docker.io/istio/proxyv2:1.30.3";

/// The image to upgrade to, when it does not matter which.
pub const NEW_IMAGE: &str = "docker.io/istio/proxyv2:1.30.4";

/// How long a whole scenario may take.
const SCENARIO_LIMIT: Duration = Duration::from_mins(5);

/// How long a few workloads may take to be rolled out.
const ROLLED_OUT: Duration = Duration::from_mins(1);

/// How long an object may take to disappear.
const GONE: Duration = Duration::from_secs(30);

/// A running scenario.
pub struct Scenario {
    id: String,
    cluster: Cluster,
    client: Client,
    mesh: Mesh,
    started: Timestamp,
    installed: OnceCell<()>,
    logs: Mutex<Vec<PathBuf>>,
}

/// Runs a scenario on the shared cluster when its turn comes, with a mesh whose sidecar is an ordinary container.
/// When it fails, the operator's log is shown.
pub fn scenario(body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    scenario_with(Sidecar::Container, body);
}

/// Like [`scenario`], with the sidecar elsewhere in the pods.
pub fn scenario_with(sidecar: Sidecar, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    let cluster = Cluster::shared().unwrap_or_else(|error| panic!("{error:#}"));
    scenario_on(cluster, sidecar, body);
}

/// Like [`scenario_with`], on another cluster than the shared one.
pub fn scenario_on(cluster: Cluster, sidecar: Sidecar, body: impl AsyncFnOnce(&Scenario) -> Result<()>) {
    let turn = File::create(cluster.directory().join("turn.lock")).expect("the cluster's directory is writable");
    turn.lock().expect("the file system supports locks");
    let runtime = tokio::runtime::Runtime::new().expect("the system allows threads");
    let outcome = runtime.block_on(run(cluster, sidecar, body));
    // Before the verdict: a panic while the lock is held would be no harm, but the next test should not wait for it.
    drop((runtime, turn));
    match outcome {
        Ok(Ok(())) => {}
        Ok(Err(error)) => panic!("{error:#}"),
        Err(panic) => resume_unwind(panic),
    }
}

// By hand, because a client has none.
impl std::fmt::Debug for Scenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scenario").field("id", &self.id).finish_non_exhaustive()
    }
}

type Panic = Box<dyn std::any::Any + Send>;

async fn run(
    cluster: Cluster,
    sidecar: Sidecar,
    body: impl AsyncFnOnce(&Scenario) -> Result<()>,
) -> Result<Result<()>, Panic> {
    let scenario = match Scenario::begin(cluster, sidecar).await {
        Ok(scenario) => scenario,
        Err(error) => return Ok(Err(error.context("cannot begin the scenario"))),
    };
    let limited = async {
        let Ok(result) = timeout(SCENARIO_LIMIT, body(&scenario)).await else {
            bail!("the scenario was not over after {} s", SCENARIO_LIMIT.as_secs());
        };
        result
    };
    let outcome = AssertUnwindSafe(limited).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        scenario.explain();
    }
    let swept = sweep(&scenario.cluster, &scenario.client).await;
    match outcome {
        Ok(Ok(())) => Ok(swept.context("cannot remove what the scenario created")),
        failed => failed,
    }
}

impl Scenario {
    async fn begin(cluster: Cluster, sidecar: Sidecar) -> Result<Self> {
        let client = cluster.admin().await?;
        sweep(&cluster, &client).await.context("cannot remove what earlier scenarios left behind")?;
        let id = format!("e2e-{:05x}", RandomState::new().build_hasher().finish() & 0xf_ffff);
        Ok(Self {
            mesh: Mesh::install(&client, &id, sidecar, OLD_IMAGE).await?,
            id,
            cluster,
            client,
            started: Timestamp::now(),
            installed: OnceCell::new(),
            logs: Mutex::new(Vec::new()),
        })
    }

    /// Its id, which is also its mesh's name: different in every run.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The cluster.
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
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
        self.service_account(&name).await?;
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

    /// Makes the shipped custom resource definition and roles known to the cluster. The methods below do that by
    /// themselves.
    pub async fn install(&self) -> Result<()> {
        self.installed.get_or_try_init(|| install::install(&self.client)).await?;
        Ok(())
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

    /// Starts the operator without waiting until it is ready, and without the custom resource definition unless that
    /// is there already.
    pub async fn spawn_operator(&self, arguments: &[&str]) -> Result<Operator> {
        let user = self.user();
        let kubeconfig = self.cluster.user_kubeconfig(&user)?;
        install::bind(&self.client, &user, &self.id).await?;
        let operator = Operator::spawn(self.cluster.directory(), &self.id, &kubeconfig, self.system(), arguments)?;
        self.logs.lock().expect("no holder panics").push(operator.log().to_owned());
        Ok(operator)
    }

    /// The operator's requests in this scenario so far.
    pub fn requests(&self) -> Result<Requests> {
        let requests = self.cluster.audit().requests()?;
        Ok(requests.by_user(&self.user()).since(self.started))
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
    fn explain(&self) {
        for log in self.logs.lock().expect("no holder panics").iter() {
            println!("--- {}\n{}", log.display(), std::fs::read_to_string(log).unwrap_or_default());
        }
        match self.requests() {
            Ok(requests) => println!("--- requests of the operator\n{}", requests.table()),
            Err(error) => println!("--- requests of the operator are not known: {error:#}"),
        }
        println!("--- more logs are in {}", self.cluster.directory().join("logs").display());
    }
}
