//! What is logged, as far as it is promised.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All Rust files below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).expect("the directory exists");
    entries
        .map(|entry| entry.expect("it is readable").path())
        .flat_map(|path| match path.extension() {
            _ if path.is_dir() => sources(&path),
            Some(extension) if extension == "rs" => vec![path],
            _ => Vec::new(),
        })
        .collect()
}

/// The keys of every line that is logged: `key = …`, `%key`, `?key` and `key` before the message.
fn keys(text: &str) -> BTreeSet<String> {
    let calls = ["info", "warn", "error", "debug"].map(|level| format!("tracing::{level}!("));
    let mut keys = BTreeSet::new();
    for call in &calls {
        for rest in text.split(call.as_str()).skip(1) {
            let mut fields = rest.split(',').map(str::trim).take_while(|field| !field.starts_with('"'));
            keys.extend(fields.by_ref().map(|field| {
                let name = field.split('=').next().unwrap_or(field).trim();
                name.trim_start_matches(['%', '?']).to_owned()
            }));
        }
    }
    keys
}

#[test]
fn every_key_of_a_line_is_documented() {
    let documented = std::fs::read_to_string(root().join("docs/logs.md")).expect("docs/logs.md is there");
    let mut found = BTreeSet::new();
    for crate_ in ["operator", "flippy"] {
        for path in sources(&root().join("crates").join(crate_).join("src")) {
            found.extend(keys(&std::fs::read_to_string(&path).expect("it is readable")));
        }
    }
    assert!(found.contains("workload") && found.contains("error"), "these are all keys: {found:?}");
    for key in found {
        assert!(documented.contains(&format!("`{key}`")), "{key} is not in docs/logs.md");
    }
}
