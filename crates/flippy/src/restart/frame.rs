//! What a terminal shows while a campaign is under way.

use std::time::Duration;

use flippy_api::Listed;
use flippy_core::Timestamp;

use crate::live::Line;
use crate::render::printable;
use crate::status::text::not_done;
use crate::status::view::StatusView;

/// Workloads named in one line.
const MAX_NAMED: usize = 4;

/// One bar for each config, and below it what is under way, what waits and why, and when it will be over.
pub(super) fn lines(views: &[StatusView], elapsed: Duration, now: Timestamp) -> Vec<Line> {
    let mut lines = Vec::new();
    for view in views {
        lines.push(bar(view));
        let mut fact = |name: &str, words: &str| lines.push(Line::Text(format!("  {name:<13} {}", printable(words))));
        if !view.waves.is_empty() {
            let waves: Vec<String> = view
                .waves
                .iter()
                .map(|wave| format!("{} {} {}/{}", wave.name, wave.state, wave.fresh, wave.total))
                .collect();
            fact("waves", &waves.join(", "));
        }
        if !view.in_flight.is_empty() {
            fact("under way", &names(&view.in_flight));
        }
        if let Some(held) = &view.held {
            fact("waits", &held.message);
        }
        for (name, listed) in [("blocked", &view.blocked), ("failed", &view.failed)] {
            for one in listed.iter().take(1) {
                let more = if listed.len() > 1 { format!(" (and {} more)", listed.len() - 1) } else { String::new() };
                fact(name, &format!("{}: {}{more}", one.workload, one.message));
            }
        }
        if let Some(end) = &view.estimated_end {
            fact("expected end", &expected_end(end, view.restarts_per_minute.as_deref(), now));
        }
    }
    lines.push(Line::Text(format!(
        "{} so far; Ctrl-C: nothing more starts, what is under way finishes",
        clock(elapsed)
    )));
    lines
}

fn bar(view: &StatusView) -> Line {
    let counts = view.workloads.clone().unwrap_or_default();
    let number = |count: i64| u64::try_from(count).unwrap_or_default();
    let open = not_done(&counts).into_iter().filter(|(count, _)| *count > 0);
    let words: Vec<String> = open.map(|(count, words)| format!("{count} {words}")).collect();
    let words = if view.workloads.is_some() { words.join(", ") } else { "looking at the cluster".to_owned() };
    Line::Bar { name: view.path(), done: number(counts.fresh + counts.idle), total: number(counts.total), words }
}

fn names(listed: &[Listed]) -> String {
    let named: Vec<&str> = listed.iter().take(MAX_NAMED).map(|one| one.workload.as_str()).collect();
    match listed.len().saturating_sub(MAX_NAMED) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

/// `in 12m at 2030-01-01T00:00:00Z, 3.2 restarts per minute`
fn expected_end(end: &str, per_minute: Option<&str>, now: Timestamp) -> String {
    let left = end.parse::<Timestamp>().ok().and_then(|end| Duration::try_from(end.duration_since(now)).ok());
    let left = left.map_or_else(String::new, |left| format!("in {}, ", clock(left)));
    let rate = per_minute.map_or_else(String::new, |rate| format!(", {rate} restarts per minute"));
    format!("{left}{end}{rate}")
}

/// `1h02m03s`
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds}s"),
        (0, minutes, seconds) => format!("{minutes}m{seconds:02}s"),
        (hours, minutes, seconds) => format!("{hours}h{minutes:02}m{seconds:02}s"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn view() -> StatusView {
        let config = json!({
            "metadata": {"namespace": "istio-system", "name": "mesh"}, "spec": {},
            "status": {
                "observedGeneration": 0,
                "conditions": [
                    {"type": "Ready", "status": "False", "reason": "CampaignUnderWay", "message": "", "lastTransitionTime": ""},
                    {"type": "RestartsAllowed", "status": "False", "reason": "OutsideWindow", "message": "outside the windows", "lastTransitionTime": ""},
                ],
                "workloads": {"total": 10, "done": "4/10", "fresh": 4, "restart": 5, "inFlight": 1},
                "inFlight": [{"workload": "Deployment shop/cart", "reason": "InFlight", "message": "being restarted"}],
                "estimatedEnd": "2030-01-01T00:12:00Z", "restartsPerMinute": "0.5",
            },
        });
        StatusView::of(&serde_json::from_value(config).expect("it is a FlippyConfig"))
    }

    fn shown() -> Vec<Line> {
        let now = "2030-01-01T00:00:00Z".parse().expect("it is a time");
        lines(&[view()], Duration::from_secs(65), now)
    }

    #[test]
    fn the_bar_shows_how_much_is_done_and_what_is_left() {
        let words = "5 to restart, 1 being restarted".to_owned();
        assert_eq!(shown()[0], Line::Bar { name: "istio-system/mesh".to_owned(), done: 4, total: 10, words });
    }

    #[test]
    fn below_it_stands_what_is_under_way_what_is_waited_for_and_until_when() {
        let texts: Vec<String> = shown()
            .into_iter()
            .filter_map(|line| match line {
                Line::Text(text) => Some(text),
                Line::Bar { .. } => None,
            })
            .collect();
        assert_eq!(
            texts,
            [
                "  under way     Deployment shop/cart",
                "  waits         outside the windows",
                "  expected end  in 12m00s, 2030-01-01T00:12:00Z, 0.5 restarts per minute",
                "1m05s so far; Ctrl-C: nothing more starts, what is under way finishes",
            ]
        );
    }

    #[test]
    fn many_names_are_counted() {
        let listed: Vec<Listed> =
            (0..6).map(|number| Listed { workload: format!("w{number}"), ..Listed::default() }).collect();
        assert_eq!(names(&listed), "w0, w1, w2, w3 and 2 more");
    }
}
