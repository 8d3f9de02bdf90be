//! Carrying out one request against the world.

use crate::{Json, json};

use crate::apply::Apply;
use crate::error::ApiError;
use crate::faults::{Fate, Fault};
use crate::history::Author;
use crate::list;
use crate::object::{self, Key, Object};
use crate::patch::{self, PatchKind};
use crate::present::{self, Form, Presented};
use crate::request::{ApiRequest, Part, Verb};
use crate::resources::Resource;
use crate::rng::Rng;
use crate::watch::{self, Watch};
use crate::world::World;
use crate::write::Deletion;

/// A successful answer.
pub(crate) enum Reply {
    Json(u16, Vec<u8>),
    /// A list, and the revision that it shows.
    List(u64, Vec<u8>),
    Watch(Box<Watch>),
}

pub(crate) fn serve(world: &mut World, author: &Author, request: &ApiRequest, fate: &Fate) -> Result<Reply, ApiError> {
    if !world.is_served(request.resource) {
        return Err(ApiError::no_such_path());
    }
    let form = Form { resource: request.resource, show: request.show, new_events: request.new_events };
    let namespace = request.namespace.as_deref().unwrap_or_default();
    let key = Key::new(namespace, request.name.as_deref().unwrap_or_default());
    if request.resource.traits().namespaced && namespace.is_empty() && !matches!(request.verb, Verb::List | Verb::Watch)
    {
        return Err(ApiError::bad_request(format!(
            "{} live in a namespace, and the path names none",
            request.resource.plural()
        )));
    }
    match (request.verb, request.part) {
        (Verb::Get, Part::Main | Part::Status) => {
            let found = world
                .store
                .get(request.resource, &key)
                .ok_or_else(|| ApiError::not_found(request.resource, &key.name))?;
            Ok(show(world, 200, &key, found, form))
        }
        (Verb::List, _) => {
            let back = (fate.fault == Some(Fault::StaleList)).then_some(1 + fate.draw % 20);
            list::page(&world.store, request, back).map(|page| Reply::List(page.revision, page.to_json(form)))
        }
        (Verb::Watch, _) => {
            watch::begin(world, request, form, Rng::new(fate.draw)).map(|watch| Reply::Watch(Box::new(watch)))
        }
        (Verb::Create, Part::Main) if request.name.is_none() => {
            let object = body(request)?;
            let created = world.create(author, request.resource, namespace, object, request.query.dry_run)?;
            Ok(show(world, 201, &Key::of(&created), &created, form))
        }
        (Verb::Create, Part::Eviction) => {
            let eviction: Json = parse(&request.body)?;
            if object::name(&eviction) != &*key.name {
                return Err(ApiError::bad_request("name in URL does not match name in Eviction object"));
            }
            world.evict(author, &key, &deletion(request, &eviction["deleteOptions"])?)?;
            Ok(success(201, Json::Null))
        }
        (Verb::Update, Part::Main | Part::Status) => {
            let object = body(request)?;
            let updated =
                world.update(author, request.resource, &key, request.part, request.query.dry_run, |_| Ok(object))?;
            Ok(show(world, 200, &key, &updated, form))
        }
        (Verb::Patch, Part::Main | Part::Status) => patch(world, author, request, &key, form),
        (Verb::Delete, Part::Main) => {
            let options: Json = if request.body.is_empty() { Json::Null } else { parse(&request.body)? };
            let (last, gone) = world.delete(author, request.resource, &key, &deletion(request, &options)?)?;
            let details = json!({"name": *key.name, "group": request.resource.traits().group, "kind": request.resource.plural(), "uid": object::uid(&last)});
            Ok(if gone && request.resource != Resource::Pods {
                success(200, details)
            } else {
                show(world, 200, &key, &last, form)
            })
        }
        (verb, part) => {
            Err(ApiError::not_simulated(format_args!("{verb:?} on {part:?} of {}", request.resource.plural())))
        }
    }
}

fn patch(world: &mut World, author: &Author, request: &ApiRequest, key: &Key, form: Form) -> Result<Reply, ApiError> {
    let (resource, query) = (request.resource, &request.query);
    let kind = PatchKind::of(&request.content_type, resource.traits().custom)?;
    if kind == PatchKind::Apply {
        return apply(world, author, request, key, form);
    }
    if query.force {
        return Err(ApiError::invalid(
            resource,
            &key.name,
            "force: Forbidden: may not be specified for non-apply patch",
        ));
    }
    let updated = world.update(author, resource, key, request.part, query.dry_run, |old| {
        let mut shown = if request.new_events { present::to_new_event(old) } else { Json::Null };
        let old = if request.new_events { &shown } else { old };
        let mut patched = match kind {
            PatchKind::Json => patch::json(old, &request.body)?,
            PatchKind::Merge => {
                let mut patched = old.clone();
                patch::merge(&mut patched, &parse(&request.body)?);
                patched
            }
            PatchKind::Strategic | PatchKind::Apply => {
                let mut patched = old.clone();
                patch::strategic(&mut patched, &parse(&request.body)?)?;
                patched
            }
        };
        overlook_uid(request, old, &mut patched);
        shown = patched;
        Ok(if request.new_events { present::from_new_event(&shown) } else { shown })
    })?;
    Ok(show(world, 200, key, &updated, form))
}

fn apply(world: &mut World, author: &Author, request: &ApiRequest, key: &Key, form: Form) -> Result<Reply, ApiError> {
    let (resource, query) = (request.resource, &request.query);
    let Some(manager) = query.field_manager.as_deref() else {
        return Err(ApiError::invalid(
            resource,
            &key.name,
            "fieldManager: Required value: is required for apply patch",
        ));
    };
    let mut config = body(request)?;
    if config["apiVersion"].is_null() || config["kind"].is_null() {
        return Err(ApiError::bad_request("invalid object type: an apply patch must state apiVersion and kind"));
    }
    config["metadata"]["name"] = json!(*key.name);
    let status = request.part == Part::Status;
    let apply = Apply { resource, manager, force: query.force, status, config: &config, time: world.stamp() };
    if world.store.get(resource, key).is_none() && !status {
        if !object::uid(&config).is_empty() {
            return Err(ApiError::conflict(
                resource,
                &key.name,
                "uid mismatch: the provided object specified a uid, and no existing object was found",
            ));
        }
        let created = world.create(author, resource, &key.namespace, apply.to(&Json::Null)?, query.dry_run)?;
        return Ok(show(world, 201, key, &created, form));
    }
    let updated = world.update(author, resource, key, request.part, query.dry_run, |old| {
        let mut applied = apply.to(old)?;
        overlook_uid(request, old, &mut applied);
        Ok(applied)
    })?;
    Ok(show(world, 200, key, &updated, form))
}

/// A patch of the status of a custom resource may name another uid: the real API server takes the metadata from the object
/// that it has before anything compares them.
fn overlook_uid(request: &ApiRequest, old: &Json, patched: &mut Json) {
    if request.part == Part::Status && request.resource.traits().custom {
        patched["metadata"]["uid"] = old["metadata"]["uid"].clone();
    }
}

fn body(request: &ApiRequest) -> Result<Json, ApiError> {
    let object: Json = parse(&request.body)?;
    if !object.is_object() {
        return Err(ApiError::bad_request("the body is not an object"));
    }
    Ok(if request.new_events { present::from_new_event(&object) } else { object })
}

fn parse(bytes: &[u8]) -> Result<Json, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        ApiError::bad_request(format!("the body is not JSON, the only format simulated here: {error}"))
    })
}

fn deletion(request: &ApiRequest, options: &Json) -> Result<Deletion, ApiError> {
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let propagation = request.query.propagation.clone().or_else(|| text(&options["propagationPolicy"]));
    if propagation.as_deref() == Some("Foreground") {
        return Err(ApiError::not_simulated("foreground deletion"));
    }
    let dry_run = options["dryRun"].as_array().is_some_and(|values| values.iter().any(|value| value == "All"));
    Ok(Deletion {
        uid: text(&options["preconditions"]["uid"]),
        resource_version: text(&options["preconditions"]["resourceVersion"]),
        grace_seconds: request.query.grace_seconds.or_else(|| options["gracePeriodSeconds"].as_i64()),
        orphan: propagation.as_deref() == Some("Orphan"),
        dry_run: request.query.dry_run || dry_run,
    })
}

fn show(world: &World, code: u16, key: &Key, object: &Object, form: Form) -> Reply {
    let mut json = Vec::new();
    Presented { object, form, typeless: false }.write(&mut json, world.store.text(form.resource, key, object));
    Reply::Json(code, json)
}

fn success(code: u16, details: Json) -> Reply {
    let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"});
    if code == 201 {
        status["code"] = json!(code);
    }
    if !details.is_null() {
        status["details"] = details;
    }
    Reply::Json(code, status.to_string().into_bytes())
}
