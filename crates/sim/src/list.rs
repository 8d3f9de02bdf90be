//! Lists: pages, selectors, and states of a moment ago.

use std::collections::BTreeMap;

use crate::Json;
use serde::Serialize;

use crate::error::ApiError;
use crate::object::{Key, Object};
use crate::present::{Form, Presented};
use crate::request::{ApiRequest, Show};
use crate::resources::Resource;
use crate::selector::{FieldSelector, LabelSelector};
use crate::store::Store;
use crate::text::{Text, USUAL_LENGTH};

/// Which objects of a resource are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
    name: Option<String>,
}

impl Selection {
    pub(crate) fn of(request: &ApiRequest) -> Result<Self, ApiError> {
        Ok(Self {
            resource: request.resource,
            namespace: request.namespace.clone(),
            labels: LabelSelector::parse(&request.query.labels)?,
            fields: FieldSelector::parse(request.resource, &request.query.fields)?,
            name: request.name.clone(),
        })
    }

    pub(crate) fn matches(&self, object: &Json) -> bool {
        self.labels.matches(object)
            && self.fields.matches(object)
            && self.name.as_deref().is_none_or(|name| crate::object::name(object) == name)
    }

    pub(crate) fn contains(&self, key: &Key) -> bool {
        self.namespace.as_deref().is_none_or(|namespace| *key.namespace == *namespace)
    }

    fn selects_all(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

/// One page of a list.
pub(crate) struct Page {
    pub(crate) revision: u64,
    items: Vec<(Object, Option<Text>)>,
    continue_token: Option<String>,
    remaining: Option<usize>,
}

/// Which state to show.
enum Moment {
    Now,
    At(u64),
}

/// `back` asks for a state that many changes ago, where the request leaves the choice to the server.
pub(crate) fn page(store: &Store, request: &ApiRequest, back: Option<u64>) -> Result<Page, ApiError> {
    let selection = Selection::of(request)?;
    let query = &request.query;
    let (moment, after) = match &query.continue_token {
        Some(token) => {
            let (revision, key) = read_token(token)?;
            (Moment::At(revision), Some(key))
        }
        None => (moment(store, request, back)?, None),
    };
    // A list "at any version" comes from the watch cache, which does not page.
    let limit =
        query.limit.filter(|_| query.resource_version.as_deref() != Some("0") || query.continue_token.is_some());
    let revision = match moment {
        Moment::Now => store.revision(),
        Moment::At(revision) => revision,
    };
    let undo = match moment {
        Moment::Now => BTreeMap::new(),
        Moment::At(revision) => store.log(request.resource).undo_to(revision).ok_or_else(expired)?,
    };
    let mut items = Vec::new();
    let mut last: Option<Key> = None;
    let mut more = false;
    for (key, object) in at_moment(store, &selection, after.as_ref(), &undo) {
        if !selection.matches(object) {
            continue;
        }
        if limit.is_some_and(|limit| items.len() >= limit) {
            more = true;
            break;
        }
        items.push((object.clone(), store.text(request.resource, key, object).cloned()));
        last = Some(key.clone());
    }
    let continue_token = last.filter(|_| more).map(|key| format!("{revision}|{}|{}", key.namespace, key.name));
    let remaining = (more && selection.selects_all() && selection.namespace.is_none() && after.is_none())
        .then(|| store.len(request.resource).saturating_sub(items.len()));
    Ok(Page { revision, items, continue_token, remaining })
}

fn moment(store: &Store, request: &ApiRequest, back: Option<u64>) -> Result<Moment, ApiError> {
    let current = store.revision();
    let version = request.query.resource_version.as_deref().unwrap_or_default();
    let wanted: u64 = if version.is_empty() {
        0
    } else {
        version.parse().map_err(|_| ApiError::bad_request(format!("invalid resource version {version}")))?
    };
    if wanted > current {
        return Err(ApiError::too_large_revision(wanted, current));
    }
    if request.query.resource_version_match.as_deref() == Some("Exact") {
        return Ok(Moment::At(wanted));
    }
    let stale = back.and_then(|back| store.log(request.resource).revision_back(usize::try_from(back).unwrap_or(1)));
    Ok(stale.filter(|stale| *stale >= wanted).map_or(Moment::Now, Moment::At))
}

/// The objects as they were before what `undo` takes back, in order of their keys.
fn at_moment<'a>(
    store: &'a Store,
    selection: &'a Selection,
    after: Option<&Key>,
    undo: &'a BTreeMap<Key, Option<Object>>,
) -> impl Iterator<Item = (&'a Key, &'a Object)> + use<'a> {
    let after = after.cloned();
    let mut live = store
        .range(selection.resource, selection.namespace.as_deref(), after.as_ref())
        .filter(|(key, _)| !undo.contains_key(*key))
        .peekable();
    let mut undone = undo
        .iter()
        .filter(move |(key, _)| selection.contains(key) && after.as_ref().is_none_or(|after| *key > after))
        .filter_map(|(key, object)| Some((key, object.as_ref()?)))
        .peekable();
    std::iter::from_fn(move || match (live.peek(), undone.peek()) {
        (Some((one, _)), Some((other, _))) if other < one => undone.next(),
        (Some(_), _) => live.next(),
        (None, _) => undone.next(),
    })
}

fn expired() -> ApiError {
    ApiError::gone(
        "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter.",
    )
}

fn read_token(token: &str) -> Result<(u64, Key), ApiError> {
    let mut parts = token.splitn(3, '|');
    let read = (|| Some((parts.next()?.parse().ok()?, Key::new(parts.next()?, parts.next()?))))();
    read.ok_or_else(|| ApiError::bad_request("continue key is not valid"))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta<'a> {
    resource_version: String,
    #[serde(rename = "continue", skip_serializing_if = "Option::is_none")]
    continue_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remaining_item_count: Option<usize>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListHead<'a> {
    kind: String,
    api_version: &'a str,
    metadata: ListMeta<'a>,
}

impl Page {
    pub(crate) fn to_json(&self, form: Form) -> Vec<u8> {
        let (kind, api_version) = match form.show {
            Show::Metadata => ("PartialObjectMetadataList".to_owned(), "meta.k8s.io/v1"),
            Show::Whole if form.new_events => ("EventList".to_owned(), "events.k8s.io/v1"),
            Show::Whole => (format!("{}List", form.resource.kind()), form.resource.api_version()),
        };
        let typeless = !form.resource.traits().custom;
        let head = ListHead {
            kind,
            api_version,
            metadata: ListMeta {
                resource_version: self.revision.to_string(),
                continue_token: self.continue_token.as_deref(),
                remaining_item_count: self.remaining,
            },
        };
        let mut json = serde_json::to_vec(&head).expect("texts and numbers always serialise into memory");
        json.pop();
        json.reserve(self.items.len() * USUAL_LENGTH);
        json.extend_from_slice(b",\"items\":[");
        for (position, (object, text)) in self.items.iter().enumerate() {
            if position > 0 {
                json.push(b',');
            }
            Presented { object, form, typeless }.write(&mut json, text.as_ref());
        }
        json.extend_from_slice(b"]}");
        json
    }
}
