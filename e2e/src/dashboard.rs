//! A stand-in for Grafana, which the tests do not have: the dashboard's panels, drawn from what a Prometheus knows.
//!
//! It shows that each panel has something to show, and lets it be looked at. It is not how Grafana draws.

use std::fmt::Write as _;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use crate::prometheus::{Prometheus, Series};

/// Colours of series, which most eyes tell apart on white.
const COLOURS: [&str; 6] = ["#2b6a8f", "#b02a2a", "#1f6f43", "#8a5a00", "#6b4c9a", "#5b6b78"];
const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 120.0;
const STYLE: &str = "body{font:14px sans-serif;margin:2em;display:flex;flex-wrap:wrap;gap:1em}header{width:100%}\
    section{border:1px solid #d9dee3;padding:.5em 1em;width:440px}section.stat{width:200px}section.table{width:900px}\
    h2{font-size:1em;margin:.2em 0}.big{font-size:2em;margin:.3em 0}ul{list-style:none;padding:0;margin:0}\
    i{display:inline-block;width:1em;height:.6em;margin-right:.5em}td{padding:.1em 1em .1em 0}";

/// What of a dashboard can be drawn.
#[derive(Debug)]
pub struct Panel {
    title: String,
    kind: String,
    unit: String,
    targets: Vec<Target>,
}

/// One question of a panel.
#[derive(Debug)]
struct Target {
    expression: String,
    /// The name of a series, with its labels in double braces.
    legend: String,
}

/// The panels of a dashboard, with its variables filled in. Rows are headings, and left out.
pub fn panels(dashboard: &Value) -> Result<Vec<Panel>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let panel = |panel: &Value| {
        let targets = panel["targets"].as_array().into_iter().flatten().map(|target| {
            let expression = target["expr"].as_str().context("a target without expression")?;
            let expression = expression.replace("$__rate_interval", "10s");
            let expression = expression.replace("$namespace", ".*").replace("$config", ".*");
            Ok(Target { expression, legend: text(&target["legendFormat"]) })
        });
        let targets = targets.collect::<Result<Vec<Target>>>()?;
        let unit = text(&panel["fieldConfig"]["defaults"]["unit"]);
        Ok(Panel { title: text(&panel["title"]), kind: text(&panel["type"]), unit, targets })
    };
    let panels = dashboard["panels"].as_array().context("the dashboard has no panels")?;
    panels.iter().filter(|panel| panel["type"] != "row").map(panel).collect()
}

/// One page with all panels, over a span of time. Fails when one has nothing to show.
pub async fn page(panels: &[Panel], prometheus: &Prometheus, begin: Timestamp, end: Timestamp) -> Result<String> {
    let mut drawn = Vec::new();
    for panel in panels {
        drawn.push(panel.draw(prometheus, begin, end).await?);
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { "Dashboard of Flippy (a stand-in)" } style { (PreEscaped(STYLE)) } }
            body {
                header { "A stand-in for Grafana: the panels of charts/flippy/dashboards/flippy.json, " (format!("{begin:.0} to {end:.0}")) }
                @for panel in drawn { (panel) }
            }
        }
    };
    Ok(page.into_string())
}

impl Panel {
    /// What it asks.
    pub fn expressions(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().map(|target| target.expression.as_str())
    }

    async fn draw(&self, prometheus: &Prometheus, begin: Timestamp, end: Timestamp) -> Result<Markup> {
        let mut all = Vec::new();
        for target in &self.targets {
            for series in prometheus.query_range(&target.expression, begin, end).await? {
                all.push((series.named(&target.legend), series));
            }
        }
        all.retain(|(_, series)| !series.points.is_empty());
        ensure!(!all.is_empty(), "panel {} shows nothing", self.title);
        let coloured = || all.iter().zip(COLOURS.iter().cycle());
        Ok(html! {
            section class=(self.kind) {
                h2 { (self.title) }
                @match self.kind.as_str() {
                    "stat" => @for (_, series) in &all { p.big { (self.last(series)) } },
                    "table" => table { @for (name, series) in &all { tr { td { (name) } td { (self.last(series)) } } } },
                    _ => {
                        (Self::lines(&all))
                        ul { @for ((name, series), colour) in coloured() {
                            li { i style=(format!("background:{colour}")) {} (name) ": " (self.last(series)) }
                        } }
                    }
                }
            }
        })
    }

    /// Lines from left to right in time.
    fn lines(all: &[(String, Series)]) -> Markup {
        let points = || all.iter().flat_map(|(_, series)| &series.points).filter(|(_, value)| value.is_finite());
        let (begin, end) = points().fold((f64::MAX, f64::MIN), |(low, high), (at, _)| (low.min(*at), high.max(*at)));
        let top = points().fold(f64::MIN_POSITIVE, |top, (_, value)| top.max(*value));
        let path = |series: &Series| {
            let mut path = String::new();
            for (at, value) in series.points.iter().filter(|(_, value)| value.is_finite()) {
                let x = (at - begin) / (end - begin).max(1.0) * WIDTH;
                // Writing into a String cannot fail.
                let _ = write!(path, "{x:.1},{:.1} ", (1.0 - value / top) * (HEIGHT - 4.0) + 2.0);
            }
            path
        };
        html! {
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) width=(WIDTH) height=(HEIGHT) {
                @for ((_, series), colour) in all.iter().zip(COLOURS.iter().cycle()) {
                    polyline fill="none" stroke=(colour) stroke-width="2" points=(path(series)) {}
                }
            }
        }
    }

    /// Its last value, in the panel's unit.
    fn last(&self, series: &Series) -> String {
        let Some((at, value)) = series.points.last() else { return String::new() };
        match self.unit.as_str() {
            "percentunit" => format!("{:.0} %", value * 100.0),
            "s" => format!("{:.1} ms", value * 1_000.0),
            "reqps" => format!("{value:.2} a second"),
            "dateTimeFromNow" => format!("in {:.0} s", value / 1_000.0 - at),
            _ => format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned(),
        }
    }
}
