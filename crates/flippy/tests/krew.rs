//! The manifest of the kubectl plugin, held against what krew documents
//! (<https://krew.sigs.k8s.io/docs/developer-guide/plugin-manifest/>): without krew nobody would notice a mistake before a
//! release.

use std::path::Path;

use serde_json::Value;

const TAG: &str = "v1.2.3";

/// The template as krew-release-bot renders it.
fn manifest() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../packaging/krew/flippy.yaml");
    let template = std::fs::read_to_string(path).expect("the template is there");
    let lines = template.lines().map(|line| {
        let Some((indent, rest)) = line.split_once("{{addURIAndSha \"") else {
            return line.replace("{{ .TagName }}", TAG);
        };
        let (uri, rest) = rest.split_once('"').expect("the URI is quoted");
        assert_eq!(rest.trim(), ".TagName }}", "the tag is the second argument");
        format!("{indent}uri: {}\n{indent}sha256: {}", uri.replace("{{ .TagName }}", TAG), "ab".repeat(32))
    });
    let text = lines.collect::<Vec<_>>().join("\n");
    assert!(!text.contains("{{"), "something is left of the template:\n{text}");
    serde_saphyr::from_str(&text).expect("the manifest is YAML")
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().filter(|text| !text.trim().is_empty()).unwrap_or_else(|| panic!("{what} is missing"))
}

#[test]
fn it_is_a_plugin_that_kubectl_finds_under_its_name() {
    let manifest = manifest();
    assert_eq!(manifest["apiVersion"], "krew.googlecontainertools.github.com/v1alpha2");
    assert_eq!((&manifest["kind"], &manifest["metadata"]["name"]), (&"Plugin".into(), &"flippy".into()));
}

#[test]
fn it_has_everything_that_krew_requires_and_nothing_that_it_does_not_know() {
    let manifest = manifest();
    let spec = manifest["spec"].as_object().expect("there is a spec");
    let known = ["version", "homepage", "shortDescription", "description", "caveats", "platforms"];
    assert!(spec.keys().all(|key| known.contains(&key.as_str())), "{:?}", spec.keys());
    let version = text(&spec["version"], "the version").strip_prefix('v').expect("versions begin with v");
    assert_eq!(version.split('.').filter(|part| part.parse::<u32>().is_ok()).count(), 3, "it is semantic");
    let short = text(&spec["shortDescription"], "the short description");
    assert!(short.len() <= 50 && !short.ends_with('.'), "krew's guide: at most 50 characters, no full stop: {short}");
    let description = text(&spec["description"], "the description");
    assert!(description.lines().all(|line| line.len() <= 80), "lines are wrapped at 80");
    text(&spec["homepage"], "the homepage");
}

#[test]
fn each_platform_is_selected_once_and_has_an_archive_with_the_program() {
    let manifest = manifest();
    let platforms = manifest["spec"]["platforms"].as_array().expect("there are platforms");
    assert!(!platforms.is_empty());
    let mut selected = std::collections::BTreeSet::new();
    for platform in platforms {
        let labels = &platform["selector"]["matchLabels"];
        let (os, arch) = (text(&labels["os"], "the system"), text(&labels["arch"], "the processor"));
        assert!(["linux", "darwin", "windows"].contains(&os) && ["amd64", "arm64"].contains(&arch), "{os} {arch}");
        assert!(selected.insert((os, arch)), "{os} {arch} is selected twice");
        let uri = text(&platform["uri"], "the archive");
        assert!(uri.starts_with("https://") && uri.ends_with(&format!("{TAG}/flippy-{os}-{arch}.tar.gz")), "{uri}");
        assert_eq!(text(&platform["sha256"], "the checksum").len(), 64);
        let program = text(&platform["bin"], "the program");
        let files = platform["files"].as_array().expect("there are files");
        let names: Vec<&str> = files.iter().map(|file| text(&file["from"], "a file")).collect();
        assert!(names.contains(&program) && names.contains(&"LICENSE"), "{names:?}");
    }
}
