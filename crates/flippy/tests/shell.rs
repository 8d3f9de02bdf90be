//! The program as shells, kubectl and packagers call it.

mod api_server;

use std::path::{Path, PathBuf};
use std::process::Command;

use api_server::shop::{NEW, config, shop};
use api_server::{flippy, kubeconfig, list, serve};
use assert_cmd::cargo::cargo_bin;
use serde_json::json;
use tempfile::TempDir;

/// Somebody's home, in which the program is installed under another name.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(TempDir::new().expect("a temporary directory can be made"))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn installed_as(&self, name: &str) -> PathBuf {
        let path = self.path().join(name);
        std::os::unix::fs::symlink(cargo_bin("flippy"), &path).expect("the directory is writable");
        path
    }

    /// What a program says in this home.
    fn says(&self, program: &Path, server: &str, args: &[&str]) -> String {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", self.path()).env("KUBECONFIG", kubeconfig(self.path(), server)).args(args);
        let output = command.output().expect("it starts");
        String::from_utf8(output.stdout).expect("it writes text")
    }
}

const NOWHERE: &str = "http://127.0.0.1:1";

#[test]
fn as_a_plugin_of_kubectl_its_help_says_what_to_type() {
    let home = Home::new();
    let help = home.says(&home.installed_as("kubectl-flippy"), NOWHERE, &["plan", "--help"]);
    assert!(help.contains("Usage: kubectl flippy plan "), "{help}");
    assert!(help.contains("  kubectl flippy plan -f config.yaml"), "{help}");
    let help = flippy(NOWHERE, "", &["plan", "--help"]).stdout;
    assert!(help.contains("Usage: flippy plan ") && !help.contains("kubectl flippy"), "{help}");
}

#[test]
fn kubectl_completes_names_of_what_is_in_the_cluster() {
    let home = Home::new();
    let program = home.installed_as("kubectl_complete-flippy");
    let mut answers = shop(&[config(&[NEW])]);
    let item = json!({"metadata": {"name": "cart", "namespace": "shop"}});
    answers.push(("/apis/apps/v1/namespaces/shop/deployments", 200, list(&[item])));
    let server = serve(answers);
    let completed = home.says(&program, &server, &["status", "me"]);
    assert_eq!(completed, "mesh\t\n:4\n");
    let completed = home.says(&program, &server, &["explain", "-n", "shop", "deploy/"]);
    assert_eq!(completed, "deploy/cart\t\n:4\n");
    let completed = home.says(&program, &server, &["status", "--context", ""]);
    assert!(completed.starts_with("test\t\n"), "{completed}");
}

#[test]
fn without_a_cluster_commands_and_flags_are_completed_all_the_same() {
    let home = Home::new();
    let program = home.installed_as("kubectl_complete-flippy");
    let commands = home.says(&program, NOWHERE, &["re"]);
    let words: Vec<&str> = commands.lines().filter_map(|line| line.split('\t').next()).collect();
    assert_eq!(words, ["rehearse", "report", "restart", "resume", "retry", ":4"], "{commands}");
    assert_eq!(home.says(&program, NOWHERE, &["status", "me"]), ":4\n");
}

#[test]
fn each_shell_gets_a_script_that_asks_the_program_itself() {
    for shell in ["bash", "zsh", "fish"] {
        let outcome = flippy(NOWHERE, "", &["completion", shell]);
        assert_eq!(outcome.code, Some(0), "{shell}: {}", outcome.stderr);
        assert!(
            outcome.stdout.contains("COMPLETE") && outcome.stdout.contains("flippy"),
            "{shell}: {}",
            outcome.stdout
        );
    }
}

#[test]
fn bash_completes_through_its_script() {
    let home = Home::new();
    home.installed_as("flippy");
    let server = serve(shop(&[config(&[NEW])]));
    // What bash does at a TAB after `flippy pause m`.
    let script = "source <(flippy completion bash); COMP_WORDS=(flippy pause m); COMP_CWORD=2; COMP_TYPE=9; \
                  _clap_complete_flippy flippy m pause; echo \"${COMPREPLY[@]}\"";
    let mut command = Command::new("bash");
    let path = format!("{}:/usr/bin:/bin", home.path().display());
    command.env_clear().env("PATH", path).env("HOME", home.path());
    let output = command.env("KUBECONFIG", kubeconfig(home.path(), &server)).args(["-c", script]).output();
    let output = output.expect("bash is installed");
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "mesh", "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let directory = home.path().join("man");
    std::fs::create_dir(&directory).expect("the directory is writable");
    let outcome = flippy(NOWHERE, "", &["reference", "man", &directory.to_string_lossy()]);
    assert_eq!(outcome.code, Some(0), "{}", outcome.stderr);
    for page in ["flippy.1", "flippy-restart.1", "flippy-explain.1", "flippy-completion.1"] {
        let text = std::fs::read_to_string(directory.join(page)).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(text.contains(".SH NAME"), "{page}");
    }
}
