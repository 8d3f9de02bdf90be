//! `ImageMirrors` and `ImageSources`: which images are the same, and where else wanted ones are named.

use std::sync::Arc;

use flippy_core::{ConfigMapName, ImagePrefix, ImageSource, Mirror, Mirrors, PrefixParseError, SourcePart, Template};

use crate::bounds::{MAX_NAME_LENGTH, MAX_SOURCES};
use crate::image_spec;
use crate::problem::Problem;

/// Reads the mirrors, or says everything that is wrong with them.
pub(crate) fn mirrors(list: &[image_spec::ImageMirror], problems: &mut Vec<Problem>) -> Mirrors {
    const PATH: &str = "spec.ImageMirrors";
    let before = problems.len();
    let mut read = Vec::new();
    for (position, mirror) in list.iter().take(flippy_core::MAX_MIRRORS + 1).enumerate() {
        let mut prefix = |field: &str, text: &str| {
            let wrong = |error: PrefixParseError| {
                problems.push(Problem::new(format!("{PATH}[{position}].{field}"), &error.to_string()));
            };
            ImagePrefix::parse(text).map_err(wrong).ok()
        };
        let (from, to) = (prefix("From", &mirror.from), prefix("To", &mirror.to));
        read.extend(from.zip(to).map(|(from, to)| Mirror { from, to }));
    }
    // Positions are right only when nothing was left out.
    if problems.len() > before {
        return Mirrors::default();
    }
    Mirrors::new(read).unwrap_or_else(|error| {
        let path = error.position().map_or_else(|| PATH.to_owned(), |position| format!("{PATH}[{position}]"));
        let message = match error {
            flippy_core::MirrorError::TooMany(_) => flippy_core::MirrorError::TooMany(list.len()).to_string(),
            error => error.to_string(),
        };
        problems.push(Problem::new(path, &message));
        Mirrors::default()
    })
}

/// Reads where images are named. `home` is the config's own namespace, `only_namespace` the one that it is trusted with, if
/// it is not trusted with more: it must not learn what others keep in their `ConfigMap`s.
pub(crate) fn sources(
    list: &[image_spec::ImageSource],
    home: &str,
    only_namespace: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Vec<ImageSource> {
    if list.len() > MAX_SOURCES {
        let message = format!("has {} entries; write at most {MAX_SOURCES}", list.len());
        problems.push(Problem::new("spec.ImageSources", &message));
    }
    let mut sources: Vec<ImageSource> = Vec::new();
    for (position, source) in list.iter().take(MAX_SOURCES).enumerate() {
        let path = format!("spec.ImageSources[{position}].ConfigMap");
        let read = source_of(&source.config_map, &path, home, only_namespace, problems);
        sources.extend(read.filter(|source| !sources.contains(source)));
    }
    sources
}

fn source_of(
    spec: &image_spec::ConfigMapKey,
    path: &str,
    home: &str,
    only_namespace: Option<&str>,
    problems: &mut Vec<Problem>,
) -> Option<ImageSource> {
    let before = problems.len();
    let mut wrong = |field: &str, message: &str| problems.push(Problem::new(format!("{path}.{field}"), message));
    let namespace = if spec.namespace.is_empty() { home } else { &spec.namespace };
    if !is_object_name(namespace) {
        wrong("Namespace", &format!("is `{namespace}`, which no namespace is called"));
    } else if let Some(only) = only_namespace.filter(|only| *only != namespace) {
        let message = format!(
            "is `{namespace}`, but a config in namespace `{only}` may only name ConfigMaps there; move it to a namespace that \
             Flippy trusts (--config-namespace)"
        );
        wrong("Namespace", &message);
    }
    if spec.name.is_empty() {
        wrong("Name", "is empty: name the ConfigMap, for example istio-sidecar-injector");
    } else if !is_object_name(&spec.name) {
        wrong("Name", &format!("is `{}`, which no ConfigMap is called", spec.name));
    }
    if spec.key.trim().is_empty() {
        wrong("Key", "is empty: name the key in its data");
    } else if spec.key.len() > MAX_NAME_LENGTH {
        wrong("Key", &format!("is longer than {MAX_NAME_LENGTH} characters, as no key of a ConfigMap is"));
    }
    let template = (!spec.template.is_empty()).then(|| Template::parse(&spec.template)).transpose();
    let template = template.map_err(|error| wrong("Template", &error.to_string())).ok()?;
    let config_map = ConfigMapName { namespace: namespace.into(), name: spec.name.as_str().into() };
    let part = SourcePart { key: Arc::from(&*spec.key), template };
    (problems.len() == before).then_some(ImageSource { config_map, part })
}

/// Names become part of a URL and of a field selector: nothing else may pass (RFC 1123 subdomain, as Kubernetes has it).
fn is_object_name(name: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = name.as_bytes();
    bytes.len() <= MAX_NAME_LENGTH
        && bytes.first().is_some_and(|b| alphanumeric(*b))
        && bytes.last().is_some_and(|b| alphanumeric(*b))
        && bytes.iter().all(|b| alphanumeric(*b) || *b == b'-' || *b == b'.')
}
