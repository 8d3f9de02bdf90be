//! Gates that ask Prometheus, and how that server feels: alerts come and go, and it is out of order now and then. And
//! clusters without room for what is restarted.

use fastrand::Rng;
use flippy_sim::{Json, Key, Resource, fixtures, json};
use jiff::SignedDuration;

use super::configs::CONFIG_NAMESPACE;
use super::deeds::{Change, Deed, Timed, created_configs};
use super::percent;

/// Hosts that begin so are asked for alerts, of which there must be none; all others for a rate, which must be below this.
const ALERTS: &str = "alerts.";
const LIMIT: &str = "0.05";

/// How the server feels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mood {
    /// No alert, and a low rate.
    Calm,
    /// An alert, and a rate of just what it must be below.
    Firing,
    /// The second of two series is too high.
    HalfFiring,
    /// No series at all.
    Gone,
    /// A sample that is no number.
    NotANumber,
    /// An answer that may not be whole.
    Warns,
    /// 503.
    Fails,
    /// No JSON.
    Babbles,
    /// The answer ends in the middle.
    BreaksOff,
    /// No answer, for as long as anybody waits.
    Hangs,
    /// All is well, but it takes so many milliseconds to say so.
    Slow(u64),
    /// Nobody listens.
    Refuses,
}

/// How it feels when: in order of time, from so many milliseconds after the beginning on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Moods(Vec<(u64, Mood)>);

impl Moods {
    pub(crate) fn at(&self, since_beginning: SignedDuration) -> Mood {
        let milliseconds = u64::try_from(since_beginning.as_millis()).unwrap_or(0);
        self.0.iter().take_while(|(from, _)| *from <= milliseconds).last().map_or(Mood::Calm, |(_, mood)| *mood)
    }

    /// How it feels in the end, for ever.
    pub(crate) fn last(&self) -> Mood {
        self.0.last().map_or(Mood::Calm, |(_, mood)| *mood)
    }
}

impl Mood {
    /// Whether what it says is as it must be.
    pub(crate) fn is_good(self, host: &str) -> bool {
        match self {
            Self::Calm | Self::Slow(_) => true,
            Self::Gone => host.starts_with(ALERTS),
            _ => false,
        }
    }

    /// What it says, where it says anything.
    pub(crate) fn body(self, host: &str) -> String {
        let of_alerts = host.starts_with(ALERTS);
        let one = |value: &str| json!([{"metric": {"host": host}, "value": [0.0, value]}]);
        let result = match self {
            Self::Babbles => return "<html>welcome</html>".to_owned(),
            Self::Gone => json!([]),
            Self::Firing => one(LIMIT),
            Self::HalfFiring => json!([one("0.01")[0], one("0.5")[0]]),
            Self::NotANumber => one("NaN"),
            _ if of_alerts => json!([]),
            _ => one("0.01"),
        };
        let mut answer = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
        if self == Self::Warns {
            answer["warnings"] = json!(["a store was not there"]);
        }
        answer.to_string()
    }
}

/// Of a source of its own, so that what else is drawn from a seed stays what it was.
pub(crate) fn draw(seed: u64, calm_at_seconds: u64, objects: &mut [Json], deeds: &mut Vec<Timed>) -> Moods {
    let mut rng = Rng::with_seed(seed ^ 0x6a7e_0a5c);
    let is_crowded = percent(&mut rng, 25);
    for workload in objects.iter_mut().filter(|object| is_crowded && !object["spec"]["template"].is_null()) {
        if percent(&mut rng, 12) {
            // For what is created after the beginning there is no room yet.
            fixtures::annotate_template(workload, "sim.test/node-delay", &format!("{}s", rng.u64(20..500)));
        }
    }
    if percent(&mut rng, 65) {
        return Moods::default();
    }
    // Elsewhere nobody is trusted to have the operator ask anything.
    for object in created_configs(deeds).filter(|config| config["metadata"]["namespace"] == CONFIG_NAMESPACE) {
        if percent(&mut rng, 80) {
            let config = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            let mut gates = vec![gate(&mut rng, "alerts", &config), gate(&mut rng, "rate", &config)];
            if percent(&mut rng, 70) {
                gates.remove(rng.usize(..2));
            }
            object["spec"]["Gates"] = json!(gates);
        }
    }
    if percent(&mut rng, 10) {
        let at_milliseconds = rng.u64(1_000..calm_at_seconds * 1_000);
        let key = Key::new(CONFIG_NAMESPACE, "mesh");
        let change = Change::Spec("Gates", json!([gate(&mut rng, "alerts", "mesh")]));
        deeds.push(Timed { at_milliseconds, deed: Deed::edit("platform", Resource::FlippyConfigs, &key, change) });
    }
    moods(&mut rng, calm_at_seconds * 1_000)
}

fn gate(rng: &mut Rng, kind: &str, config: &str) -> Json {
    let mut prometheus = json!({"URL": format!("http://{kind}.{config}.prometheus:9090"), "Query": kind});
    if kind == "rate" {
        prometheus["Threshold"] = json!({"Operator": "<", "Value": LIMIT});
    }
    if percent(rng, 80) {
        prometheus["For"] = json!(["0s", "20s", "1m30s", "5m"][rng.usize(..4)]);
    }
    if percent(rng, 70) {
        prometheus["Interval"] = json!(["5s", "15s", "1m"][rng.usize(..3)]);
    }
    if percent(rng, 50) {
        prometheus["TimeoutSeconds"] = json!(rng.u64(1..=5));
    }
    json!({"Name": kind, "Prometheus": prometheus})
}

fn moods(rng: &mut Rng, calm_at: u64) -> Moods {
    let mut moods = Vec::new();
    let mut at = 0;
    while at < calm_at {
        // Mostly well, or nothing would ever start.
        let mood = if percent(rng, 55) { Mood::Calm } else { bad_mood(rng) };
        moods.push((at, mood));
        let longest = [15_000, 60_000, 300_000][rng.usize(..3)];
        at += rng.u64(3_000..longest);
    }
    let last = if percent(rng, 85) { Mood::Calm } else { [Mood::Firing, Mood::Refuses, Mood::Hangs][rng.usize(..3)] };
    moods.push((calm_at, last));
    Moods(moods)
}

fn bad_mood(rng: &mut Rng) -> Mood {
    let moods = [
        Mood::Firing,
        Mood::Firing,
        Mood::HalfFiring,
        Mood::Gone,
        Mood::NotANumber,
        Mood::Warns,
        Mood::Fails,
        Mood::Babbles,
        Mood::BreaksOff,
        Mood::Hangs,
        Mood::Refuses,
        Mood::Slow(rng.u64(100..8_000)),
    ];
    moods[rng.usize(..moods.len())]
}
