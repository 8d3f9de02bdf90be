//! Somebody who types `flippy` and reads what it says.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Result;
use flippy_e2e::apply;
use flippy_e2e::operator;
use flippy_e2e::scenario::{SCENARIO_LABEL, Scenario};
use serde_json::{Value, json};

/// Somebody at a terminal whose output goes into a file.
pub(crate) struct Person {
    pub(crate) kubeconfig: PathBuf,
}

/// What they read.
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Person {
    /// Somebody who may do anything.
    pub(crate) fn admin(s: &Scenario) -> Result<Self> {
        Ok(Self { kubeconfig: s.cluster()?.admin_kubeconfig() })
    }

    /// A user who may do what this `ClusterRole` allows, everywhere.
    pub(crate) async fn with_role(s: &Scenario, who: &str, role: &str) -> Result<Self> {
        let user = format!("{who}-{}", s.id());
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
            "metadata": {"name": user, "labels": {SCENARIO_LABEL: s.id()}},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        });
        apply::apply(&s.client(), &[binding]).await?;
        Ok(Self { kubeconfig: s.cluster()?.user_kubeconfig(&user)? })
    }

    /// A user with a role of their own.
    pub(crate) async fn with_rules(s: &Scenario, who: &str, rules: Value) -> Result<Self> {
        let name = format!("{who}-{}", s.id());
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
            "metadata": {"name": name, "labels": {SCENARIO_LABEL: s.id()}}, "rules": rules,
        });
        apply::apply(&s.client(), &[role]).await?;
        Self::with_role(s, who, &name).await
    }

    /// Runs `flippy` with these words.
    pub(crate) async fn asks(&self, words: &[&str]) -> Result<Answer> {
        let mut command = self.command(words)?;
        let output = tokio::task::spawn_blocking(move || command.output()).await??;
        Ok(Answer {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout)?,
            stderr: String::from_utf8(output.stderr)?,
        })
    }

    /// `flippy` with these words, not started yet. Its standard input is no terminal.
    pub(crate) fn command(&self, words: &[&str]) -> Result<Command> {
        let mut command = Command::new(operator::binary()?);
        command.env_clear().env("KUBECONFIG", &self.kubeconfig).args(words).stdin(Stdio::null());
        Ok(command)
    }
}
