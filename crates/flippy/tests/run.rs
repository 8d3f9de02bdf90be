//! `flippy run`, as far as it needs no cluster.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use tempfile::TempDir;

/// Nobody answers there. The operator starts all the same: clusters come back.
const NOBODY: &str = "http://127.0.0.1:1";

/// An operator whose log is read line by line. Killed when dropped.
struct Running {
    child: Child,
    log: std::io::Lines<BufReader<std::process::ChildStderr>>,
    _home: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start(args: &[&str]) -> Running {
    let home = TempDir::new().expect("a temporary directory can be made");
    let kubeconfig = home.path().join("config");
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{{name: c, cluster: {{server: '{NOBODY}'}}}}]\n\
         users: [{{name: c, user: {{}}}}]\ncontexts: [{{name: c, context: {{cluster: c, user: c}}}}]\n"
    );
    std::fs::write(&kubeconfig, text).expect("the directory is writable");
    let mut child = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_flippy")))
        .env_clear()
        .env("KUBECONFIG", kubeconfig)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("flippy starts");
    let log = BufReader::new(child.stderr.take().expect("stderr is piped")).lines();
    Running { child, log, _home: home }
}

impl Running {
    /// Reads the log up to the line that contains this, and returns it all.
    fn log_until(&mut self, text: &str) -> String {
        let mut seen = String::new();
        for line in self.log.by_ref().map_while(Result::ok) {
            seen = seen + &line + "\n";
            if line.contains(text) {
                return seen;
            }
        }
        panic!("`{text}` is not in the log:\n{seen}");
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status().expect("there is a kill");
        assert!(sent.success());
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("it is our child")
    }
}

const QUIET: [&str; 2] = ["--metrics-bind-address=0", "--health-probe-bind-address=0"];

#[test]
fn a_signal_stops_it_gracefully() {
    for name in ["-TERM", "-INT"] {
        let mut operator = start(&["run", QUIET[0], QUIET[1]]);
        operator.log_until("flippy starts");
        operator.signal(name);
        assert_eq!(operator.wait().code(), Some(0), "{name}");
    }
}

#[test]
fn flags_of_the_original_start_it_without_a_subcommand() {
    let mut operator = start(&[QUIET[0], "-health-probe-bind-address=0", "-zap-devel=true", "-flippy-ignore-key=x"]);
    let log = operator.log_until("flippy starts");
    assert!(log.contains("--zap-devel without effect"), "{log}");
}

#[test]
fn the_log_of_a_process_without_a_terminal_is_json() {
    let mut operator = start(&["run", QUIET[0], QUIET[1]]);
    let log = operator.log_until("flippy starts");
    for line in log.lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
}

#[test]
fn an_address_that_is_taken_ends_it_with_the_flag_to_change() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let mut operator = start(&["run", &format!("--metrics-bind-address={address}"), QUIET[1]]);
    let log = operator.log_until("error: ");
    assert!(log.contains(&format!("cannot listen on {address}")) && log.contains("--metrics-bind-address"), "{log}");
    assert_eq!(operator.wait().code(), Some(2));
}

#[test]
fn leader_election_without_a_namespace_ends_it_with_the_flag_to_pass() {
    let mut operator = start(&["run", "--leader-elect", QUIET[0], QUIET[1]]);
    let log = operator.log_until("error: ");
    assert!(log.contains("--leader-election-namespace"), "{log}");
    assert_eq!(operator.wait().code(), Some(2));
}

#[test]
fn a_leader_that_would_act_until_its_lease_runs_out_is_refused_with_the_flags_to_change() {
    let mut operator = start(&["run", "--leader-elect", "--leader-election-renew-deadline=15s", QUIET[0], QUIET[1]]);
    let log = operator.log_until("error: ");
    assert!(
        log.contains("shorter than the lease duration") && log.contains("--leader-election-renew-deadline"),
        "{log}"
    );
    assert_eq!(operator.wait().code(), Some(2));
}

#[test]
fn replicas_that_cannot_reach_the_cluster_do_not_lead_but_wait_for_it() {
    let mut operator =
        start(&["-leader-elect", "--leader-election-namespace=mesh", "-health-probe-bind-address=0", QUIET[0]]);
    let log = operator.log_until("could not be read");
    assert!(log.contains("the lease mesh/flippy could not be read"), "{log}");
    operator.signal("-TERM");
    assert_eq!(operator.wait().code(), Some(0));
}

#[test]
fn metrics_for_the_few_are_served_with_tls_only() {
    let refused = Command::new(PathBuf::from(env!("CARGO_BIN_EXE_flippy")))
        .args(["run", "--metrics-authorization"])
        .output()
        .expect("flippy starts");
    let complaint = String::from_utf8_lossy(&refused.stderr);
    assert!(complaint.contains("--metrics-tls-cert-file"), "{complaint}");
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn a_certificate_that_is_not_there_ends_it_with_the_flags_to_change() {
    let mut operator = start(&[
        "run",
        "--metrics-bind-address=127.0.0.1:0",
        "--metrics-tls-cert-file=/nowhere/tls.crt",
        "--metrics-tls-private-key-file=/nowhere/tls.key",
        QUIET[1],
    ]);
    let log = operator.log_until("error: ");
    assert!(log.contains("/nowhere/tls.crt: No such file") && log.contains("--metrics-tls-cert-file"), "{log}");
    assert_eq!(operator.wait().code(), Some(2));
}
