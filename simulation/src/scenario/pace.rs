//! How carefully configs ask to go: `Strategy` and `Windows`.
//!
//! Drawn from numbers of its own, after everything else: what it adds changes nothing of the rest of a day.

use fastrand::Rng;
use flippy_sim::{Json, Key, Resource, json};
use jiff::{SignedDuration, Timestamp};

use super::configs::CONFIG_NAMESPACE;
use super::deeds::{Change, Deed, Timed, created_configs};
use super::percent;

/// When simulated clusters begin.
const BEGINNING: &str = "2026-01-05T00:00:00Z";
/// Ahead of UTC, behind it, and by no whole hour.
const ZONES: [&str; 5] = ["", "UTC", "Europe/Paris", "America/New_York", "Asia/Kolkata"];

/// Makes some of the configs careful; and some people say "go on" after a halt, now and then.
pub(crate) fn draw(rng: &mut Rng, deeds: &mut Vec<Timed>) {
    let mut halts = false;
    for config in created_configs(deeds) {
        if percent(rng, 50) {
            config["spec"]["Strategy"] = strategy(rng);
            halts |= !config["spec"]["Strategy"]["MaxFailures"].is_null();
        }
        if percent(rng, 25) {
            config["spec"]["Windows"] = (0..rng.u8(1..=2)).map(|_| window(rng)).collect::<Vec<_>>().into();
        }
    }
    if halts && percent(rng, 30) {
        let at_milliseconds = rng.u64(200_000..1_500_000);
        let change = Change::Resumed(beginning_and(at_milliseconds / 1_000).to_string());
        let key = Key::new(CONFIG_NAMESPACE, "mesh");
        deeds.push(Timed { at_milliseconds, deed: Deed::edit("platform", Resource::FlippyConfigs, &key, change) });
    }
}

fn strategy(rng: &mut Rng) -> Json {
    let mut strategy = json!({});
    if percent(rng, 50) {
        strategy["MaxConcurrent"] = limit(rng, 1..=5, &["5%", "20%", "34%", "50%"]);
    }
    if percent(rng, 40) {
        strategy["MaxConcurrentPerNamespace"] = limit(rng, 1..=2, &["10%", "25%", "50%"]);
    }
    if percent(rng, 30) {
        strategy["MinInterval"] = json!(["1s", "10s", "45s", "1m30s"][rng.usize(..4)]);
    }
    if percent(rng, 30) {
        strategy["MinReadySeconds"] = json!(rng.u64(1..=120));
    }
    if percent(rng, 35) {
        strategy["MaxFailures"] = limit(rng, 0..=3, &["0%", "10%", "25%"]);
    }
    match rng.u8(..10) {
        0..=1 => strategy["OnFailure"] = json!("Halt"),
        2 => strategy["OnFailure"] = json!("Continue"),
        _ => {}
    }
    match rng.u8(..10) {
        0..=2 => strategy["SingleReplica"] = json!("Hold"),
        3 => strategy["SingleReplica"] = json!("Restart"),
        _ => {}
    }
    strategy
}

fn limit(rng: &mut Rng, numbers: std::ops::RangeInclusive<u64>, percents: &[&str]) -> Json {
    if percent(rng, 60) { json!(rng.u64(numbers)) } else { json!(percents[rng.usize(..percents.len())]) }
}

fn window(rng: &mut Rng) -> Json {
    let kind = if percent(rng, 60) { "Allow" } else { "Deny" };
    let zone = ZONES[rng.usize(..ZONES.len())];
    let (schedule, minutes) = match rng.u8(..4) {
        // Open and shut, again and again.
        0..=1 => {
            let minute = rng.u64(..30);
            (format!("{minute},{} * * * *", minute + 30), rng.u64(3..=28))
        }
        // Once on this very day of the week, by the clock of that place, in the middle of what happens.
        2 => {
            let local = local(zone, rng.u64(..5_400));
            let day = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
                [usize::try_from(local.weekday().to_monday_zero_offset()).unwrap_or_default()];
            (format!("{} {} * * {day}", local.minute(), local.hour()), rng.u64(5..=180))
        }
        // Every day; it has begun before the simulation does.
        _ => {
            let local =
                local(zone, 0).checked_sub(jiff::Span::new().minutes(90)).expect("a day in 2026 has one before it");
            (format!("{} {} * * *", local.minute(), local.hour()), rng.u64(95..=130))
        }
    };
    let mut window = json!({"Type": kind, "Schedule": schedule, "Duration": format!("{minutes}m")});
    if !zone.is_empty() {
        window["TimeZone"] = json!(zone);
    }
    window
}

fn local(zone: &str, seconds: u64) -> jiff::civil::DateTime {
    let zone = if zone.is_empty() { "UTC" } else { zone };
    beginning_and(seconds).in_tz(zone).expect("the zones are constants").datetime()
}

fn beginning_and(seconds: u64) -> Timestamp {
    let beginning: Timestamp = BEGINNING.parse().expect("the constant is a time");
    beginning + SignedDuration::from_secs(i64::try_from(seconds).unwrap_or_default())
}
