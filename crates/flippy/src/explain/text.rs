//! An explanation for people.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::view::{ConfigView, ExplanationView, LinkState, LinkView, PodView};
use crate::render::{Look, printable};

/// Pods told one by one: more are in `-o json`.
const MAX_PODS: usize = 20;

/// The whole text. Colours mean nothing that the words do not say.
pub(super) fn text(view: &ExplanationView, look: Look) -> String {
    let paint = Paint { look };
    let mut text = String::new();
    let workload = &view.workload;
    let _ = writeln!(
        text,
        "{}: {}",
        paint.bold(&format!("{} {}/{}", workload.kind, workload.namespace, workload.name)),
        printable(&view.summary)
    );
    for note in &view.notes {
        let _ = writeln!(text, "note: {}", printable(note));
    }
    // Those that are about it first: they are what people look for.
    let (about, others): (Vec<&ConfigView>, Vec<&ConfigView>) =
        view.configs.iter().partition(|config| config.is_about_it);
    for config in about.into_iter().chain(others) {
        config_text(&mut text, config, paint);
    }
    text
}

fn config_text(text: &mut String, config: &ConfigView, paint: Paint) {
    let is = match (config.is_about_it, config.problems.is_empty()) {
        (_, false) => "cannot be followed",
        (true, _) => "is about it",
        (false, _) => "is not about it",
    };
    let name = format!("FlippyConfig {}/{}", config.namespace, config.name);
    let _ = writeln!(text, "\n{} {is}", paint.bold(&name));
    for problem in &config.problems {
        let _ = writeln!(text, "  {}", printable(problem));
    }
    for link in &config.links {
        // Of one that is not about it, only why.
        if link.trivial || (!config.is_about_it && link.state != LinkState::Fails && link.link != "pods") {
            continue;
        }
        link_text(text, link, paint);
        if link.link == "pods" {
            pods_text(text, &config.pods, paint);
        }
    }
}

fn link_text(text: &mut String, link: &LinkView, paint: Paint) {
    let mark = match link.state {
        LinkState::Holds => paint.in_colour("yes", AnsiColor::Green),
        LinkState::Fails => paint.in_colour("NO ", AnsiColor::Red),
        LinkState::Fact => "-  ".to_owned(),
    };
    let _ = writeln!(text, "  {mark}  {:<12}  {}", link.link, printable(&link.found));
    if let Some(change) = &link.change {
        let _ = writeln!(text, "{:21}change: {}", "", printable(change));
    }
}

fn pods_text(text: &mut String, pods: &[PodView], paint: Paint) {
    for pod in pods.iter().take(MAX_PODS) {
        let mut said = vec![if pod.ready { "ready" } else { "not ready" }];
        match pod.state {
            "Live" => {}
            "Terminating" => said = vec!["terminating, so it does not count"],
            _ => said = vec!["finished, so it does not count"],
        }
        if pod.predates_restart && pod.state == "Live" {
            said.push("from before the last restart");
        }
        let chain: Vec<&str> =
            std::iter::once(pod.name.as_str()).chain(pod.owners.iter().map(String::as_str)).collect();
        let _ = writeln!(text, "{:21}{}: {}", "", printable(&chain.join(" < ")), said.join(", "));
        if pod.containers.iter().all(|container| container.wanted.is_none()) {
            let names: Vec<&str> = pod.containers.iter().map(|container| container.name.as_str()).collect();
            let _ = writeln!(text, "{:23}its containers: {}", "", printable(&names.join(", ")));
        }
        for container in &pod.containers {
            let image = container.image.as_deref().unwrap_or("(not an image reference)");
            let verdict = match container.wanted {
                Some(true) => paint.in_colour("wanted", AnsiColor::Green),
                Some(false) => paint.in_colour("STALE", AnsiColor::Yellow),
                None => continue,
            };
            let _ = writeln!(text, "{:23}{} runs {}: {verdict}", "", printable(&container.name), printable(image));
        }
    }
    if pods.len() > MAX_PODS {
        let _ = writeln!(text, "{:21}and {} more: all are in -o json", "", pods.len() - MAX_PODS);
    }
}

#[derive(Clone, Copy)]
struct Paint {
    look: Look,
}

impl Paint {
    fn bold(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }

    fn in_colour(self, text: &str, colour: AnsiColor) -> String {
        self.with(text, colour.on_default())
    }

    fn with(self, text: &str, style: Style) -> String {
        if self.look == Look::Terminal { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }
}
