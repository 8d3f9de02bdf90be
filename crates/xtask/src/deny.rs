//! `cargo deny`, with or without its database of advisories.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;

use crate::command;

/// How long fetching the advisories may take.
const FETCH: Duration = Duration::from_mins(2);

/// Checks licences, sources and banned crates, and advisories too where their database can be had. Returns a remark
/// for the summary when it cannot.
pub(crate) async fn check() -> Result<Option<String>> {
    let found = command::find("cargo-deny");
    found.context("cargo-deny is not installed: `cargo install --locked cargo-deny`, or run .ci/run once")?;
    let remark = match fetch_advisories().await {
        Ok(()) => None,
        Err(error) => {
            eprintln!("WARNING: known vulnerabilities are NOT checked, their database cannot be fetched: {error:#}");
            Some("advisories NOT checked: their database cannot be fetched".to_owned())
        }
    };
    let mut check = command::cargo();
    check.args(["deny", "--workspace", "--all-features", "check", "bans", "licenses", "sources"]);
    if remark.is_none() {
        check.arg("advisories");
    }
    command::run(check).await?;
    Ok(remark)
}

async fn fetch_advisories() -> Result<()> {
    let mut fetch = command::cargo();
    fetch.args(["deny", "fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0");
    let fetched = timeout(FETCH, command::output(fetch)).await;
    let fetched = fetched.with_context(|| format!("no answer within {} s", FETCH.as_secs()))?;
    let Err(error) = fetched else {
        return Ok(());
    };
    // Its complaint spans pages, of which git's last line says why.
    let complaint = format!("{error:#}");
    let cause = complaint.lines().rfind(|line| line.starts_with("fatal: "));
    Err(anyhow::anyhow!("{}", cause.unwrap_or(&complaint).to_owned()))
}
