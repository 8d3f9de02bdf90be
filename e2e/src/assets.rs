//! Where the control plane's binaries and data files are.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};

use crate::modules::{MODULES, Module};

/// Binaries that `KUBEBUILDER_ASSETS` may provide (the convention of envtest). The rest always come from our cache.
const ENVTEST: [&str; 3] = ["etcd", "kube-apiserver", "kubectl"];

/// Paths of everything that a control plane is started from. All exist.
#[derive(Debug, Clone)]
pub struct Assets {
    binaries: Vec<(&'static str, PathBuf)>,
    data: Vec<PathBuf>,
}

impl Assets {
    /// Finds all binaries and data files, or says how to get them.
    pub fn find() -> Result<Self> {
        let envtest = std::env::var_os("KUBEBUILDER_ASSETS").filter(|value| !value.is_empty()).map(PathBuf::from);
        let mut assets = Self { binaries: Vec::new(), data: Vec::new() };
        for module in &MODULES {
            let directory = module.cache_directory()?;
            for (binary, _) in module.binaries {
                assets.binaries.push((binary, locate(binary, envtest.as_deref(), &directory)?));
            }
            for (_, name) in module.data_files() {
                assets.data.push(present(directory.join(name))?);
            }
        }
        Ok(assets)
    }

    /// The path of a binary, such as `kube-apiserver`.
    pub fn binary(&self, name: &str) -> &Path {
        let found = self.binaries.iter().find(|(binary, _)| *binary == name);
        &found.unwrap_or_else(|| panic!("no module builds {name}")).1
    }

    /// The path of a data file, such as `rollout-crd.yaml`.
    pub fn data(&self, name: &str) -> &Path {
        let found = self.data.iter().find(|path| path.ends_with(name));
        found.unwrap_or_else(|| panic!("no module has a data file {name}"))
    }

    /// The custom resource definitions of Argo Rollouts.
    pub fn argo_definitions(&self) -> impl Iterator<Item = &Path> {
        let is_definition = |path: &&PathBuf| path.to_string_lossy().ends_with("-crd.yaml");
        self.data.iter().filter(is_definition).map(PathBuf::as_path)
    }

    /// The custom resource definitions of the Prometheus operator that the chart has objects of.
    pub fn definitions_of_monitoring(&self) -> impl Iterator<Item = &Path> {
        let is_definition = |path: &&PathBuf| path.to_string_lossy().contains("monitoring.coreos.com_");
        self.data.iter().filter(is_definition).map(PathBuf::as_path)
    }
}

/// Whether a module need not be built, because `KUBEBUILDER_ASSETS` has all of its binaries.
pub fn provided_by_envtest(module: &Module) -> bool {
    let Some(directory) = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from) else {
        return false;
    };
    let provided = |(binary, _): &(&str, &str)| ENVTEST.contains(binary) && directory.join(binary).is_file();
    !module.binaries.is_empty() && module.binaries.iter().all(provided)
}

fn locate(binary: &str, envtest: Option<&Path>, cache: &Path) -> Result<PathBuf> {
    match envtest {
        Some(directory) if ENVTEST.contains(&binary) => {
            let path = directory.join(binary);
            ensure!(
                path.is_file(),
                "KUBEBUILDER_ASSETS is {}, but there is no {binary} in it: unset it to use the pinned build",
                directory.display()
            );
            Ok(path)
        }
        _ => present(cache.join(binary)),
    }
}

fn present(path: PathBuf) -> Result<PathBuf> {
    ensure!(path.is_file(), "{} has not been built yet: run `cargo xtask control-plane build`", path.display());
    Ok(path)
}
