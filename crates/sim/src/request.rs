//! An HTTP request, understood.

use bytes::Bytes;
use http::Method;

use crate::error::ApiError;
use crate::resources::Resource;

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)] // named as in RBAC
pub enum Verb {
    Get,
    List,
    Watch,
    Create,
    Update,
    Patch,
    Delete,
}

impl Verb {
    /// True for the verbs that change something.
    pub fn is_write(self) -> bool {
        matches!(self, Self::Create | Self::Update | Self::Patch | Self::Delete)
    }
}

/// Which side of an object a request touches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// The object without its status.
    Main,
    /// The status subresource.
    Status,
    /// The eviction subresource of pods.
    Eviction,
}

/// How objects are to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Show {
    Whole,
    /// `PartialObjectMetadata`.
    Metadata,
}

/// The query parameters that matter.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools)] // each is a parameter of its own
pub(crate) struct Query {
    pub(crate) labels: String,
    pub(crate) fields: String,
    pub(crate) limit: Option<usize>,
    pub(crate) continue_token: Option<String>,
    pub(crate) resource_version: Option<String>,
    pub(crate) resource_version_match: Option<String>,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) bookmarks: bool,
    pub(crate) initial_events: bool,
    pub(crate) dry_run: bool,
    pub(crate) field_manager: Option<String>,
    pub(crate) force: bool,
    pub(crate) grace_seconds: Option<i64>,
    pub(crate) propagation: Option<String>,
    watch: bool,
}

/// A request for a resource.
#[derive(Debug, Clone)]
pub(crate) struct ApiRequest {
    pub(crate) verb: Verb,
    pub(crate) resource: Resource,
    pub(crate) part: Part,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
    pub(crate) query: Query,
    pub(crate) show: Show,
    /// Events in the shape of `events.k8s.io/v1` rather than `v1`.
    pub(crate) new_events: bool,
    pub(crate) content_type: String,
    pub(crate) body: Bytes,
}

/// What a request turned out to be.
pub(crate) enum Parsed {
    Resource(Box<ApiRequest>),
    /// A discovery path, such as `/version`.
    Discovery {
        path: String,
        /// Everything at once, as `APIGroupDiscoveryList`.
        aggregated: bool,
    },
}

pub(crate) fn parse(parts: &http::request::Parts, body: Bytes) -> Result<Parsed, ApiError> {
    let path = parts.uri.path();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let (group, version, rest) = match *segments.as_slice() {
        ["api", version, ref rest @ ..] if !rest.is_empty() => ("", version, rest),
        ["apis", group, version, ref rest @ ..] if !rest.is_empty() => (group, version, rest),
        _ if parts.method == Method::GET => {
            let aggregated = accept(parts).contains("as=APIGroupDiscoveryList");
            return Ok(Parsed::Discovery { path: segments.join("/"), aggregated });
        }
        _ => return Err(ApiError::not_simulated(format_args!("{} {path}", parts.method))),
    };
    let (namespace, plural, rest) = match *rest {
        ["namespaces", namespace, plural, ref rest @ ..] if !matches!(plural, "status" | "finalize") => {
            (Some(namespace), plural, rest)
        }
        [plural, ref rest @ ..] => (None, plural, rest),
        [] => (None, "", rest),
    };
    let new_events = group == "events.k8s.io";
    let group = if new_events && plural == "events" { "" } else { group };
    let Some(resource) = Resource::of_path(group, version, plural) else {
        return Err(ApiError::not_simulated(format_args!("{} {path}: unknown resource", parts.method)));
    };
    let (name, part) = match *rest {
        [] => (None, Part::Main),
        [name] => (Some(name), Part::Main),
        [name, "status"] if resource.traits().status => (Some(name), Part::Status),
        [name, "eviction"] if resource == Resource::Pods => (Some(name), Part::Eviction),
        _ => return Err(ApiError::not_simulated(format_args!("{} {path}: unknown subresource", parts.method))),
    };
    let query = parse_query(parts.uri.query().unwrap_or_default())?;
    let verb = verb_of(&parts.method, name.is_some(), &query)
        .ok_or_else(|| ApiError::not_simulated(format_args!("{} {path}", parts.method)))?;
    Ok(Parsed::Resource(Box::new(ApiRequest {
        verb,
        resource,
        part,
        namespace: namespace.map(str::to_owned),
        name: name.map(str::to_owned),
        query,
        show: if accept(parts).contains("as=PartialObjectMetadata") { Show::Metadata } else { Show::Whole },
        new_events,
        content_type: header(parts, "content-type").split(';').next().unwrap_or_default().to_owned(),
        body,
    })))
}

fn accept(parts: &http::request::Parts) -> &str {
    header(parts, "accept")
}

fn header<'a>(parts: &'a http::request::Parts, name: &str) -> &'a str {
    parts.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn verb_of(method: &Method, named: bool, query: &Query) -> Option<Verb> {
    match (method, named) {
        (&Method::GET, false) => Some(if query.watch { Verb::Watch } else { Verb::List }),
        (&Method::GET, true) if !query.watch => Some(Verb::Get),
        (&Method::POST, _) => Some(Verb::Create),
        (&Method::PUT, true) => Some(Verb::Update),
        (&Method::PATCH, true) => Some(Verb::Patch),
        (&Method::DELETE, true) => Some(Verb::Delete),
        _ => None,
    }
}

fn parse_query(text: &str) -> Result<Query, ApiError> {
    let mut query = Query::default();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let value = decode(value);
        match key {
            "labelSelector" => query.labels = value,
            "fieldSelector" => query.fields = value,
            "limit" => query.limit = value.parse().ok().filter(|limit| *limit > 0),
            "continue" => query.continue_token = Some(value).filter(|token| !token.is_empty()),
            "resourceVersion" => query.resource_version = Some(value).filter(|version| !version.is_empty()),
            "resourceVersionMatch" => query.resource_version_match = Some(value),
            "timeoutSeconds" => query.timeout_seconds = value.parse().ok(),
            "allowWatchBookmarks" => query.bookmarks = is_true(&value),
            "sendInitialEvents" => query.initial_events = is_true(&value),
            "watch" => query.watch = is_true(&value),
            "dryRun" if value == "All" => query.dry_run = true,
            "fieldManager" => query.field_manager = Some(value),
            "force" => query.force = is_true(&value),
            "gracePeriodSeconds" => query.grace_seconds = value.parse().ok(),
            "propagationPolicy" => query.propagation = Some(value),
            "fieldValidation" | "pretty" | "timeout" => {}
            _ => return Err(ApiError::not_simulated(format_args!("query parameter {key}={value}"))),
        }
    }
    Ok(query)
}

fn is_true(value: &str) -> bool {
    matches!(value, "true" | "1")
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes().iter();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digits: String = rest.by_ref().take(2).map(|digit| char::from(*digit)).collect();
                u8::from_str_radix(&digits, 16).unwrap_or(b'%')
            }
            other => *other,
        });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
