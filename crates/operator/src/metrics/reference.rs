//! docs/metrics.md, written from what is registered.

use std::fmt::Write as _;

use super::Metrics;
use super::registration::Registration;

const INTRODUCTION: &str = "\
# Metrics

<!-- Written by `cargo xtask generate` from crates/operator/src/metrics.rs: change it there. -->

In the OpenMetrics format at `/metrics` of `--metrics-bind-address` (`:8080`). No label names a workload: how many series
there are depends on configs and kinds alone. What is about configs is there for the leader only, so there is one series
of each, whatever the number of replicas.

Alerts on them are in [alerts.md](alerts.md).

| Metric | Type | Labels | Meaning |
|---|---|---|---|
";

const WHO_MAY_READ: &str = "
## Who may read them

Whoever reaches the port. They tell names of configs and namespaces, and nothing secret. To keep them from others:

- `--metrics-tls-cert-file` and `--metrics-tls-private-key-file` serve them over TLS. The files are read anew every minute,
  so a certificate may be replaced at any time.
- `--metrics-authorization` lets only those read them whom RBAC lets `get` the path `/metrics`, by the bearer token that they
  send. Flippy asks the API server (TokenReview, SubjectAccessReview), and remembers for a minute whom it allowed. It needs the
  rights in [deploy/optional/metrics-authorization-role.yaml](../deploy/optional/metrics-authorization-role.yaml), where there
  is a role for scrapers too.
";

/// Every metric in one table, as Markdown.
#[must_use]
pub fn metrics_reference() -> String {
    let text = Metrics::register(Registration::showing_labels()).render();
    let mut page = INTRODUCTION.to_owned();
    // `# HELP` comes first of each metric, then `# TYPE`, `# UNIT` if there is one, and the samples.
    let mut help = "";
    let mut kind = "";
    let mut is_told = true;
    for line in text.lines() {
        let words = |prefix| line.strip_prefix(prefix).and_then(|rest: &str| rest.split_once(' '));
        if let Some((_, text)) = words("# HELP ") {
            (help, is_told) = (text, false);
        } else if let Some((_, text)) = words("# TYPE ") {
            kind = text;
        } else if !line.starts_with('#') && !is_told {
            is_told = true;
            let name_end = line.find(['{', ' ']).unwrap_or(line.len());
            let name = &line[..name_end];
            // Of a histogram the first sample is one of several.
            let name = if kind == "histogram" { name.trim_end_matches("_sum") } else { name };
            let _ = writeln!(
                page,
                "| `{name}` | {kind} | {} | {} |",
                labels(&line[name_end..]),
                help.trim_end_matches('.')
            );
        }
    }
    page + WHO_MAY_READ
}

/// The names of the labels of a sample, whose values are empty or constant.
fn labels(rest: &str) -> String {
    let Some((labels, _)) = rest.strip_prefix('{').and_then(|rest| rest.split_once('}')) else { return String::new() };
    let names = labels.split(',').filter_map(|pair| pair.split('=').next());
    names.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_told_with_its_type_and_labels() {
        let page = metrics_reference();
        for row in [
            "| `flippy_build_info` | info | `version` | What is running |",
            "| `flippy_leader` | gauge |  | ",
            "| `flippy_restarts_total` | counter | `kind`, `outcome` | ",
            "| `flippy_pass_seconds` | histogram |  | ",
        ] {
            assert!(page.contains(row), "{row} is not in {page}");
        }
    }
}
