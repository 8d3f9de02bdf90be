//! What a Prometheus server answers: whatever is not a whole and plain answer is none.

use flippy_core::Reading;
use http::StatusCode;
use serde::Deserialize;
use serde_json::Value;

use super::quoted;

/// More series are a mistake in the query.
pub(super) const MAX_SERIES: usize = 1000;

/// What Prometheus answers (<https://prometheus.io/docs/prometheus/latest/querying/api/>).
#[derive(Deserialize)]
struct Envelope {
    status: String,
    #[serde(default)]
    data: Option<Data>,
    #[serde(default)]
    error: Option<String>,
    #[serde(default)]
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: serde_json::Map<String, Value>,
    /// Absent for a native histogram.
    #[serde(default)]
    value: Option<(f64, String)>,
}

/// # Errors
/// When it is no answer, in one line that goes on after the URL.
pub(super) fn read(status: StatusCode, body: &[u8]) -> Result<Reading, String> {
    let envelope: Result<Envelope, _> = serde_json::from_slice(body);
    if status != StatusCode::OK {
        let why = envelope.ok().and_then(|envelope| envelope.error);
        return Err(why.map_or_else(
            || format!("answers {status}"),
            |why| format!("answers {}: {}", status.as_u16(), quoted(&why)),
        ));
    }
    let envelope = envelope.map_err(|_| "does not answer as Prometheus does: is it the right URL?".to_owned())?;
    if envelope.status != "success" {
        return Err(format!(
            "answers an error: {}",
            quoted(envelope.error.as_deref().unwrap_or("it does not say which"))
        ));
    }
    // Thanos and others answer so when a part of the data could not be read: what is missing may be the alert.
    if let Some(warning) = envelope.warnings.iter().flatten().next() {
        return Err(format!("answers with a warning, so the answer may not be whole: {}", quoted(warning)));
    }
    let data = envelope.data.ok_or_else(|| "answers without data".to_owned())?;
    let malformed = |_| "answers with a result that cannot be read".to_owned();
    match data.result_type.as_str() {
        "vector" => {
            let series: Vec<Series> = serde_json::from_value(data.result).map_err(malformed)?;
            if series.len() > MAX_SERIES {
                return Err(format!(
                    "returns {} series: write a query that returns at most {MAX_SERIES}",
                    series.len()
                ));
            }
            let example = series.first().map(|one| quoted(&labels(&one.metric))).unwrap_or_default();
            let sample = |one: &Series| one.value.as_ref().map_or(f64::NAN, |(_, text)| number(text));
            Ok(Reading::Series { samples: series.iter().map(sample).collect(), example })
        }
        "scalar" => {
            let (_, text): (f64, String) = serde_json::from_value(data.result).map_err(malformed)?;
            Ok(Reading::Scalar(number(&text)))
        }
        other => Err(format!("returns a {}: write an instant query", quoted(other))),
    }
}

/// What is no number compares with nothing.
fn number(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

fn labels(metric: &serde_json::Map<String, Value>) -> String {
    let pairs: Vec<String> = metric.iter().map(|(label, value)| format!("{label}={value}")).collect();
    format!("{{{}}}", pairs.join(", "))
}
