//! `flippy report`, and the pages of rehearsals and of the demo, as browsers show them.

mod api_server;
mod browser;
mod dump;

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};
use tempfile::TempDir;

use api_server::{flippy, serve, shop};
use browser::Browser;
use dump::{config, deployment};

/// A place for pages that goes with the process.
fn place() -> &'static Path {
    static PLACE: OnceLock<TempDir> = OnceLock::new();
    PLACE.get_or_init(|| TempDir::new().expect("a temporary directory can be made")).path()
}

/// The page of the demo.
fn demo() -> &'static PathBuf {
    static PAGE: OnceLock<PathBuf> = OnceLock::new();
    PAGE.get_or_init(|| {
        let page = place().join("demo.html");
        let output = cargo_bin_cmd!("flippy").env_clear().args(["demo", "--report"]).arg(&page).output();
        assert!(output.expect("flippy starts").status.success());
        page
    })
}

fn text(page: &Path) -> String {
    std::fs::read_to_string(page).expect("the page was written")
}

#[test]
fn a_page_shows_its_rows_sorts_and_filters_and_asks_no_network() {
    let mut browser = Browser::start();
    browser.open(demo());
    let rows = |browser: &mut Browser, which: &str| {
        browser.value_of(&format!(
            "document.querySelectorAll('section[aria-labelledby={which}] tbody tr:not([hidden])').length"
        ))
    };
    assert_eq!(rows(&mut browser, "workloads"), 79);
    let restarts = rows(&mut browser, "restarts").as_u64().expect("it is a number");
    assert!(restarts > 70, "{restarts}");
    assert_eq!(browser.value_of("document.querySelectorAll('svg.timeline rect.ready').length > 60"), true);

    let took = "[...document.querySelectorAll('section[aria-labelledby=restarts] tbody tr')].map(row => row.cells[4].dataset.v).filter(Boolean).map(Number)";
    let is_sorted = |descending: bool| {
        let sign = if descending { ">=" } else { "<=" };
        format!(
            "(() => {{ const all = {took}; return all.length > 60 && all.every((one, at) => at === 0 || all[at - 1] {sign} one); }})()"
        )
    };
    assert_eq!(browser.value_of(&is_sorted(false)), false);
    let click = "document.querySelectorAll('section[aria-labelledby=restarts] th button')[4].click()";
    browser.value_of(click);
    assert_eq!(browser.value_of(&is_sorted(false)), true);
    browser.value_of(click);
    assert_eq!(browser.value_of(&is_sorted(true)), true);
    let told = "document.querySelectorAll('section[aria-labelledby=restarts] thead th')[4].getAttribute('aria-sort')";
    assert_eq!(browser.value_of(told), "descending");

    browser.value_of(
        "(() => { const input = document.querySelector('section[aria-labelledby=workloads] input');
                  input.value = 'statefulset fresh'; input.dispatchEvent(new Event('input')); })()",
    );
    let filtered = rows(&mut browser, "workloads").as_u64().expect("it is a number");
    assert!(filtered > 0 && filtered < 20, "{filtered}");

    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
    let requests = browser.requests();
    assert!(requests.len() == 1 && requests[0].ends_with("/demo.html"), "{requests:?}");
}

#[test]
fn a_page_is_whole_without_its_script() {
    let mut browser = Browser::start();
    browser.without_scripts();
    browser.open(demo());
    let count =
        |browser: &mut Browser, what: &str| browser.value_of(&format!("document.querySelectorAll('{what}').length"));
    assert_eq!(count(&mut browser, "section[aria-labelledby=workloads] tbody tr"), 79);
    assert_eq!(count(&mut browser, "th button, .filter"), 0);
}

#[test]
fn every_table_has_a_caption_and_headers_and_every_picture_a_title() {
    let mut browser = Browser::start();
    browser.open(demo());
    for (what, expected) in [
        (
            "[...document.querySelectorAll('table')].every(table => table.caption && table.tHead.querySelectorAll('th[scope=col]').length > 0)",
            true,
        ),
        ("[...document.querySelectorAll('tbody tr')].every(row => row.querySelector('th[scope=row]'))", true),
        (
            "[...document.querySelectorAll('svg[role=img]')].every(svg => svg.querySelector('title') && svg.querySelector('desc'))",
            true,
        ),
        ("document.documentElement.lang === 'en' && document.querySelectorAll('h1').length === 1", true),
        // With the keyboard: what scrolls and what sorts can be reached.
        ("[...document.querySelectorAll('.scroll')].every(part => part.tabIndex === 0)", true),
        ("document.querySelectorAll('[style], [onclick]').length === 0", true),
    ] {
        assert_eq!(browser.value_of(what), expected, "{what}");
    }
}

/// What a hostile cluster might say.
const HOSTILE: &str = "<script>window.taken=1</script><img src=x onerror=window.taken=1>";

#[test]
fn what_a_hostile_cluster_says_stays_text() {
    let mut config = shop::config(&[shop::NEW]);
    config["status"] = json!({
        "observedGeneration": 1,
        "conditions": [{"type": "Ready", "status": "False", "reason": HOSTILE, "message": HOSTILE, "lastTransitionTime": HOSTILE}],
        "waves": [{"name": HOSTILE, "state": HOSTILE, "total": 1}],
    });
    let server = serve(shop::shop(&[config]));
    let page = place().join("hostile.html");
    let path = page.display().to_string();
    let outcome = flippy(&server, "", &["report", "mesh", "--file", &path]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let written = text(&page);
    assert!(written.contains("&lt;script&gt;window.taken=1"), "the test says nothing: {written}");
    assert!(!written.contains("<script>window") && !written.contains("<img"), "{written}");
    let mut browser = Browser::start();
    browser.open(&page);
    assert_eq!(browser.value_of("typeof window.taken"), "undefined");
    assert_eq!(browser.value_of("document.querySelectorAll('script').length"), 1);
    assert!(browser.complaints().is_empty(), "{:?}", browser.complaints());
}

#[test]
fn a_policy_forbids_everything_but_the_pages_own_style_and_script() {
    let written = text(demo());
    let policy = written.split_once("content=\"").and_then(|(_, rest)| rest.split_once('"')).map(|(policy, _)| policy);
    let policy = policy.expect("there is one");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("http"), "{policy}");
    for forbidden in ["http-equiv=\"refresh\"", "<link", "<iframe", "@import"] {
        assert!(!written.contains(forbidden), "{forbidden}");
    }
}

#[test]
fn a_report_tells_of_restarts_by_the_marks_on_workloads() {
    let policy_hash = hash();
    let mut answers = shop::shop(&[shop::config(&[shop::NEW])]);
    for (path, _, list) in &mut answers {
        if *path == "/apis/apps/v1/deployments" {
            // `till` runs the new image: it was restarted for it.
            list["items"][0]["spec"]["template"]["metadata"]["annotations"] = json!({
                "flippy.keikoproj.io/restarted-for": format!("{policy_hash}-1"),
                "flippy.keikoproj.io/restarted-at": "2026-01-01T00:00:00Z",
            });
        }
        if *path == "/api/v1/pods" {
            let pod = &mut list["items"][0];
            pod["metadata"]["annotations"]["flippy.keikoproj.io/restarted-for"] = json!(format!("{policy_hash}-1"));
            pod["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
            pod["status"]["conditions"][0]["lastTransitionTime"] = json!("2026-01-01T00:00:42Z");
        }
    }
    let server = serve(answers);
    let outcome = flippy(&server, "", &["report", "mesh", "-o", "json"]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    let told: Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    let restart = &told["restarts"][0];
    assert_eq!((&restart["name"], &restart["readyAt"]), (&json!("till"), &json!("2026-01-01T00:00:42Z")), "{told}");
    assert_eq!(told["restarts"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["workloads"].as_array().map(Vec::len), Some(2), "{told}");
}

/// The name of the wanted images, as `flippy plan` tells it.
fn hash() -> String {
    let server = serve(shop::shop(&[shop::config(&[shop::NEW])]));
    let outcome = flippy(&server, "", &["plan", "-o", "json"]);
    let told: Value = serde_json::from_str(&outcome.stdout).expect("it is JSON");
    told["configs"][0]["desiredImagesHash"].as_str().expect("it is told").to_owned()
}

#[test]
fn the_same_rehearsal_is_the_same_page() {
    let files = place().join("same");
    std::fs::create_dir_all(&files).expect("it is writable");
    let workloads: Vec<dump::Workload> = (0..5).map(|number| deployment(&format!("app-{number}"), 5)).collect();
    std::fs::write(files.join("dump.json"), dump::dump(&workloads, &[]).to_string()).expect("it is writable");
    std::fs::write(files.join("mesh.yaml"), config(&json!({})).to_string()).expect("it is writable");
    let page = |name: &str| {
        let mut command = cargo_bin_cmd!("flippy");
        command.env_clear().current_dir(&files).args([
            "rehearse",
            "-f",
            "mesh.yaml",
            "--from",
            "dump.json",
            "--report",
            name,
        ]);
        assert!(command.output().expect("flippy starts").status.success());
        text(&files.join(name))
    };
    let once = page("once.html");
    assert!(once.contains("nothing of this has happened"));
    assert_eq!(once, page("again.html"));
}
