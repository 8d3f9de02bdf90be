//! A real Prometheus, whose alert a scenario lets fire or not.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::loopback;
use crate::operator::Operator;
use crate::process::Process;
use crate::scenario::Scenario;

/// The series that exists while the alert fires.
pub const ALERT: &str = "flippy_e2e_alert";

/// Time to become ready.
const LIMIT: Duration = Duration::from_secs(30);

/// A Prometheus on 127.0.0.1, stopped when this is dropped.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    files: Files,
}

/// Where a Prometheus listens and keeps what it knows: what is left of it while it is down.
#[derive(Debug)]
pub struct Files {
    name: String,
    cluster: PathBuf,
    directory: PathBuf,
    port: u16,
}

impl Prometheus {
    /// Starts one, whose alert fires or not.
    pub async fn start(s: &Scenario, fires: bool) -> Result<Self> {
        Self::start_with(s, fires, "").await
    }

    /// Starts one that scrapes an operator each second, and whose alert does not fire.
    pub async fn scraping(s: &Scenario, operator: &Operator) -> Result<Self> {
        let target = format!("127.0.0.1:{}", operator.metrics_port()?);
        let scrapes = format!(
            "scrape_configs: [{{job_name: flippy, scrape_interval: 1s, static_configs: [{{targets: ['{target}']}}]}}]\n"
        );
        Self::start_with(s, false, &scrapes).await
    }

    /// The series that an instant query returns.
    pub async fn query(&self, expression: &str) -> Result<Vec<Value>> {
        self.ask(&format!("query?query={}", encoded(expression))).await
    }

    /// The series of a span of time, second by second.
    pub async fn query_range(&self, expression: &str, begin: Timestamp, end: Timestamp) -> Result<Vec<Series>> {
        let path = format!("query_range?query={}&start={begin:.0}&end={end:.0}&step=1", encoded(expression));
        self.ask(&path).await?.into_iter().map(|series| Ok(serde_json::from_value(series)?)).collect()
    }

    async fn ask(&self, path: &str) -> Result<Vec<Value>> {
        let answer = loopback::get(self.files.port, &format!("/api/v1/{path}")).await?;
        let answer: Value = serde_json::from_str(&answer)?;
        let result = answer["data"]["result"].as_array().with_context(|| format!("{path}: {answer}"))?;
        Ok(result.clone())
    }

    async fn start_with(s: &Scenario, fires: bool, scrapes: &str) -> Result<Self> {
        let name = format!("prometheus-{}", s.id());
        let cluster = s.cluster()?.directory().to_owned();
        let directory = cluster.join(&name);
        let [port] = loopback::free_ports()?;
        fs::create_dir_all(&directory)?;
        let config = format!("global: {{evaluation_interval: 1s}}\nrule_files: [rules.yaml]\n{scrapes}");
        fs::write(directory.join("prometheus.yaml"), config)?;
        let new = Files { name, cluster, directory, port };
        new.write_rule(fires)?;
        let mut prometheus = new.start().await?;
        if fires {
            // Before rules are evaluated for the first time, no alert fires.
            let (port, path) = (prometheus.files.port, format!("/api/v1/query?query={ALERT}"));
            let is_seen = async || loopback::get(port, &path).await.is_ok_and(|answer| answer.contains("__name__"));
            prometheus.process.ready(LIMIT, is_seen).await?;
        }
        Ok(prometheus)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.files.port)
    }

    /// Lets the alert fire, or not.
    pub fn set_alert(&self, fires: bool) -> Result<()> {
        self.files.write_rule(fires)?;
        self.process.hang_up()
    }

    /// A crash.
    pub fn kill(mut self) -> Files {
        self.process.kill();
        self.files
    }
}

/// One series of a span of time.
#[derive(Debug, Deserialize)]
pub struct Series {
    metric: BTreeMap<String, String>,
    /// Seconds since 1970, and values.
    #[serde(rename = "values", deserialize_with = "numbers")]
    pub points: Vec<(f64, f64)>,
}

impl Series {
    /// Its name by a legend with labels in double braces; without one, all its labels.
    pub fn named(&self, legend: &str) -> String {
        let mut name = legend.to_owned();
        for (label, value) in &self.metric {
            name = name.replace(&format!("{{{{{label}}}}}"), value);
        }
        if name.is_empty() { self.metric.values().cloned().collect::<Vec<_>>().join(" ") } else { name }
    }
}

/// Prometheus writes values as text, for those that JSON does not have.
fn numbers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(f64, f64)>, D::Error> {
    let points = Vec::<(f64, String)>::deserialize(deserializer)?;
    points.into_iter().map(|(at, value)| Ok((at, value.parse().map_err(serde::de::Error::custom)?))).collect()
}

fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        // Writing into a String cannot fail.
        let _ = write!(encoded, "%{byte:02X}");
    }
    encoded
}

impl Files {
    /// Starts it, or starts it again where it was.
    pub async fn start(self) -> Result<Prometheus> {
        let path = |name: &str| self.directory.join(name).display().to_string();
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", path("prometheus.yaml")))
            .arg(format!("--storage.tsdb.path={}", path("data")))
            .arg(format!("--web.listen-address=127.0.0.1:{}", self.port));
        let mut process = Process::spawn(&self.cluster, &self.name, command)
            .context("this test asks a real Prometheus: install it, for example with `apt-get install prometheus`")?;
        process.ready(LIMIT, async || loopback::is_ok(self.port, "/-/ready").await).await?;
        Ok(Prometheus { process, files: self })
    }

    fn write_rule(&self, fires: bool) -> Result<()> {
        let expression = if fires { "vector(1)" } else { "vector(1) > 2" };
        let rules = format!("groups: [{{name: e2e, rules: [{{record: {ALERT}, expr: \"{expression}\"}}]}}]\n");
        let path: &Path = &self.directory.join("rules.yaml");
        fs::write(path, rules).with_context(|| format!("cannot write {}", path.display()))
    }
}
