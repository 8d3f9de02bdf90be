//! `Gates`: from what users write to what core judges.

use std::sync::Arc;

use flippy_core::{Comparison, PrometheusQuery, QueryGate, SecretKey, SignedDuration, Threshold};

use crate::bounds::{MAX_CA_BUNDLE_LENGTH, MAX_GATES, MAX_QUERY_LENGTH, MAX_TIME_LENGTH};
use crate::duration::parse_duration;
use crate::elsewhere::{self, ListElsewhere};
use crate::gate_spec as spec;
use crate::problem::Problem;

/// A Prometheus that was just started has not evaluated its alerts yet, and shows none.
const FOR: SignedDuration = SignedDuration::from_mins(2);
const INTERVAL: SignedDuration = SignedDuration::from_secs(30);
const SHORTEST_INTERVAL: SignedDuration = SignedDuration::from_secs(5);
const LONGEST_INTERVAL: SignedDuration = SignedDuration::from_hours(1);
const LONGEST_FOR: SignedDuration = SignedDuration::from_hours(24);
const TIMEOUT: SignedDuration = SignedDuration::from_secs(10);
const MAX_TIMEOUT_SECONDS: i64 = 30;

const LIST: ListElsewhere =
    ListElsewhere { field: "Gates", entries: "gates", another: "another gate", most: MAX_GATES };

/// Reads all gates, or says everything that is wrong with them. `only_namespace` is where a config that is not trusted
/// may act.
pub(crate) fn gates(list: &[spec::Gate], only_namespace: Option<&str>, problems: &mut Vec<Problem>) -> Vec<QueryGate> {
    LIST.read(list, only_namespace, problems, gate, |gate| &gate.name)
}

fn gate(spec: &spec::Gate, position: usize, path: &str, problems: &mut Vec<Problem>) -> Option<QueryGate> {
    let mut wrong = |field: &str, message: String| problems.push(Problem::new(format!("{path}.{field}"), &message));
    let name = elsewhere::name(&spec.name, "gate", position).map_err(|message| wrong("Name", message));
    let Some(prometheus) = &spec.prometheus else {
        wrong("Prometheus", "is missing; write URL and Query".to_owned());
        return None;
    };
    let mut wrong = |field: &str, message: String| wrong(&format!("Prometheus.{field}"), message);
    let url = url(&prometheus.url).map_err(|message| wrong("URL", message));
    let query = query(&prometheus.query).map_err(|message| wrong("Query", message));
    let threshold = prometheus.threshold.as_ref().map(threshold).transpose();
    let threshold = threshold.map_err(|(field, message)| wrong(&format!("Threshold.{field}"), message));
    let open_for = duration(&prometheus.r#for, FOR, SignedDuration::ZERO, LONGEST_FOR, "from 0s to 24h")
        .map_err(|message| wrong("For", message));
    let interval = duration(&prometheus.interval, INTERVAL, SHORTEST_INTERVAL, LONGEST_INTERVAL, "from 5s to 1h")
        .map_err(|message| wrong("Interval", message));
    let timeout = timeout(prometheus.timeout_seconds, interval.unwrap_or(INTERVAL))
        .map_err(|message| wrong("TimeoutSeconds", message));
    let token = prometheus.bearer_token_secret.as_ref().map(|key| token(key, &prometheus.url)).transpose();
    let token = token.map_err(|message| wrong("BearerTokenSecret", message));
    let ca_bundle = ca_bundle(&prometheus.ca_bundle, &prometheus.url).map_err(|message| wrong("CABundle", message));
    let query = PrometheusQuery {
        url: url.ok()?,
        query: query.ok()?,
        timeout: timeout.ok()?,
        token: token.ok()?,
        ca_bundle: ca_bundle.ok()?,
    };
    Some(QueryGate {
        name: name.ok()?,
        query,
        threshold: threshold.ok()?,
        open_for: open_for.ok()?,
        interval: interval.ok()?,
    })
}

/// What is wrong is not quoted: it may hold a password.
fn url(text: &str) -> Result<Arc<str>, String> {
    let say = "write http:// or https:// and a host, for example https://prometheus.monitoring:9090";
    if text.is_empty() {
        return Err(format!("is missing; {say}"));
    }
    elsewhere::address(text, "of Prometheus", say, "BearerTokenSecret")?;
    if text.contains(['?', '#']) {
        return Err(format!("must end before `?` and `#`; {say}, and write the query into Query"));
    }
    Ok(text.trim_end_matches('/').into())
}

fn query(text: &str) -> Result<Arc<str>, String> {
    match text.chars().count() {
        _ if text.trim().is_empty() => {
            Err("is missing; write PromQL, for example ALERTS{alertstate=\"firing\", severity=\"critical\"}".to_owned())
        }
        count if count > MAX_QUERY_LENGTH => {
            Err(format!("has {count} characters; write at most {MAX_QUERY_LENGTH}, or a recording rule"))
        }
        _ => Ok(text.into()),
    }
}

fn threshold(spec: &spec::Threshold) -> Result<Threshold, (&'static str, String)> {
    let comparison = match spec.operator.as_str() {
        "<" => Comparison::Less,
        "<=" => Comparison::LessOrEqual,
        ">" => Comparison::Greater,
        ">=" => Comparison::GreaterOrEqual,
        other => return Err(("Operator", format!("is `{other}`; write <, <=, > or >="))),
    };
    // Rust would also read `inf` and `nan`, with which nothing compares as meant.
    let value =
        Some(&spec.value).filter(|text| text.len() <= MAX_TIME_LENGTH).and_then(|text| text.parse::<f64>().ok());
    match value.filter(|value| value.is_finite()) {
        Some(value) => Ok(Threshold { comparison, value }),
        None => Err(("Value", format!("is `{}`; write a number as a text, for example \"0.01\"", spec.value))),
    }
}

fn duration(
    text: &str,
    default: SignedDuration,
    shortest: SignedDuration,
    longest: SignedDuration,
    say: &str,
) -> Result<SignedDuration, String> {
    if text.is_empty() {
        return Ok(default);
    }
    if text.chars().count() > MAX_TIME_LENGTH {
        return Err(format!("is longer than {MAX_TIME_LENGTH} characters; write {say}"));
    }
    let duration = SignedDuration::try_from(parse_duration(text)?).ok();
    let duration = duration.filter(|duration| (shortest..=longest).contains(duration));
    duration.ok_or_else(|| format!("is `{text}`; write {say}"))
}

fn timeout(seconds: i64, interval: SignedDuration) -> Result<SignedDuration, String> {
    match seconds {
        0 => Ok(TIMEOUT.min(interval)),
        1..=MAX_TIMEOUT_SECONDS if SignedDuration::from_secs(seconds) <= interval => {
            Ok(SignedDuration::from_secs(seconds))
        }
        1..=MAX_TIMEOUT_SECONDS => Err(format!("is {seconds}, longer than Interval; write a shorter one")),
        _ => Err(format!("is {seconds}; write from 1 to {MAX_TIMEOUT_SECONDS}")),
    }
}

fn token(key: &spec::SecretKey, url: &str) -> Result<SecretKey, String> {
    if !url.starts_with("https://") {
        return Err("is for https only, or anybody on the way could read the token; write an https URL".to_owned());
    }
    elsewhere::secret_key(key)
}

pub(crate) fn ca_bundle(text: &str, url: &str) -> Result<Option<Arc<str>>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    if !url.starts_with("https://") {
        return Err("is for https only; write an https URL, or leave it out".to_owned());
    }
    if text.len() > MAX_CA_BUNDLE_LENGTH {
        return Err(format!("is longer than {MAX_CA_BUNDLE_LENGTH} bytes; name only the authorities that are needed"));
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err("holds no certificate; write PEM, which begins with -----BEGIN CERTIFICATE-----".to_owned());
    }
    Ok(Some(text.into()))
}
