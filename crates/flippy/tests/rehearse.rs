//! `flippy rehearse`, as somebody sees it who has a dump and no cluster.

mod dump;

use std::net::TcpListener;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};
use tempfile::TempDir;

use dump::{Workload, budget, config, deployment};

struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}{}", self.stdout, self.stderr))
    }
}

/// Rehearses a config on files.
fn rehearse_files(config: &Value, files: &[&str], args: &[&str]) -> Outcome {
    let place = TempDir::new().expect("a temporary directory can be made");
    let path = |name: &str| place.path().join(name);
    std::fs::write(path("mesh.yaml"), config.to_string()).expect("it is writable");
    let mut command = cargo_bin_cmd!("flippy");
    command.env_clear().current_dir(place.path()).args(["rehearse", "-f", "mesh.yaml"]);
    for (number, text) in files.iter().enumerate() {
        let name = format!("dump-{number}.json");
        std::fs::write(path(&name), text).expect("it is writable");
        command.args(["--from", &name]);
    }
    let output = command.args(args).output().expect("flippy starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("flippy writes text");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn rehearse(spec: &Value, dump: &Value, args: &[&str]) -> Outcome {
    rehearse_files(&config(spec), &[&dump.to_string()], args)
}

fn json_of(spec: &Value, dump: &Value, args: &[&str]) -> Value {
    rehearse(spec, dump, &[&["-o", "json"], args].concat()).json()
}

fn seconds(one: &Value, from: &str, to: &str) -> i64 {
    let at = |field: &str| -> flippy_core::Timestamp {
        one[field].as_str().unwrap_or_else(|| panic!("{field} of {one}")).parse().expect("it is a time")
    };
    at(to).as_second() - at(from).as_second()
}

#[test]
fn the_order_is_that_of_the_operator_and_pods_get_ready_as_they_did() {
    let dump = dump::dump(&[deployment("till", 10), deployment("cart", 40)], &[]);
    let told = json_of(&json!({}), &dump, &[]);
    let restarts = told["restarts"].as_array().expect("it is a list");
    let names: Vec<&Value> = restarts.iter().map(|restart| &restart["name"]).collect();
    assert_eq!(names, ["cart", "till"]);
    // A Deployment of two replaces them one after the other.
    let took: Vec<i64> = restarts.iter().map(|restart| seconds(restart, "startedAt", "readyAt")).collect();
    assert!((80..=84).contains(&took[0]) && (20..=24).contains(&took[1]), "{took:?}");
    assert_eq!((&told["outcome"], &told["disruption"]["peak"]), (&json!("Finished"), &json!(0)), "{told}");
}

#[test]
fn only_what_is_stale_moves() {
    let fresh = Workload { image: dump::NEW, ..deployment("till", 10) };
    let told = json_of(&json!({}), &dump::dump(&[fresh, deployment("cart", 10)], &[]), &[]);
    assert_eq!(told["restarts"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(told["workloads"].as_array().map(Vec::len), Some(2), "{told}");
}

#[test]
fn every_kind_keeps_its_pods_and_its_nodes() {
    let of_kind = |kind, name: &str, pods| Workload { kind, pods, ..deployment(name, 5) };
    let dump =
        dump::dump(&[of_kind("StatefulSet", "db", 3), of_kind("DaemonSet", "agent", 4), deployment("cart", 5)], &[]);
    let told = json_of(&json!({}), &dump, &[]);
    let pods: Vec<(&Value, &Value)> = told["workloads"]
        .as_array()
        .expect("it is a list")
        .iter()
        .map(|workload| (&workload["name"], &workload["pods"]))
        .collect();
    assert_eq!(told["outcome"], "Finished", "{told}");
    assert_eq!(pods, [(&json!("cart"), &json!(2)), (&json!("db"), &json!(3)), (&json!("agent"), &json!(4))], "{told}");
    // One pod of the StatefulSet or the DaemonSet at a time.
    assert_eq!(told["disruption"]["peak"], 1, "{told}");
}

#[test]
fn the_same_seed_is_the_same_rehearsal() {
    let workloads: Vec<Workload> = (0..30).map(|number| deployment(&format!("app-{number}"), 5 + number)).collect();
    let dump = dump::dump(&workloads, &[]);
    let spec = json!({"Strategy": {"MaxConcurrent": 5, "MaxFailures": "50%"}});
    let once = rehearse(&spec, &dump, &["-o", "json", "--what-if", "fail=10%", "--seed", "7"]);
    let again = rehearse(&spec, &dump, &["-o", "json", "--what-if", "fail=10%", "--seed", "7"]);
    assert_eq!(once.stdout, again.stdout);
    let other = rehearse(&spec, &dump, &["-o", "json", "--what-if", "fail=10%", "--seed", "8"]);
    assert_ne!(once.stdout, other.stdout);
}

#[test]
fn what_would_halt_says_so_with_its_exit_code() {
    let workloads: Vec<Workload> = (0..5).map(|number| deployment(&format!("app-{number}"), 5)).collect();
    let outcome =
        rehearse(&json!({"Strategy": {"MaxFailures": 0}}), &dump::dump(&workloads, &[]), &["--what-if", "fail=1%"]);
    assert_eq!(outcome.code, Some(4), "{}{}", outcome.stdout, outcome.stderr);
    assert!(outcome.stdout.contains("It would halt after 5 min"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("Halted: failed restarts: 1, tolerated: 0"), "{}", outcome.stdout);
    assert!(outcome.stdout.contains("drawn to fail: Deployment shop/app-"), "{}", outcome.stdout);
}

#[test]
fn a_budget_that_can_never_allow_a_disruption_is_a_deadlock() {
    let dump = dump::dump(
        &[Workload { kind: "StatefulSet", ..deployment("cart", 5) }, deployment("till", 5)],
        &[budget("cart", 2)],
    );
    let outcome = rehearse(&json!({}), &dump, &["-o", "json"]);
    let told = outcome.json();
    assert_eq!((outcome.code, &told["outcome"]), (Some(3), &json!("Blocked")), "{told}");
    assert_eq!(
        told["deadlocks"],
        json!([{"kind": "PodDisruptionBudget", "namespace": "shop", "name": "cart"}]),
        "{told}"
    );
}

#[test]
fn windows_cut_a_campaign_and_the_wait_is_told() {
    let spec = json!({"Windows": [{"Type": "Allow", "Schedule": "0 22 * * *", "Duration": "6h", "TimeZone": "UTC"}]});
    let told = json_of(&spec, &dump::dump(&[deployment("cart", 5)], &[]), &["--start", "2026-01-06T12:00:00Z"]);
    let hold = &told["holds"][0];
    assert_eq!(hold["reason"], "OutsideWindow", "{told}");
    assert!((36_000..36_010).contains(&seconds(hold, "from", "until")), "{hold}");
    let started = told["restarts"][0]["startedAt"].as_str().expect("it is a time");
    assert!(started.starts_with("2026-01-06T22:00:0"), "{started}");
}

#[test]
fn pods_that_take_twice_as_long_make_it_twice_as_long() {
    let dump = dump::dump(&[deployment("cart", 30)], &[]);
    let took = |args: &[&str]| seconds(&json_of(&json!({}), &dump, args)["restarts"][0], "startedAt", "readyAt");
    let (as_it_is, twice) = (took(&[]), took(&["--what-if", "ready=2x"]));
    assert!((119..=121).contains(&twice) && (59..=61).contains(&as_it_is), "{as_it_is} {twice}");
}

#[test]
fn what_has_no_ready_pod_does_not_get_one() {
    let ill = Workload { ready_after: None, ..deployment("ill", 0) };
    let outcome = rehearse(&json!({}), &dump::dump(&[ill, deployment("cart", 5)], &[]), &["-o", "json"]);
    let told = outcome.json();
    assert_eq!((outcome.code, &told["outcome"]), (Some(3), &json!("Blocked")), "{told}");
    let states: Vec<&Value> = told["restarts"].as_array().expect("a list").iter().map(|one| &one["state"]).collect();
    assert_eq!(states, ["Ready", "Failed"], "{told}");
}

#[test]
fn a_workload_that_pins_its_sidecar_is_restarted_in_vain() {
    let pinned =
        Workload { template_annotations: json!({"sidecar.istio.io/proxyImage": dump::OLD}), ..deployment("cart", 5) };
    let told = json_of(&json!({}), &dump::dump(&[pinned, deployment("till", 5)], &[]), &[]);
    assert_eq!(told["restarts"][0]["state"], "Futile", "{told}");
    assert_eq!(told["restarts"][1]["state"], "Ready", "{told}");
}

#[test]
fn what_nobody_can_rehearse_is_assumed_and_said() {
    let spec = json!({
        "Suspend": true,
        "Gates": [{"Name": "alerts", "Prometheus": {"URL": "http://prometheus:9090", "Query": "ALERTS"}}],
        "Strategy": {"Waves": [{"Name": "late", "WorkloadSelector": {"matchLabels": {"none": "such"}}, "Approval": "Manual"}]},
    });
    let told = json_of(&spec, &dump::dump(&[deployment("cart", 5)], &[]), &[]);
    let assumed = told["assumptions"].to_string();
    for expected in
        ["spec.Suspend is true", "gates that ask Prometheus are open", "get it at once: late", "the mesh is upgraded"]
    {
        assert!(assumed.contains(expected), "{expected} is missing in {assumed}");
    }
    assert_eq!(told["outcome"], "Finished", "{told}");
}

#[test]
fn nobody_is_told_of_a_campaign_that_is_none() {
    let receiver = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    receiver.set_nonblocking(true).expect("it can be asked without waiting");
    let url = format!("http://{}", receiver.local_addr().expect("it has an address"));
    let spec = json!({"Notifications": [{"Name": "ops", "Webhook": {"URL": url}}]});
    let told = json_of(&spec, &dump::dump(&[deployment("cart", 5)], &[]), &[]);
    assert!(told["assumptions"].to_string().contains("its 1 notifications are not sent"), "{told}");
    assert_eq!(told["outcome"], "Finished", "{told}");
    assert!(receiver.accept().is_err(), "somebody was told");
}

#[test]
fn several_files_and_documents_are_one_cluster_and_other_kinds_are_counted() {
    let workload = deployment("cart", 5).objects();
    let list = |items: &[Value]| json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "x", "namespace": "shop"}, "spec": {"replicas": "three"}});
    let first = format!("{}\n{}", list(&workload[..2]), dump::namespace("shop"));
    let outcome =
        rehearse_files(&config(&json!({})), &[&first, &list(&[&workload[2..], &[service]].concat())], &["-o", "json"]);
    let told = outcome.json();
    assert_eq!((&told["outcome"], told["restarts"].as_array().map(Vec::len)), (&json!("Finished"), Some(1)), "{told}");
    assert!(told["notes"].to_string().contains("1 objects of kinds that play no part: 1 Service"), "{told}");
}

#[test]
fn a_broken_object_is_named_with_its_file() {
    let mut objects = deployment("cart", 5).objects();
    objects[0]["spec"]["replicas"] = json!("three");
    let dump = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    let outcome = rehearse(&json!({}), &dump, &[]);
    assert_eq!(outcome.code, Some(1), "{}", outcome.stdout);
    assert!(
        outcome.stderr.contains("dump-0.json: Deployment shop/cart: invalid type: string \"three\""),
        "{}",
        outcome.stderr
    );
}

#[test]
fn what_is_no_dump_is_answered_with_how_to_make_one() {
    for (text, expected) in [
        ("", "kubectl get deploy,sts,ds,rs,pods,ns,pdb -A -o json"),
        ("apiVersion: v1\n", "write it with -o json"),
        ("[1, 2]", "expected a Kubernetes object or a list of them"),
        ("{\"a\": 1}", "an object has no kind"),
        ("{\"apiVersion\": \"v1\", \"kind\": \"List\", \"items\": [{\"kind\": \"Pod\"", "EOF while parsing"),
    ] {
        let outcome = rehearse_files(&config(&json!({})), &[text], &[]);
        assert_eq!(outcome.code, Some(1), "{text}: {}", outcome.stdout);
        assert!(
            outcome.stderr.contains(expected) && outcome.stderr.contains("dump-0.json"),
            "{text}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn a_hostile_dump_is_refused_with_the_object_that_would_do_harm() {
    let with = |path: &str, value: Value| {
        let mut objects = deployment("cart", 5).objects();
        *objects[0].pointer_mut(path).expect("it is there") = value;
        json!({"apiVersion": "v1", "kind": "List", "items": objects})
    };
    for (dump, expected) in [
        (with("/spec/replicas", json!(2_000_000_000)), "2000000000 of them Deployment shop/cart"),
        (with("/spec/replicas", json!(9_000_000_000_i64)), "spec.replicas is 9000000000"),
        (with("/metadata/generation", json!(i64::MAX)), "Deployment shop/cart: metadata.generation"),
        (with("/metadata/name", json!("<script>alert(1)</script>")), "no API server would take this name"),
        (with("/metadata/namespace", json!("../../etc")), "no API server would take"),
    ] {
        let outcome = rehearse(&json!({}), &dump, &[]);
        assert_eq!(outcome.code, Some(1), "{expected}: {}", outcome.stdout);
        assert!(outcome.stderr.contains(expected), "{expected}: {}", outcome.stderr);
    }
}

#[test]
fn nothing_before_the_dump_can_be_rehearsed() {
    let outcome =
        rehearse(&json!({}), &dump::dump(&[deployment("cart", 5)], &[]), &["--start", "2020-01-01T00:00:00Z"]);
    assert_eq!(outcome.code, Some(2), "{}", outcome.stdout);
    assert!(outcome.stderr.contains("before the cluster was seen"), "{}", outcome.stderr);
}

#[test]
fn a_config_of_the_dump_is_rehearsed_by_its_name() {
    let dump = dump::dump(&[deployment("cart", 5)], &[config(&json!({}))]);
    let place = TempDir::new().expect("a temporary directory can be made");
    let path = place.path().join("dump.json");
    std::fs::write(&path, dump.to_string()).expect("it is writable");
    let run = |name: &str| {
        let mut command = cargo_bin_cmd!("flippy");
        command.env_clear().args(["rehearse", name, "-o", "json", "--from"]).arg(&path).output().expect("flippy starts")
    };
    assert_eq!(run("mesh").status.code(), Some(0));
    let missing = run("mash");
    assert_eq!(missing.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(stderr.contains("there is no FlippyConfig mash; there is istio-system/mesh"), "{stderr}");
}

#[test]
fn the_example_in_the_readme_is_what_is_printed() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = std::fs::read_to_string(root.join("README.md")).expect("there is one");
    let mut lines = readme.lines().skip_while(|line| !line.starts_with("    $ flippy rehearse "));
    let command = lines.next().expect("there is an example").trim_start_matches("    $ flippy ");
    let shown: Vec<&str> = lines.take_while(|line| !line.starts_with('`')).map(str::trim).collect();
    let output = cargo_bin_cmd!("flippy").env_clear().current_dir(&root).args(command.split(' ')).output();
    let output = String::from_utf8(output.expect("flippy starts").stdout).expect("flippy writes text");
    let mut printed = output.lines().map(str::trim);
    let shown = shown.into_iter().filter(|line| !line.is_empty() && *line != "…");
    for line in shown {
        assert!(printed.any(|printed| printed == line), "{line} is not in {output}");
    }
}

#[test]
fn nobody_asks_admission_and_what_names_no_images_is_refused() {
    let dump = dump::dump(&[deployment("cart", 10)], &[]);
    let told = json_of(&json!({"DriftDetection": "Injection"}), &dump, &[]);
    assert_eq!(told["restarts"].as_array().map(Vec::len), Some(1), "{told}");
    let is_told = |assumption: &Value| assumption.as_str().is_some_and(|text| text.contains("admission is not asked"));
    assert!(told["assumptions"].as_array().expect("it is a list").iter().any(is_told), "{told}");

    let refused = rehearse(&json!({"DriftDetection": "Injection", "ImageList": []}), &dump, &[]);
    assert_eq!(refused.code, Some(2), "{}", refused.stdout);
    assert!(refused.stderr.contains("names spec.ImageList"), "{}", refused.stderr);
}
