//! The `FlippyConfig`s of a file.

use std::io::Read as _;
use std::path::Path;

use flippy_api::FlippyConfig;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::exit::Failure;

/// More is no config, but a mistake.
const MAX_BYTES: u64 = 16 << 20;

/// One object of a file.
#[derive(Debug)]
pub(super) struct FileObject {
    /// File and line, for people.
    pub(super) place: String,
    pub(super) config: FlippyConfig,
}

/// Reads a file; `-` is standard input.
///
/// # Errors
/// When it cannot be read, or is not made of `FlippyConfig`s only. All problems, one a line.
pub(super) fn read(path: &Path) -> Result<Vec<FileObject>, Failure> {
    let (name, text) = if path == Path::new("-") {
        ("<stdin>".to_owned(), limited(std::io::stdin().lock()))
    } else {
        (path.display().to_string(), std::fs::File::open(path).and_then(limited))
    };
    let text = text.map_err(|error| Failure::error(format!("cannot read {name}: {error}")))?;
    objects(&name, &text).map_err(|problems| Failure::error(problems.join("\n")))
}

fn limited(reader: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    reader.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!("it is larger than {} MiB", MAX_BYTES >> 20)));
    }
    Ok(text)
}

/// What must be known of a document before it can be read as something.
#[derive(Deserialize)]
struct Head {
    #[serde(default, rename = "apiVersion")]
    api_version: Option<String>,
    #[serde(default)]
    kind: Option<String>,
    #[serde(default)]
    metadata: HeadMetadata,
    #[serde(default)]
    items: Vec<serde_json::Value>,
}

#[derive(Deserialize, Default)]
struct HeadMetadata {
    #[serde(default)]
    name: Option<String>,
}

fn objects(file: &str, text: &str) -> Result<Vec<FileObject>, Vec<String>> {
    let (mut objects, mut problems) = (Vec::new(), Vec::new());
    for document in documents(text) {
        match parse(file, &document) {
            Ok(found) => objects.extend(found),
            Err(problem) => problems.push(problem),
        }
    }
    if objects.is_empty() && problems.is_empty() {
        problems.push(format!("{file}: there is no FlippyConfig in it"));
    }
    if problems.is_empty() { Ok(objects) } else { Err(problems) }
}

/// One YAML document.
struct Document {
    /// Line of its first content, from 1.
    line: usize,
    /// Its text after as many empty lines as there are before it in the file, so that errors name the file's lines.
    text: String,
}

/// Splits at `---`: at the beginning of a line it separates documents wherever it stands (YAML 1.2.2, 9.1.2).
fn documents(text: &str) -> Vec<Document> {
    let mut documents = vec![Document { line: 0, text: String::new() }];
    for (index, line) in text.lines().enumerate() {
        let separates =
            line.strip_prefix("---").is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\r']));
        if separates {
            documents.push(Document { line: 0, text: "\n".repeat(index) });
        }
        let Some(document) = documents.last_mut() else { continue };
        let content = if separates { &line[3..] } else { line };
        if document.line == 0 && !content.trim().is_empty() && !content.trim_start().starts_with('#') {
            document.line = index + 1;
        }
        document.text.push_str(content);
        document.text.push('\n');
    }
    documents.retain(|document| document.line > 0);
    documents
}

fn parse(file: &str, document: &Document) -> Result<Vec<FileObject>, String> {
    let head: Head = decode(file, &document.text)?;
    let place = format!("{file}:{}", document.line);
    match (head.api_version.as_deref(), head.kind.as_deref()) {
        (Some("keikoproj.io/v1"), Some("FlippyConfig")) => {
            let decode = |ignored: &mut Vec<String>| {
                let config = serde_saphyr::with_deserializer_from_str(&document.text, |yaml| {
                    serde_ignored::deserialize(yaml, |path| ignored.push(path.to_string()))
                });
                config.map_err(|error| told(file, &error))
            };
            object(place, decode).map(|object| vec![object])
        }
        // What `kubectl get -o yaml` prints.
        (_, Some("List" | "FlippyConfigList")) => {
            let item = |(index, item): (usize, serde_json::Value)| {
                let place = format!("{place}: items[{index}]");
                if item["kind"] != "FlippyConfig" {
                    return Err(format!("{place}: expected a FlippyConfig, found {}", item["kind"]));
                }
                object(place.clone(), |ignored| {
                    let config = serde_ignored::deserialize(item, |path| ignored.push(path.to_string()));
                    config.map_err(|error: serde_json::Error| format!("{place}: {error}"))
                })
            };
            head.items.into_iter().enumerate().map(item).collect()
        }
        (version, Some("FlippyConfig")) => {
            Err(format!("{place}: expected apiVersion keikoproj.io/v1, found {}", version.unwrap_or("none")))
        }
        (_, Some(kind)) => Err(format!(
            "{place}: expected a FlippyConfig, found {kind} {}; pass a file with FlippyConfigs only",
            head.metadata.name.unwrap_or_default()
        )),
        (_, None) => Err(format!("{place}: this is no Kubernetes object: it has no kind; write `kind: FlippyConfig`")),
    }
}

/// A field that nobody reads is a typo, and what it was meant to limit is not limited. kubectl refuses it, too.
fn nothing_ignored(place: &str, ignored: &[String]) -> Result<(), String> {
    // Steps into what is optional are question marks.
    let path = |path: &String| path.replace("?.", "");
    let unknown: Vec<String> = ignored.iter().map(path).filter(|path| path.starts_with("spec.")).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let problem =
        |path: &String| format!("{place}: FlippyConfig has no field {path}; docs/reference.md lists those that it has");
    Err(unknown.iter().map(problem).collect::<Vec<_>>().join("\n"))
}

/// One object, decoded by what also says which fields nobody reads. It must have a name, and no such field in its spec.
fn object(
    place: String,
    decode: impl FnOnce(&mut Vec<String>) -> Result<FlippyConfig, String>,
) -> Result<FileObject, String> {
    let mut ignored = Vec::new();
    let config = decode(&mut ignored)?;
    nothing_ignored(&place, &ignored)?;
    if config.metadata.name.as_deref().unwrap_or_default().is_empty() {
        return Err(format!("{place}: it has no metadata.name: give it one"));
    }
    Ok(FileObject { place, config })
}

fn decode<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, String> {
    serde_saphyr::from_str(text).map_err(|error| told(file, &error))
}

fn told(file: &str, error: &serde_saphyr::Error) -> String {
    let line = error.location().map_or_else(String::new, |location| format!(":{}", location.line()));
    let message = error.without_snippet().to_string();
    format!("{file}{line}: {}", message.lines().next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "apiVersion: keikoproj.io/v1\nkind: FlippyConfig\nmetadata: {name: mesh}\nspec: {}\n";

    fn problems(text: &str) -> Vec<String> {
        objects("c.yaml", text).expect_err("there is a problem")
    }

    #[test]
    fn every_document_of_a_file_is_read() {
        let text = format!("# head\n---\n{CONFIG}---\n{CONFIG}---\n# nothing\n");
        let places: Vec<String> =
            objects("c.yaml", &text).expect("it is right").into_iter().map(|object| object.place).collect();
        assert_eq!(places, ["c.yaml:3", "c.yaml:8"]);
    }

    #[test]
    fn what_kubectl_get_prints_is_read() {
        let text = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: keikoproj.io/v1, kind: FlippyConfig, metadata: {name: a, namespace: b}, spec: {}}\n";
        assert_eq!(objects("c.yaml", text).expect("it is right").len(), 1);
    }

    #[test]
    fn another_kind_is_named() {
        let text = format!("{CONFIG}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: cart}}\n");
        assert_eq!(
            problems(&text),
            ["c.yaml:6: expected a FlippyConfig, found Deployment cart; pass a file with FlippyConfigs only"]
        );
    }

    #[test]
    fn a_syntax_error_is_reported_with_its_line_in_the_file() {
        let problems = problems(&format!("{CONFIG}---\nkind: [\n"));
        assert!(problems[0].starts_with("c.yaml:6: ") || problems[0].starts_with("c.yaml:7: "), "{problems:?}");
    }

    #[test]
    fn a_wrong_type_is_reported_with_its_line_in_the_file() {
        let problems = problems(
            "apiVersion: keikoproj.io/v1\nkind: FlippyConfig\nmetadata:\n  name: mesh\n  labels: wrong\nspec: {}\n",
        );
        assert!(problems[0].starts_with("c.yaml:5: "), "{problems:?}");
    }

    #[test]
    fn a_field_that_there_is_not_is_refused() {
        let problem = |place: &str, field: &str| {
            format!("{place}: FlippyConfig has no field {field}; docs/reference.md lists those that it has")
        };
        let spec = "{ImageList: [a/b:1], ProcessFilter: {NamespaceLabels: {a: b}}, Strategy: {Waves: [{Title: a}]}}";
        let config = CONFIG.replace("{}", spec);
        let expected = format!(
            "{}\n{}",
            problem("c.yaml:1", "spec.ProcessFilter.NamespaceLabels"),
            problem("c.yaml:1", "spec.Strategy.Waves.0.Title")
        );
        assert_eq!(problems(&config), [expected]);
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: keikoproj.io/v1, kind: FlippyConfig, metadata: {name: a}, spec: {Images: []}}\n";
        assert_eq!(problems(list), [problem("c.yaml:1: items[0]", "spec.Images")]);
    }

    #[test]
    fn what_a_status_of_another_version_has_is_not_looked_at() {
        let config = format!("{CONFIG}status: {{conditions: [], newer: 1}}\nother: 1\n");
        assert_eq!(objects("c.yaml", &config).expect("it is right").len(), 1);
    }

    #[test]
    fn a_config_without_a_name_is_refused() {
        assert_eq!(
            problems("apiVersion: keikoproj.io/v1\nkind: FlippyConfig\n"),
            ["c.yaml:1: it has no metadata.name: give it one"]
        );
    }

    #[test]
    fn an_empty_file_is_a_problem() {
        assert_eq!(problems("# nothing here\n"), ["c.yaml: there is no FlippyConfig in it"]);
    }
}
