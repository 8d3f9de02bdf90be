//! The command line: help, usage, exit codes, and files and kubeconfigs that are wrong.

use assert_cmd::Command;
use assert_cmd::cargo::cargo_bin_cmd;
use serde_json::Value;
use tempfile::TempDir;

fn flippy(home: &TempDir) -> Command {
    let mut command = cargo_bin_cmd!("flippy");
    command.env_clear().env("HOME", home.path());
    command
}

fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let home = TempDir::new().expect("a temporary directory can be made");
    run_in(&home, args)
}

fn run_in(home: &TempDir, args: &[&str]) -> (Option<i32>, String, String) {
    let output = flippy(home).args(args).output().expect("flippy starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("flippy writes text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn help_lists_the_commands_and_the_exit_codes() {
    let (code, stdout, _) = run(&["--help"]);
    assert_eq!(code, Some(0));
    for expected in ["run", "plan", "approve", "crd", "Exit codes:", "flippy plan -f config.yaml"] {
        assert!(stdout.contains(expected), "{expected} is missing in {stdout}");
    }
}

#[test]
fn help_fits_eighty_columns_or_a_little_more() {
    for args in [&["--help"][..], &["run", "--help"], &["plan", "--help"]] {
        let (_, stdout, _) = run(args);
        let longest = stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{args:?}: {longest:?}");
    }
}

#[test]
fn without_a_command_it_shows_help_and_fails() {
    let (code, _, stderr) = run(&[]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("Usage:"), "{stderr}");
}

#[test]
fn an_unknown_flag_is_wrong_usage() {
    assert_eq!(run(&["plan", "--wrong"]).0, Some(2));
}

#[test]
fn the_version_is_printed() {
    assert_eq!(run(&["--version"]), (Some(0), format!("flippy {}\n", env!("CARGO_PKG_VERSION")), String::new()));
}

#[test]
fn crd_prints_the_definition() {
    let (code, stdout, stderr) = run(&["crd"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let definition: Value = serde_saphyr::from_str(&stdout).expect("it is YAML");
    assert_eq!(definition["kind"], "CustomResourceDefinition");
    assert_eq!(definition["metadata"]["name"], "flippyconfigs.keikoproj.io");
}

#[test]
fn a_file_that_does_not_exist_is_named() {
    let (code, _, stderr) = run(&["plan", "-f", "missing.yaml"]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with("error: cannot read missing.yaml: "), "{stderr}");
}

#[test]
fn another_kind_in_a_file_is_named_with_its_line() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let file = home.path().join("d.yaml");
    std::fs::write(&file, "# mine\nkind: Deployment\nmetadata: {name: cart}\n").expect("the directory is writable");
    let file = file.to_str().expect("the path is text");
    let (code, _, stderr) = run_in(&home, &["plan", "-f", file]);
    assert_eq!(code, Some(1));
    assert!(
        stderr.starts_with(&format!("error: {file}:2: expected a FlippyConfig, found Deployment cart")),
        "{stderr}"
    );
}

#[test]
fn without_a_kubeconfig_it_says_what_to_set() {
    for command in ["plan", "run"] {
        let (code, _, stderr) = run(&[command]);
        assert_eq!(code, Some(2), "{command}");
        assert!(stderr.contains("set KUBECONFIG"), "{command}: {stderr}");
    }
}

#[test]
fn an_unknown_context_is_answered_with_those_that_exist() {
    let home = TempDir::new().expect("a temporary directory can be made");
    let kubeconfig = home.path().join("config");
    let text = "apiVersion: v1\nkind: Config\ncontexts: [{name: blue, context: {cluster: c, user: u}}, {name: green, context: {cluster: c, user: u}}]\n";
    std::fs::write(&kubeconfig, text).expect("the directory is writable");
    let kubeconfig = kubeconfig.to_str().expect("the path is text");
    let (code, _, stderr) = run_in(&home, &["--kubeconfig", kubeconfig, "--context", "red", "plan"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("there is no context red") && stderr.contains("it has blue, green"), "{stderr}");
}

#[test]
fn a_bad_duration_or_address_is_answered_with_what_to_write() {
    let (code, _, stderr) = run(&["run", "--reconciler-time", "ten"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("for example 10h"), "{stderr}");
    let (code, _, stderr) = run(&["run", "--metrics-bind-address=8080"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("write :8080"), "{stderr}");
}
