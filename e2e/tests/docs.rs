//! Every command in `docs/` is run, on the real control plane, by somebody who has nothing else to go by.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use flippy_e2e::control_plane::ControlPlane;
use flippy_e2e::docs::Reader;
use flippy_e2e::docs::markdown::{Purpose, blocks};

/// From nothing to a campaign that is over.
const FROM_NOTHING: [&str; 2] = ["install.md", "first-campaign.md"];

/// The same without Helm.
const WITHOUT_HELM: [&str; 2] = ["install-without-helm.md", "first-campaign.md"];

/// What assumes that Flippy is installed, and nothing else.
const GUIDES: [&str; 6] = ["istio.md", "linkerd.md", "sidecars.md", "operations.md", "security.md", "gitops.md"];

/// For those who have the original.
const FROM_THE_ORIGINAL: [&str; 1] = ["migration.md"];

#[test]
fn whoever_follows_the_docs_gets_from_nothing_to_a_finished_campaign() -> Result<()> {
    on_a_cluster("from-nothing", async |reader| {
        for document in FROM_NOTHING {
            reader.follow(document).await?;
        }
        Ok(())
    })
}

#[test]
fn without_helm_the_docs_lead_to_a_finished_campaign_too() -> Result<()> {
    on_a_cluster("without-helm", async |reader| {
        for document in WITHOUT_HELM {
            reader.follow(document).await?;
        }
        Ok(())
    })
}

#[test]
fn every_guide_does_what_it_says_where_flippy_is_installed() -> Result<()> {
    on_a_cluster("guides", async |reader| {
        reader.follow("install.md").await?;
        for document in GUIDES {
            reader.follow(document).await?;
            reader.tidy_up().await?;
        }
        Ok(())
    })
}

#[test]
fn an_installation_of_the_original_is_taken_over_as_the_docs_say() -> Result<()> {
    on_a_cluster("migration", async |reader| {
        reader.type_in(
            "kubectl apply --server-side -f .stage/original.yaml
             kubectl wait --for=condition=Established crd/flippyconfigs.keikoproj.io
             kubectl create -f .stage/original-config.yaml
             kubectl -n shop rollout status deployment/cart",
        )?;
        for document in FROM_THE_ORIGINAL {
            reader.follow(document).await?;
        }
        Ok(())
    })
}

#[test]
fn no_document_has_commands_that_nobody_runs() -> Result<()> {
    let run: BTreeSet<&str> =
        [&FROM_NOTHING[..], &WITHOUT_HELM, &GUIDES, &FROM_THE_ORIGINAL].concat().into_iter().collect();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    for file in std::fs::read_dir(docs)? {
        let file = file?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if file.extension().is_none_or(|ending| ending != "md") {
            continue;
        }
        let blocks = blocks(&std::fs::read_to_string(&file)?).with_context(|| name.clone())?;
        let commands = blocks.iter().find(|block| matches!(block.purpose, Purpose::Run | Purpose::Converse));
        ensure!(commands.is_none() || run.contains(name.as_str()), "docs/{name} has commands: name it in {}", file!());
    }
    Ok(())
}

#[test]
fn every_link_in_the_docs_leads_to_a_file() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut documents = vec![root.join("README.md"), root.join("charts/flippy/README.md")];
    for file in std::fs::read_dir(root.join("docs"))? {
        documents.push(file?.path());
    }
    for document in documents.iter().filter(|document| document.extension().is_some_and(|ending| ending == "md")) {
        let text = std::fs::read_to_string(document)?;
        for link in text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link) {
            let file = link.split('#').next().unwrap_or_default();
            if file.is_empty() || link.contains("://") {
                continue;
            }
            let path = document.parent().unwrap_or(&root).join(file);
            ensure!(path.exists(), "{} links to {link}, which does not exist", document.display());
        }
    }
    Ok(())
}

/// Runs on a cluster of its own, whose operators are denied nothing that they ask for.
fn on_a_cluster(name: &str, body: impl AsyncFnOnce(&mut Reader) -> Result<()>) -> Result<()> {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("docs-{name}-{}", std::process::id()));
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let control_plane = ControlPlane::start(&directory).await?;
        let cluster = control_plane.cluster().clone();
        let mut reader = Reader::sit_down(&cluster).await?;
        body(&mut reader).await?;
        let requests = cluster.audit().requests()?;
        let denied = requests.only(|request| request.status() == 403);
        ensure!(requests.count() > 0, "nothing is known of what the operator asked for");
        ensure!(denied.count() == 0, "what is installed does not allow what the operator does:\n{}", denied.table());
        Ok(())
    })?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}
