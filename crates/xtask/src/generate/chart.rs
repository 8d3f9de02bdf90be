//! `deploy/`: the manifests for those without Helm, rendered from the chart.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use anyhow::{Context, Result, ensure};
use flippy_e2e::modules::KUBERNETES_VERSION;

use super::Files;
use crate::{command, go, workspace};

/// What is set for all of them. The definition is beside them, as the binary prints it.
const VALUES: &str = "image.repository=flippy,crd.install=false";

/// What is only for some, by the template that it comes from, and what must be set for it.
const OPTIONAL: [(&str, &str); 5] = [
    ("ask-admission", "askAdmission.enabled=true"),
    ("custom-kinds-clusterrole", "customKinds[0].apiGroup=apps.kruise.io,customKinds[0].resource=clonesets"),
    ("image-source-role", "imageSources[0].namespace=istio-system,imageSources[0].name=istio-sidecar-injector"),
    ("metrics-authorization-role", "metrics.authorization=true,metrics.tlsSecret=flippy-metrics-tls"),
    ("secret-role", "secrets[0].namespace=istio-system,secrets[0].name=prometheus-token"),
];

/// Labels that say that Helm is there.
const HELMS_LABELS: [&str; 2] = ["app.kubernetes.io/managed-by: Helm", "helm.sh/chart: "];

/// The kind of what forbids a part of what a role allows, and of what binds it.
const FENCE: &str = "kind: ValidatingAdmissionPolicy";

const HEAD: &str = "# Rendered from charts/flippy by `cargo xtask generate`: change it there.\n";

/// The files of `deploy/`, and those in it that are none.
pub(super) async fn manifests() -> Result<Files> {
    let mut files: Files = yaml_files("deploy")?.into_iter().map(|file| (file, None)).collect();
    // Written by itself.
    files.remove("deploy/crd.yaml");
    let mut listed = BTreeSet::from(["crd".to_owned()]);
    for (name, manifest) in render(VALUES).await? {
        files.insert(format!("deploy/{name}.yaml"), Some(manifest));
        listed.insert(name);
    }
    for (name, values) in OPTIONAL {
        let mut rendered = render(&format!("{VALUES},{values}")).await?;
        let manifest = rendered.remove(name).with_context(|| format!("with {values} the chart has no {name}"))?;
        files.insert(format!("deploy/optional/{name}.yaml"), Some(manifest));
    }
    files.insert("deploy/Kustomization".to_owned(), Some(kustomization(&listed)));
    Ok(files)
}

/// What the chart installs with these values, by the name of the template.
async fn render(values: &str) -> Result<BTreeMap<String, String>> {
    let mut helm = command::program(go::binary("helm").await?);
    helm.args(["template", "flippy", "charts/flippy", "--namespace", "istio-system"]);
    helm.args(["--kube-version", KUBERNETES_VERSION, "--set", values]);
    split(&command::output(helm).await?)
}

/// Helm writes where each document comes from at its beginning.
fn split(rendered: &str) -> Result<BTreeMap<String, String>> {
    let mut documents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for document in rendered.split("---\n").filter(|document| !document.trim().is_empty()) {
        let (source, document) = document.split_once('\n').context("Helm printed a document of one line")?;
        let name = source.strip_prefix("# Source: flippy/templates/").and_then(|path| path.strip_suffix(".yaml"));
        let name = name.with_context(|| format!("Helm does not say where a document comes from: {source}"))?;
        let is_helms = |line: &str| HELMS_LABELS.iter().any(|label| line.trim_start().starts_with(label));
        let mut kept = String::new();
        for line in document.lines().filter(|line| !is_helms(line) && !line.trim().is_empty()) {
            writeln!(kept, "{line}")?;
        }
        documents.entry(name.to_owned()).or_default().push(kept);
    }
    ensure!(!documents.is_empty(), "Helm rendered nothing");
    let manifest = |mut documents: Vec<String>| {
        // Helm puts roles first, and kubectl creates in the order of the file: a right would be there before its fence.
        documents.sort_by_key(|document| !document.contains(FENCE));
        format!("{HEAD}{}", documents.join("---\n"))
    };
    Ok(documents.into_iter().map(|(name, documents)| (name, manifest(documents))).collect())
}

fn kustomization(names: &BTreeSet<String>) -> String {
    let mut text = format!(
        "{HEAD}# Not called kustomization.yaml: `kubectl apply -f deploy/` would send it to the cluster.\n\
         apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
    );
    for name in names {
        writeln!(text, "- {name}.yaml").expect("a text takes everything");
    }
    text
}

fn yaml_files(directory: &str) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(workspace::root().join(directory))
        .with_context(|| format!("cannot read the directory {directory}"))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "yaml") {
            files.push(format!("{directory}/{}", path.file_name().unwrap_or_default().to_string_lossy()));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::{HEAD, split};

    #[test]
    fn documents_of_one_template_are_one_file_without_what_only_helm_needs() {
        let rendered = "---\n# Source: flippy/templates/role.yaml\nkind: Role\nmetadata:\n  labels:\n    a: b\n    \
                        helm.sh/chart: flippy-1\n    app.kubernetes.io/managed-by: Helm\n---\n# Source: \
                        flippy/templates/role.yaml\n# Why.\nkind: RoleBinding\n";
        let manifests = split(rendered).expect("it is what Helm prints");
        let role = format!("{HEAD}kind: Role\nmetadata:\n  labels:\n    a: b\n---\n# Why.\nkind: RoleBinding\n");
        assert_eq!(manifests["role"], role);
    }

    #[test]
    fn what_fences_a_right_comes_before_it() {
        let document = |kind: &str| format!("---\n# Source: flippy/templates/ask.yaml\nkind: {kind}\n");
        let kinds =
            ["ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"];
        let manifests = split(&kinds.map(document).concat()).expect("it is what Helm prints");
        let found: Vec<&str> = manifests["ask"].lines().filter_map(|line| line.strip_prefix("kind: ")).collect();
        assert_eq!(found, [kinds[2], kinds[3], kinds[0], kinds[1]]);
    }

    #[test]
    fn a_document_from_nowhere_is_an_error() {
        assert!(split("---\nkind: Role\nmetadata: {}\n").is_err());
    }
}
