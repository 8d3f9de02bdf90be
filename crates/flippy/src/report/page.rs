//! The page: one file that needs nothing else, and works without its script.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest as _, Sha256};

use super::model::{Campaign, Outcome, RestartState, Source};
use super::{tables, text, timeline};
use crate::times::spoken;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub(super) fn page(campaign: &Campaign) -> String {
    let title = format!("{}: {}", kind_of_page(campaign.source), names(campaign));
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy());
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header { (head(campaign)) }
                main {
                    (figures(campaign))
                    (timeline_section(campaign))
                    (tables::waves(campaign))
                    (tables::left_behind(campaign))
                    (tables::disruption(campaign))
                    (tables::holds(campaign))
                    (tables::restarts(campaign))
                    (tables::workloads(campaign))
                    (list("Assumed", "assumed", &campaign.assumptions))
                    (list("Notes", "notes", &campaign.notes))
                }
                footer { p { "Written by Flippy " (env!("CARGO_PKG_VERSION")) ". All times are UTC. This page asks nothing of any network." } }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// Nothing may be loaded, and nothing run but what was written here: whatever a name or message tries.
fn policy() -> String {
    let hash = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)));
    format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        hash(STYLE),
        hash(SCRIPT)
    )
}

fn kind_of_page(source: Source) -> &'static str {
    match source {
        Source::Cluster => "Campaign report",
        Source::Rehearsal => "Campaign rehearsal",
        Source::Demo => "Campaign report of the demo",
    }
}

fn names(campaign: &Campaign) -> String {
    let names = campaign.configs.iter().map(|config| text::shown(&format!("{}/{}", config.namespace, config.name)));
    names.collect::<Vec<_>>().join(", ")
}

fn head(campaign: &Campaign) -> Markup {
    let (class, sign, word) = match (campaign.outcome, campaign.source) {
        (Outcome::Finished, Source::Rehearsal) => ("good", "✓", "It would finish."),
        (Outcome::Blocked, Source::Rehearsal) => ("fair", "!", "It would end."),
        (Outcome::Halted, Source::Rehearsal) => ("bad", "✕", "It would halt."),
        (Outcome::UnderWay, Source::Rehearsal) => ("bad", "…", "It would not come to an end."),
        (Outcome::Finished, _) => ("good", "✓", "Finished."),
        (Outcome::Blocked, _) => ("fair", "!", "Over."),
        (Outcome::Halted, _) => ("bad", "✕", "Halted."),
        (Outcome::UnderWay, _) => ("", "…", "Under way."),
    };
    let images: Vec<String> =
        campaign.configs.iter().flat_map(|config| &config.desired_images).map(|image| text::shown(image)).collect();
    html! {
        p class="eyebrow" { (kind_of_page(campaign.source)) @if campaign.source == Source::Rehearsal { " — nothing of this has happened" } }
        h1 { (names(campaign)) }
        p { "to " (images.join(", ")) }
        p class="when" { (moment(campaign.begun_at)) " – " (moment(campaign.ended_at)) " UTC" }
        div class=(format!("outcome {class}")) {
            p { strong { span aria-hidden="true" { (sign) " " } (word) } " " (sentence(&campaign.message)) }
            @for budget in &campaign.deadlocks {
                p { (text::shown(&budget.to_string())) " can never allow a disruption." }
            }
        }
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let text = text::shown(text);
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

/// `2026-01-05 10:00:40`
pub(super) fn moment(at: flippy_core::Timestamp) -> String {
    at.to_string().replacen('T', " ", 1).chars().take(19).collect()
}

fn figures(campaign: &Campaign) -> Markup {
    let count = |state| campaign.restarted(state);
    let (failed, futile, under_way) =
        (count(RestartState::Failed), count(RestartState::Futile), count(RestartState::UnderWay));
    let fresh = campaign.with_verdict("Fresh") + campaign.with_verdict("Idle");
    let left = campaign.workloads.len() - fresh;
    let figure = |name: &str, value: String, small: String| {
        html! { div { dt { (name) } dd { (value) @if !small.is_empty() { small { (small) } } } } }
    };
    let restarts_detail = [(failed, "failed"), (futile, "in vain"), (under_way, "under way")]
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, words)| format!("{} {words}", grouped(*count)))
        .collect::<Vec<_>>()
        .join(", ");
    let restarts_detail = if restarts_detail.is_empty() { "all ready".to_owned() } else { restarts_detail };
    let (median, slowest) = spans(campaign);
    html! {
        dl class="figures" {
            (figure("Duration", spoken(Duration::from_secs(campaign.seconds().unsigned_abs())), String::new()))
            (figure("Restarts", grouped(campaign.restarts.len()), if campaign.restarts.is_empty() { String::new() } else { restarts_detail }))
            (figure("Workloads up to date", grouped(fresh), format!("of {} in scope", grouped(campaign.workloads.len()))))
            (figure("Left behind", grouped(left), String::new()))
            @if let Some(median) = median { (figure("A restart took", spoken(median), slowest.map(|slowest| format!("at most {}", spoken(slowest))).unwrap_or_default())) }
            @if let Some(disruption) = &campaign.disruption {
                (figure("Pods missing at once", grouped(disruption.peak), format!("of {}, at most", grouped(disruption.pods))))
            }
        }
    }
}

/// The restart in the middle, and the longest, of those that came to an end.
fn spans(campaign: &Campaign) -> (Option<Duration>, Option<Duration>) {
    let ready = campaign.restarts.iter().filter_map(|restart| Some((restart.started_at, restart.ready_at?)));
    let mut spans: Vec<Duration> =
        ready.filter_map(|(from, to)| Duration::try_from(from.duration_until(to)).ok()).collect();
    spans.sort_unstable();
    (spans.get(spans.len() / 2).copied(), spans.last().copied())
}

/// `12,345`
pub(super) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn timeline_section(campaign: &Campaign) -> Markup {
    if campaign.restarts.is_empty() {
        return html! { section aria-labelledby="timeline" { h2 id="timeline" { "Timeline" } p { "Nothing was restarted." } } };
    }
    let has = |state| campaign.restarted(state) > 0;
    let key = |class: &str, words: &str| {
        html! { li { svg width="22" height="10" aria-hidden="true" { rect class=(class) x="1" y="1" width="20" height="8" rx="2" {} } (words) } }
    };
    html! {
        section aria-labelledby="timeline" {
            h2 id="timeline" { "Timeline" }
            ul class="legend" {
                @if has(RestartState::Ready) { (key("ready", "restarted, then ready")) }
                @if has(RestartState::Failed) { (key("failed", "✕ not ready in time")) }
                @if has(RestartState::Futile) { (key("futile", "↺ the same image again")) }
                @if has(RestartState::UnderWay) { (key("under-way", "… under way")) }
                @if !campaign.holds.is_empty() { (key("hold", "nothing may start")) }
            }
            div class="scroll" tabindex="0" role="region" aria-labelledby="timeline" { (timeline::timeline(campaign)) }
        }
    }
}

fn list(title: &str, id: &str, lines: &[String]) -> Markup {
    html! {
        @if !lines.is_empty() {
            section aria-labelledby=(id) {
                h2 id=(id) { (title) }
                ul class="plain" { @for line in lines { li { (text::shown(line)) } } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!([7, 1_234, 1_234_567].map(grouped), ["7", "1,234", "1,234,567"]);
    }

    #[test]
    fn neither_style_nor_script_can_end_its_element() {
        assert!(!STYLE.contains("</") && !SCRIPT.contains("</"));
    }
}
