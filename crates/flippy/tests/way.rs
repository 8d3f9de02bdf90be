//! The ways to a cluster that people have set up for kubectl: plugins that log in, and proxies.

mod api_server;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

use api_server::shop::{CONFIGS, NEW, config};
use api_server::{kubeconfig, list, serve_logging};
use assert_cmd::cargo::cargo_bin;
use serde_json::json;
use tempfile::TempDir;

fn status(home: &Path, kubeconfig: &Path, variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(cargo_bin("flippy"));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("KUBECONFIG", kubeconfig);
    command.envs(variables.iter().copied()).arg("status").output().expect("flippy starts")
}

#[test]
fn a_plugin_that_logs_in_is_asked_for_the_token() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let plugin = home.path().join("log-in");
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": "s3cret"},
    });
    std::fs::write(&plugin, format!("#!/bin/sh\necho '{credential}'\n")).expect("the directory is writable");
    std::fs::set_permissions(&plugin, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let (server, log) = serve_logging(vec![(CONFIGS, 200, list(&[config(&[NEW])]))]);
    let path = kubeconfig(home.path(), &server);
    let mut text: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).expect("it was written")).expect("it is JSON");
    text["users"][0]["user"]["exec"] = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "command": plugin, "interactiveMode": "Never",
    });
    std::fs::write(&path, text.to_string()).expect("the directory is writable");
    let output = status(home.path(), &path, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let asked = log.lock().expect("no holder panics").clone();
    assert!(asked.iter().all(|line| line.contains("with Bearer s3cret")), "{asked:?}");
}

/// A proxy that notes to where it is asked for a tunnel, and makes none.
fn proxy() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (noted, asked) = channel();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let _ = noted.send(request(&stream));
            let _ = (&stream).write_all(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n");
        }
    });
    (url, asked)
}

fn request(stream: &TcpStream) -> String {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().and_then(Result::ok).unwrap_or_default();
    // The rest of the head, so that the answer is not sent too early.
    lines.map_while(Result::ok).take_while(|line| !line.is_empty()).for_each(drop);
    first
}

#[test]
fn a_cluster_behind_a_proxy_is_reached_through_it() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let (proxy, asked) = proxy();
    let path = kubeconfig(home.path(), "https://cluster.example.com:6443");
    let output = status(home.path(), &path, &[("HTTPS_PROXY", &proxy)]);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(asked.recv().expect("the proxy was asked"), "CONNECT cluster.example.com:6443 HTTP/1.1");
}

#[test]
fn what_needs_no_proxy_is_reached_without_one() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let (server, log) = serve_logging(vec![(CONFIGS, 200, list(&[config(&[NEW])]))]);
    let path = kubeconfig(home.path(), &server);
    let variables = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("NO_PROXY", "127.0.0.1")];
    let output = status(home.path(), &path, &variables);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!log.lock().expect("no holder panics").is_empty());
}
