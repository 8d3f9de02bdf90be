//! The pinned Go modules from which the control plane is built, and where their binaries are kept.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache;

/// The version that the Kubernetes binaries report. Without it they call themselves `v0.0.0-master`, which breaks
/// clients that parse versions.
pub const KUBERNETES_VERSION: &str = "v1.36.3";

/// Environment and flags shared by all builds: static binaries, no paths of the building machine inside.
pub const GO_ENVIRONMENT: [(&str, &str); 4] =
    [("CGO_ENABLED", "0"), ("GOTOOLCHAIN", "local"), ("GOWORK", "off"), ("GOFLAGS", "-trimpath -buildvcs=false")];

/// A wrapper module under `tools/control-plane`, whose `go.mod` pins everything that is built in it.
#[derive(Debug)]
pub struct Module {
    /// Its folder under `tools/control-plane`.
    pub name: &'static str,
    /// What is built, as pairs of binary and Go package.
    pub binaries: &'static [(&'static str, &'static str)],
    /// Files copied out of a module's source: the module, and paths inside it.
    pub data: Option<(&'static str, &'static [&'static str])>,
    /// Seconds a build from nothing takes on two cores: for the progress shown, nothing depends on it.
    pub build_seconds: u64,
    go_mod: &'static str,
    go_sum: &'static str,
}

macro_rules! wrapper {
    ($folder:literal, $file:literal) => {
        include_str!(concat!("../../tools/control-plane/", $folder, "/", $file))
    };
}

/// All modules, in the order in which they are built.
pub const MODULES: [Module; 8] = [
    Module {
        name: "etcd",
        binaries: &[("etcd", "go.etcd.io/etcd/server/v3")],
        data: None,
        build_seconds: 60,
        go_mod: wrapper!("etcd", "go.mod"),
        go_sum: wrapper!("etcd", "go.sum"),
    },
    Module {
        name: "k8s",
        binaries: &[
            ("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
            ("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
            ("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
            ("kubectl", "k8s.io/kubernetes/cmd/kubectl"),
        ],
        data: None,
        build_seconds: 360,
        go_mod: wrapper!("k8s", "go.mod"),
        go_sum: wrapper!("k8s", "go.sum"),
    },
    Module {
        name: "kwok",
        binaries: &[("kwok", "sigs.k8s.io/kwok/cmd/kwok")],
        data: Some((
            "sigs.k8s.io/kwok",
            &[
                "kustomize/stage/node/fast/node-initialize.yaml",
                "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
            ],
        )),
        build_seconds: 90,
        go_mod: wrapper!("kwok", "go.mod"),
        go_sum: wrapper!("kwok", "go.sum"),
    },
    Module {
        name: "argo",
        binaries: &[("rollouts-controller", "github.com/argoproj/argo-rollouts/cmd/rollouts-controller")],
        data: Some((
            "github.com/argoproj/argo-rollouts",
            &[
                "manifests/crds/rollout-crd.yaml",
                "manifests/crds/analysis-run-crd.yaml",
                "manifests/crds/analysis-template-crd.yaml",
                "manifests/crds/cluster-analysis-template-crd.yaml",
                "manifests/crds/experiment-crd.yaml",
            ],
        )),
        build_seconds: 230,
        go_mod: wrapper!("argo", "go.mod"),
        go_sum: wrapper!("argo", "go.sum"),
    },
    Module {
        name: "helm",
        binaries: &[("helm", "helm.sh/helm/v4/cmd/helm")],
        data: None,
        build_seconds: 80,
        go_mod: wrapper!("helm", "go.mod"),
        go_sum: wrapper!("helm", "go.sum"),
    },
    Module {
        name: "kube-score",
        binaries: &[("kube-score", "github.com/zegl/kube-score/cmd/kube-score")],
        data: None,
        build_seconds: 30,
        go_mod: wrapper!("kube-score", "go.mod"),
        go_sum: wrapper!("kube-score", "go.sum"),
    },
    Module {
        name: "glua",
        binaries: &[("glua", "github.com/yuin/gopher-lua/cmd/glua")],
        data: None,
        build_seconds: 5,
        go_mod: wrapper!("glua", "go.mod"),
        go_sum: wrapper!("glua", "go.sum"),
    },
    Module {
        name: "monitoring",
        binaries: &[],
        data: Some((
            "github.com/prometheus-operator/prometheus-operator",
            &[
                "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
                "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
                "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
            ],
        )),
        build_seconds: 0,
        go_mod: wrapper!("monitoring", "go.mod"),
        go_sum: wrapper!("monitoring", "go.sum"),
    },
];

impl Module {
    /// The wrapper module's source in the work tree.
    pub fn source(&self) -> PathBuf {
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tools/control-plane").join(self.name)
    }

    /// Flags for the linker: no debug information, and for Kubernetes its version.
    pub fn linker_flags(&self) -> String {
        let mut flags = String::from("-s -w");
        if self.name != "k8s" {
            return flags;
        }
        for package in ["k8s.io/component-base/version", "k8s.io/client-go/pkg/version"] {
            for (variable, value) in [
                ("gitVersion", KUBERNETES_VERSION),
                ("gitMajor", "1"),
                ("gitMinor", "36"),
                ("gitTreeState", "clean"),
                ("buildDate", "2026-01-01T00:00:00Z"),
            ] {
                flags.push_str(" -X ");
                flags.push_str(package);
                flags.push('.');
                flags.push_str(variable);
                flags.push('=');
                flags.push_str(value);
            }
        }
        flags
    }

    /// Where the module's binaries and data are kept: outside the work tree, so that every clone shares them, under
    /// a name that changes with everything that decides what is built.
    pub fn cache_directory(&self) -> Result<PathBuf> {
        let flags = self.linker_flags();
        let environment = GO_ENVIRONMENT.map(|(key, value)| format!("{key}={value}"));
        let parts = [self.go_mod, self.go_sum, &flags].into_iter().chain(environment.iter().map(String::as_str));
        Ok(cache_root()?.join(format!("{}-{}", self.name, cache::key(parts))))
    }

    /// Binaries and data files that are not in the cache yet.
    pub fn missing(&self) -> Result<Vec<PathBuf>> {
        let directory = self.cache_directory()?;
        let binaries = self.binaries.iter().map(|(binary, _)| directory.join(binary));
        let data = self.data_files().into_iter().map(|(_, name)| directory.join(name));
        Ok(binaries.chain(data).filter(|path| !path.is_file()).collect())
    }

    /// Data files as pairs of path in the module's source and name in the cache.
    pub fn data_files(&self) -> Vec<(&'static str, &'static str)> {
        let paths = self.data.map_or(&[][..], |(_, paths)| paths);
        paths.iter().map(|path| (*path, path.rsplit('/').next().unwrap_or(path))).collect()
    }

    /// The oldest Go release that can build this module, such as `1.26.0`.
    pub fn go_release(&self) -> &'static str {
        self.go_mod.lines().find_map(|line| line.strip_prefix("go ")).expect("every go.mod has a go line").trim()
    }
}

/// `${XDG_CACHE_HOME:-~/.cache}/flippy/control-plane`.
pub fn cache_root() -> Result<PathBuf> {
    Ok(cache::root()?.join("control-plane"))
}
