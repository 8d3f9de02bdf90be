//! An API server that knows a few answers by heart, for tests of what commands make of them.

#![allow(dead_code, reason = "each test crate uses a part of it")]

pub(crate) mod shop;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Path, status code, body.
pub(crate) type Answer = (&'static str, u16, Value);

/// What was asked.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// How a command ended.
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs flippy against a server, as somebody with nothing but a kubeconfig.
pub(crate) fn flippy(server: &str, stdin: &str, args: &[&str]) -> Outcome {
    let home = TempDir::new().expect("a temporary directory can be made");
    let output = cargo_bin_cmd!("flippy")
        .env_clear()
        .env("HOME", home.path())
        .env("KUBECONFIG", kubeconfig(home.path(), server))
        .args(args)
        .write_stdin(stdin)
        .output()
        .expect("flippy starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("flippy writes text");
    Outcome { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// Serves these answers until the test process ends, and everything else with 404. Returns its URL.
pub(crate) fn serve(answers: Vec<Answer>) -> String {
    serve_logging(answers).0
}

/// The same, with a log of the requests: method, path, whom it is made as, by which token, body.
pub(crate) fn serve_logging(answers: Vec<Answer>) -> (String, Log) {
    let log = Log::default();
    let kept = log.clone();
    let listener = TcpListener::bind("127.0.0.1:0").expect("the system has a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(stream) = stream else { break };
            answer(stream, &answers, &log);
        }
    });
    (url, kept)
}

/// A kubeconfig for a server, in a directory.
pub(crate) fn kubeconfig(directory: &Path, server: &str) -> PathBuf {
    let path = directory.join("kubeconfig");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": server}}],
        "users": [{"name": "test", "user": {}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test", "namespace": "istio-system"}}],
    });
    std::fs::write(&path, text.to_string()).expect("the directory is writable");
    path
}

/// A `Status` as the API server sends it.
pub(crate) fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": message})
}

/// A list as the API server sends it.
pub(crate) fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "1"}, "items": items})
}

fn answer(mut stream: TcpStream, answers: &[Answer], log: &Log) {
    let mut reader = BufReader::new(stream.try_clone().expect("sockets can be cloned"));
    let mut lines = reader.by_ref().lines();
    let Some(Ok(request)) = lines.next() else { return };
    let head: Vec<String> = lines.by_ref().map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
    let header = |name: &str| {
        let of = |line: &String| {
            line.split_once(": ").filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
        };
        head.iter().find_map(of)
    };
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
    let mut sent = vec![0; length];
    let _ = reader.read_exact(&mut sent);
    let user = header("impersonate-user").map(|user| format!(" as {user}")).unwrap_or_default();
    let token = header("authorization").map(|token| format!(" with {token}")).unwrap_or_default();
    let sent = String::from_utf8_lossy(&sent);
    log.lock()
        .expect("no holder panics")
        .push(format!("{}{user}{token} {sent}", request.trim_end_matches(" HTTP/1.1")));
    let path = request.split(['?', ' ']).nth(1).unwrap_or_default().to_owned();
    let unknown = status(404, "NotFound", "the server could not find the requested resource");
    let known = answers.iter().find(|(known, ..)| *known == path);
    let (code, body) = known.map_or((404, &unknown), |(_, code, body)| (*code, body));
    let body = body.to_string();
    let head = format!(
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    let _ = stream.write_all((head + &body).as_bytes());
}
