//! Server-side apply: who set which field, and whose fields may be changed.
//!
//! Only managers that apply are recorded; fields set by updates and other patches have no owner here, so they never conflict.

use crate::{Json, Map, SmolStr, json};

use crate::error::ApiError;
use crate::merge_keys;
use crate::object;
use crate::resources::Resource;

/// An apply request.
pub(crate) struct Apply<'a> {
    pub(crate) resource: Resource,
    pub(crate) manager: &'a str,
    pub(crate) force: bool,
    /// The status subresource: recorded apart from the same manager's other fields.
    pub(crate) status: bool,
    pub(crate) config: &'a Json,
    pub(crate) time: Json,
}

impl Apply<'_> {
    /// What `live` becomes. A `null` live object is one to be created.
    pub(crate) fn to(&self, live: &Json) -> Result<Json, ApiError> {
        let custom = self.resource.traits().custom;
        let mut config = self.config.clone();
        if !config["metadata"]["managedFields"].is_null() {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        strip_identity(&mut config);
        let wanted = fields_of(&config, custom);
        let mut managers: Vec<Json> = live["metadata"]["managedFields"].as_array().unwrap_or_default().to_vec();
        let mine = managers.iter().position(|entry| self.is_mine(entry)).map(|at| managers.remove(at));
        self.settle_conflicts(live, &config, &wanted, &mut managers)?;

        let mut applied = live.clone();
        if !applied.is_object() {
            applied = json!({"metadata": {}});
        }
        if let Some(mine) = mine {
            let others: Vec<&Json> = managers.iter().map(|entry| &entry["fieldsV1"]).collect();
            remove_abandoned(&mut applied, &mine["fieldsV1"], &wanted, &others);
        }
        for field in ["kind", "apiVersion"] {
            applied[field] = self.config[field].clone();
        }
        for field in ["name", "namespace", "uid", "resourceVersion"] {
            if !self.config["metadata"][field].is_null() {
                applied["metadata"][field] = self.config["metadata"][field].clone();
            }
        }
        overlay(&mut applied, &config, custom);
        let entry = self.entry(&wanted, live);
        managers.push(entry);
        // Applying the same again changes nothing, not even the time on the record.
        let unchanged = same_but_records(live, &applied) && same_records(&live["metadata"]["managedFields"], &managers);
        if !unchanged {
            applied["metadata"]["managedFields"] = managers.into();
        }
        Ok(applied)
    }

    fn is_mine(&self, entry: &Json) -> bool {
        entry["manager"] == self.manager
            && entry["operation"] == "Apply"
            && (entry["subresource"] == "status") == self.status
    }

    fn entry(&self, fields: &Json, live: &Json) -> Json {
        let old = live["metadata"]["managedFields"].as_array().into_iter().flatten().find(|entry| self.is_mine(entry));
        let time =
            old.filter(|old| old["fieldsV1"] == *fields).map_or_else(|| self.time.clone(), |old| old["time"].clone());
        let mut entry = json!({
            "manager": self.manager, "operation": "Apply", "apiVersion": self.resource.api_version(),
            "time": time, "fieldsType": "FieldsV1", "fieldsV1": fields,
        });
        if self.status {
            entry["subresource"] = json!("status");
        }
        entry
    }

    /// Refuses to change what others applied, or (forced) takes it from them.
    fn settle_conflicts(
        &self,
        live: &Json,
        config: &Json,
        wanted: &Json,
        managers: &mut Vec<Json>,
    ) -> Result<(), ApiError> {
        for entry in managers.iter_mut() {
            let mut contested = Vec::new();
            conflicts(live, config, wanted, &entry["fieldsV1"], &mut Vec::new(), &mut contested);
            if contested.is_empty() {
                continue;
            }
            if !self.force {
                let fields: Vec<String> =
                    contested.iter().map(|path| format!(".{}", path.join(".").replace("f:", ""))).collect();
                let owner = entry["manager"].as_str().unwrap_or_default();
                let mut error = ApiError::conflict(self.resource, object::name(self.config), "");
                error.message = format!(
                    "Apply failed with {} conflict: conflict with \"{owner}\": {}",
                    contested.len(),
                    fields.join(", ")
                );
                return Err(error.cause("FieldManagerConflict", format!("conflict with \"{owner}\"")));
            }
            for path in &contested {
                remove_path(&mut entry["fieldsV1"], path);
            }
        }
        managers.retain(|entry| entry["fieldsV1"].as_object().is_some_and(|fields| !fields.is_empty()));
        Ok(())
    }
}

fn same_but_records(live: &Json, applied: &Json) -> bool {
    fn fields<'a>(object: &'a Json, apart: &str) -> impl Iterator<Item = (&'a SmolStr, &'a Json)> {
        object.as_object().into_iter().flatten().filter(move |(field, _)| *field != apart)
    }
    // In one order in both: that of their names.
    let same = |one, other, apart| fields(one, apart).eq(fields(other, apart));
    same(live, applied, "metadata") && same(&live["metadata"], &applied["metadata"], "managedFields")
}

fn same_records(known: &Json, recorded: &[Json]) -> bool {
    let known = known.as_array().unwrap_or_default();
    known.len() == recorded.len() && recorded.iter().all(|one| known.contains(one))
}

/// Identity is not a field one owns.
fn strip_identity(config: &mut Json) {
    let Some(fields) = config.as_object_mut() else { return };
    fields.remove("kind");
    fields.remove("apiVersion");
    if let Some(metadata) = fields.get_mut("metadata").and_then(Json::as_object_mut) {
        for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"]
        {
            metadata.remove(field);
        }
        if metadata.is_empty() {
            fields.remove("metadata");
        }
    }
}

/// The field set of a value, as `FieldsV1` writes it: `f:name` for fields, `k:{...}` for items of keyed lists.
fn fields_of(value: &Json, custom: bool) -> Json {
    let mut set = Map::new();
    for (field, value) in value.as_object().into_iter().flatten() {
        let inner = match (value, merge_keys::of(field, custom)) {
            (Json::Object(fields), _) if !fields.is_empty() => fields_of(value, custom),
            (Json::Array(items), Some(keys)) => {
                items.iter().map(|item| (item_step(item, keys), fields_of(item, custom))).collect::<Map>().into()
            }
            _ => json!({}),
        };
        set.insert(format!("f:{field}"), inner);
    }
    Json::Object(set)
}

fn item_step(item: &Json, keys: &[&str]) -> String {
    let key: Map = keys.iter().filter(|key| !item[**key].is_null()).map(|key| (*key, item[*key].clone())).collect();
    format!("k:{}", Json::Object(key))
}

/// The value at one step of a field set.
fn at<'a>(value: &'a Json, step: &str) -> &'a Json {
    match step.split_at(2) {
        ("f:", field) => &value[field],
        (_, key) => find_item(value, key).map_or(&Json::Null, |at| &value[at]),
    }
}

fn find_item(list: &Json, key: &str) -> Option<usize> {
    let key: Json = serde_json::from_str(key).ok()?;
    let matches = |item: &Json| key.as_object().into_iter().flatten().all(|(field, value)| item[field] == *value);
    list.as_array()?.iter().position(matches)
}

fn is_leaf(fields: &Json) -> bool {
    fields.as_object().is_none_or(Map::is_empty)
}

fn conflicts(
    live: &Json,
    config: &Json,
    wanted: &Json,
    theirs: &Json,
    path: &mut Vec<String>,
    found: &mut Vec<Vec<String>>,
) {
    for (step, inner) in wanted.as_object().into_iter().flatten() {
        let Some(their_inner) = theirs.get(step) else { continue };
        path.push(step.to_string());
        let (live, config) = (at(live, step), at(config, step));
        // An empty map asks for nothing that could differ.
        if is_leaf(inner) && is_leaf(config) && config.is_object() && live.is_object() {
            path.pop();
            continue;
        }
        if is_leaf(inner) || is_leaf(their_inner) {
            if live != config {
                found.push(path.clone());
            }
        } else {
            conflicts(live, config, inner, their_inner, path, found);
        }
        path.pop();
    }
}

fn remove_path(fields: &mut Json, path: &[String]) {
    let (Some((step, rest)), Some(map)) = (path.split_first(), fields.as_object_mut()) else { return };
    if rest.is_empty() {
        map.remove(step);
    } else if let Some(inner) = map.get_mut(step) {
        remove_path(inner, rest);
        if is_leaf(inner) {
            map.remove(step);
        }
    }
}

/// Takes away what this manager once set and now leaves out, unless somebody else wants it too.
fn remove_abandoned(value: &mut Json, mine: &Json, wanted: &Json, others: &[&Json]) {
    for (step, inner) in mine.as_object().into_iter().flatten() {
        let others: Vec<&Json> = others.iter().filter_map(|theirs| theirs.get(step)).collect();
        let still_wanted = wanted.get(step);
        if still_wanted.is_none() && others.is_empty() {
            remove_step(value, step);
        } else if !is_leaf(inner)
            && let Some(child) = child_mut(value, step)
        {
            remove_abandoned(child, inner, still_wanted.unwrap_or(&Json::Null), &others);
        }
    }
}

fn remove_step(value: &mut Json, step: &str) {
    match step.split_at(2) {
        ("f:", field) => {
            if let Some(fields) = value.as_object_mut() {
                fields.remove(field);
            }
        }
        (_, key) => {
            if let Some(at) = find_item(value, key)
                && let Some(items) = value.as_array_mut()
            {
                items.remove(at);
            }
        }
    }
}

fn child_mut<'a>(value: &'a mut Json, step: &str) -> Option<&'a mut Json> {
    match step.split_at(2) {
        ("f:", field) => value.get_mut(field),
        (_, key) => find_item(value, key).and_then(|at| value.get_mut(at)),
    }
}

/// Lays the applied values over the live ones.
fn overlay(live: &mut Json, config: &Json, custom: bool) {
    let Some(fields) = config.as_object() else { return };
    if !live.is_object() {
        *live = json!({});
    }
    for (field, value) in fields {
        match (value, merge_keys::of(field, custom)) {
            (Json::Object(_), _) => overlay(&mut live[field], value, custom),
            (Json::Array(items), Some(keys)) => {
                if !live[field].is_array() {
                    live[field] = json!([]);
                }
                for item in items {
                    let Some(list) = live[field].as_array_mut() else { continue };
                    match list.make_mut().iter_mut().find(|existing| merge_keys::same_item(keys, existing, item)) {
                        Some(existing) => overlay(existing, item, custom),
                        None => list.push(item.clone()),
                    }
                }
            }
            _ => live[field] = value.clone(),
        }
    }
}
