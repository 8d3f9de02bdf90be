//! The resources this API server knows.

/// A resource of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // named as in the API
pub enum Resource {
    Namespaces,
    Nodes,
    Pods,
    ConfigMaps,
    Secrets,
    Services,
    Events,
    ReplicaSets,
    ReplicationControllers,
    Deployments,
    StatefulSets,
    DaemonSets,
    ControllerRevisions,
    Rollouts,
    CloneSets,
    PodDisruptionBudgets,
    Leases,
    CustomResourceDefinitions,
    FlippyConfigs,
}

/// What distinguishes one resource from another.
#[allow(clippy::struct_excessive_bools)] // columns of a table
pub(crate) struct Traits {
    pub(crate) resource: Resource,
    /// `group/version`; of the core group `/version`.
    full_version: &'static str,
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    /// Served only while its `CustomResourceDefinition` exists.
    pub(crate) custom: bool,
    /// Has a status subresource.
    pub(crate) status: bool,
    /// Keeps `metadata.generation`.
    pub(crate) generation: bool,
}

macro_rules! table {
    ($($resource:ident $group:literal $version:literal $plural:literal $kind:literal [$($flag:ident)*];)*) => {
        /// Every resource; the order is that of the enum.
        pub(crate) const TABLE: &[Traits] = &[$(Traits {
            resource: Resource::$resource, full_version: concat!($group, "/", $version),
            group: $group, version: $version, plural: $plural, kind: $kind,
            namespaced: table!(@namespaced $($flag)*), custom: table!(@custom $($flag)*),
            status: table!(@status $($flag)*), generation: table!(@generation $($flag)*),
        }),*];
    };
    (@namespaced namespaced $($rest:ident)*) => { true };
    (@custom custom $($rest:ident)*) => { true };
    (@status status $($rest:ident)*) => { true };
    (@generation generation $($rest:ident)*) => { true };
    (@$want:ident $other:ident $($rest:ident)*) => { table!(@$want $($rest)*) };
    (@$want:ident) => { false };
}

table! {
    Namespaces "" "v1" "namespaces" "Namespace" [status];
    Nodes "" "v1" "nodes" "Node" [status];
    Pods "" "v1" "pods" "Pod" [namespaced status];
    ConfigMaps "" "v1" "configmaps" "ConfigMap" [namespaced];
    Secrets "" "v1" "secrets" "Secret" [namespaced];
    Services "" "v1" "services" "Service" [namespaced status];
    Events "" "v1" "events" "Event" [namespaced];
    ReplicaSets "apps" "v1" "replicasets" "ReplicaSet" [namespaced status generation];
    ReplicationControllers "" "v1" "replicationcontrollers" "ReplicationController" [namespaced status generation];
    Deployments "apps" "v1" "deployments" "Deployment" [namespaced status generation];
    StatefulSets "apps" "v1" "statefulsets" "StatefulSet" [namespaced status generation];
    DaemonSets "apps" "v1" "daemonsets" "DaemonSet" [namespaced status generation];
    ControllerRevisions "apps" "v1" "controllerrevisions" "ControllerRevision" [namespaced];
    Rollouts "argoproj.io" "v1alpha1" "rollouts" "Rollout" [namespaced custom status generation];
    CloneSets "apps.kruise.io" "v1alpha1" "clonesets" "CloneSet" [namespaced custom status generation];
    PodDisruptionBudgets "policy" "v1" "poddisruptionbudgets" "PodDisruptionBudget" [namespaced status generation];
    Leases "coordination.k8s.io" "v1" "leases" "Lease" [namespaced];
    CustomResourceDefinitions "apiextensions.k8s.io" "v1" "customresourcedefinitions" "CustomResourceDefinition" [status generation];
    FlippyConfigs "keikoproj.io" "v1" "flippyconfigs" "FlippyConfig" [namespaced custom status generation];
}

impl Resource {
    pub(crate) fn traits(self) -> &'static Traits {
        &TABLE[self as usize]
    }

    /// The plural as in paths: `deployments`.
    pub fn plural(self) -> &'static str {
        self.traits().plural
    }

    /// The kind as in objects: `Deployment`.
    pub fn kind(self) -> &'static str {
        self.traits().kind
    }

    /// `apiVersion` as in objects: `apps/v1`.
    pub fn api_version(self) -> &'static str {
        self.traits().full_version.trim_start_matches('/')
    }

    /// `plural.group`, the way error messages name it; also the name of its `CustomResourceDefinition`.
    pub(crate) fn qualified(self) -> String {
        let Traits { group, plural, .. } = self.traits();
        if group.is_empty() { (*plural).to_owned() } else { format!("{plural}.{group}") }
    }

    /// The resource that objects of this kind belong to.
    pub fn of_kind(kind: &str) -> Option<Self> {
        TABLE.iter().find(|traits| traits.kind == kind).map(|traits| traits.resource)
    }

    pub(crate) fn of_path(group: &str, version: &str, plural: &str) -> Option<Self> {
        TABLE
            .iter()
            .find(|traits| traits.plural == plural && traits.group == group && traits.version == version)
            .map(|traits| traits.resource)
    }
}
