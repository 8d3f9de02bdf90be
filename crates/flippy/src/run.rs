//! `flippy run`: the operator.

use std::process::ExitCode;

use flippy_operator::{Clients, Clock, Dialer, Operator, Settings};

use crate::cli::{Connection, ReadingArgs, RunArgs};
use crate::connect;
use crate::exit::Failure;
use crate::logging::When;
use crate::{logging, stop};

/// Where the original ran, and where existing configs are.
const MESH_NAMESPACE: &str = "istio-system";

/// Runs until a signal says to stop.
pub(crate) async fn run(args: RunArgs, connection: Connection) -> Result<ExitCode, Failure> {
    let _logging = logging::start(When::Always);
    let stop = stop::on_signals()?;
    let without_effect = args.zap.passed();
    if !without_effect.is_empty() {
        tracing::info!("{} without effect: set RUST_LOG to choose what is logged", without_effect.join(", "));
    }
    let instance = instance();
    let election = args.election.settings(environment("POD_NAMESPACE"), &instance)?;
    let config = connect::config(&connection).await?;
    let server = config.cluster_url.to_string();
    let mut acting = config.clone();
    acting.default_retry = false;
    let clients =
        Clients { watching: connect::client(config)?, acting: connect::client(acting)?, elsewhere: Dialer::tcp() };
    let settings = Settings {
        conversion: conversion(args.reading),
        resync: args.reconciler_time,
        election,
        instance,
        health_address: args.health_probe_bind_address.0,
        metrics_address: args.metrics.metrics_bind_address.0,
        metrics_protection: args.metrics.protection(),
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        server,
        instance = settings.instance,
        leader_election = settings.election.is_some(),
        config_namespaces = ?settings.conversion.trusted_namespaces,
        "flippy starts"
    );
    let operator = Operator { clients, settings, clock: Clock::System };
    Box::pin(operator.run(stop)).await.map_err(|error| Failure::cannot_begin(error.to_string()))?;
    tracing::info!("flippy stopped");
    Ok(ExitCode::SUCCESS)
}

/// How configs are read, with the defaults filled in.
pub(crate) fn conversion(args: ReadingArgs) -> flippy_api::ConversionOptions {
    let mut trusted = args.config_namespace;
    trusted.retain(|namespace| !namespace.is_empty());
    if trusted.is_empty() {
        trusted = [environment("POD_NAMESPACE"), Some(MESH_NAMESPACE.to_owned())].into_iter().flatten().collect();
    }
    flippy_api::ConversionOptions {
        ignore_key: args.flippy_ignore_key.into(),
        trusted_namespaces: trusted.into_iter().map(Into::into).collect(),
    }
}

/// Who this is, in events.
pub(crate) fn instance() -> String {
    let hostname = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    environment("POD_NAME").or_else(|| environment("HOSTNAME")).or_else(hostname).unwrap_or_else(|| "flippy".to_owned())
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
