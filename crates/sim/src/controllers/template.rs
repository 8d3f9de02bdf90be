//! Pod templates: their hash, and pods made of them.

use crate::{Json, json};

use crate::error::ApiError;
use crate::history::Author;
use crate::object::{self, Key, Object};
use crate::resources::Resource;
use crate::rng::NAME_ALPHABET;
use crate::world::World;

/// A short name for a template: equal for equal templates under the same kind of owner.
/// (Kinds hash differently in Kubernetes too; a Rollout that refers to a Deployment of its own name relies on it.)
pub(crate) fn hash(owner: Resource, template: &Json) -> String {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in owner.kind().bytes().chain(template.to_string().bytes()) {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    let mut name = String::with_capacity(10);
    for _ in 0..10 {
        name.push(char::from(NAME_ALPHABET[usize::try_from(state % 27).unwrap_or(0)]));
        state /= 27;
    }
    name
}

/// The same of the template of an object that has it in its spec. Whatever changes that is another generation.
pub(super) fn hash_of(world: &mut World, owner: Resource, object: &Json) -> String {
    let generation = object::generation(object);
    if let Some((known, hash)) = world.template_hashes.get(object::uid(object))
        && *known == generation
    {
        return hash.clone();
    }
    let hash = hash(owner, &object["spec"]["template"]);
    world.template_hashes.insert(object::uid(object).to_owned(), (generation, hash.clone()));
    hash
}

/// A pod of this template; what is left out are its name and what its controller adds.
pub(crate) fn pod(template: &Json, owner: (Resource, &Json)) -> Json {
    let mut metadata = json!({"ownerReferences": [object::owner_reference(owner.0, owner.1)]});
    for field in ["labels", "annotations", "finalizers"] {
        if !template["metadata"][field].is_null() {
            metadata[field] = template["metadata"][field].clone();
        }
    }
    json!({"metadata": metadata, "spec": template["spec"]})
}

/// The `ControllerRevision` for the template of a `StatefulSet` or `DaemonSet`; made when there is none yet.
pub(crate) fn revision(world: &mut World, author: &Author, owner: (Resource, &Json)) -> Result<Object, ApiError> {
    let (resource, workload) = owner;
    let template = &workload["spec"]["template"];
    let hash = hash_of(world, resource, workload);
    let key = Key::new(object::namespace(workload), format!("{}-{hash}", object::name(workload)));
    if let Some(known) = world.store.get(Resource::ControllerRevisions, &key) {
        return Ok(known.clone());
    }
    let known = world.store.owned(object::uid(workload), Resource::ControllerRevisions);
    let newest = known.iter().filter_map(|(_, revision)| revision["revision"].as_i64()).max().unwrap_or(0);
    let mut labels = template["metadata"]["labels"].clone();
    labels["controller-revision-hash"] = json!(hash);
    let revision = json!({
        "metadata": {"name": *key.name, "labels": labels, "ownerReferences": [object::owner_reference(resource, workload)]},
        "revision": newest + 1, "data": {"spec": {"template": template}},
    });
    world.create(author, Resource::ControllerRevisions, &key.namespace, revision, false)
}
