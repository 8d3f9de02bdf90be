//! Lists what a plan needs and does nothing with it: what `flippy plan` costs cannot be less. Takes the kinds
//! of workloads, each as `KIND API-VERSION`. For `cargo xtask bench look`.
#![allow(clippy::print_stdout, reason = "it is a program")]

use std::collections::BTreeSet;

use flippy_core::Kind;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config = Config::from_custom_kubeconfig(Kubeconfig::read()?, &KubeConfigOptions::default()).await?;
    let client = Client::try_from(config)?;
    let words: Vec<String> = std::env::args().skip(1).collect();
    let kinds: BTreeSet<Kind> =
        words.chunks_exact(2).map(|words| Kind::named(&words[0], &words[1])).collect::<Result<_, _>>()?;
    let snapshot = flippy_operator::list_snapshot(&client, &kinds, true).await?;
    println!("{} pods", snapshot.pods().count());
    // What ends the process gives back the memory, too.
    std::mem::forget(snapshot);
    Ok(())
}
