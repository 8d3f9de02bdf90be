//! What is known of the `ConfigMap`s that configs name as sources of images.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{ConfigMapName, DesiredImages, ImageRef, ImageSource, Policy, SourcePart};
use kube::{Api, Client};

use crate::feed::{Change, Item, Signal};
use crate::slim::{Said, SlimConfigMap};

/// `ConfigMap`s that are watched at most: each is a connection to the API server.
const MAX_WATCHED: usize = 256;
/// Of one namespace that is trusted with itself only: its owners must not use up what others need.
const MAX_WATCHED_OF_A_GUEST: usize = 16;
/// Parts of one `ConfigMap` that are read: each is read anew with every change.
const MAX_PARTS: usize = 16;

/// Which parts of which `ConfigMap`s are asked for.
pub(crate) type Wanted = BTreeMap<ConfigMapName, BTreeSet<SourcePart>>;

/// What the sources of images say.
#[derive(Debug, Default)]
pub struct Sources(BTreeMap<ConfigMapName, Source>);

/// What is known of one `ConfigMap`.
#[derive(Debug, Default)]
struct Source {
    state: State,
    /// Whether the list that is under way has shown it.
    listed: bool,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Listing,
    /// It says this.
    There(Said),
    /// It does not exist.
    Missing,
    /// Nobody knows, for this reason.
    Failed(String),
}

/// Chooses what to watch for these policies. What goes beyond the limits is left out, and whoever needs it is told: those
/// that are trusted with the whole cluster come first.
pub(crate) fn wanted<'a>(policies: impl Iterator<Item = &'a Policy>) -> Wanted {
    let mut policies: Vec<&Policy> = policies.filter(|policy| !policy.image_sources.is_empty()).collect();
    policies.sort_by_key(|policy| policy.scope.only_namespace.is_some());
    let mut wanted = Wanted::new();
    let mut of_guests: BTreeMap<&str, usize> = BTreeMap::new();
    for policy in policies {
        for source in &policy.image_sources {
            if !wanted.contains_key(&source.config_map) {
                let guests = policy.scope.only_namespace.as_deref().map(|guest| of_guests.entry(guest).or_default());
                let too_many = guests.as_ref().is_some_and(|watched| **watched >= MAX_WATCHED_OF_A_GUEST);
                if wanted.len() >= MAX_WATCHED || too_many {
                    continue;
                }
                if let Some(watched) = guests {
                    *watched += 1;
                }
            }
            let parts = wanted.entry(source.config_map.clone()).or_default();
            if parts.len() < MAX_PARTS {
                parts.insert(source.part.clone());
            }
        }
    }
    wanted
}

impl Sources {
    /// Reads each source of these policies once. What cannot be read is known as such.
    pub async fn read(client: &Client, policies: &[&Policy]) -> Self {
        let mut sources = Self::default();
        for (name, parts) in wanted(policies.iter().copied()) {
            let api = Api::<SlimConfigMap>::namespaced(client.clone(), &name.namespace);
            let state = match api.get_opt(&name.name).await {
                Ok(Some(found)) => State::There(found.read(&parts)),
                Ok(None) => State::Missing,
                Err(kube::Error::Api(status)) => State::Failed(status.message),
                Err(error) => State::Failed(error.to_string()),
            };
            sources.0.insert(name, Source { state, listed: false });
        }
        sources
    }

    /// A policy with what its sources say; see [`Policy::joined`].
    pub fn join(&self, policy: &Policy, before: Option<&DesiredImages>) -> Policy {
        policy.joined(|source| self.answer(source), before)
    }

    /// Whether a source of the policy is being listed for the first time, which takes a moment.
    pub(crate) fn are_listing(&self, policy: &Policy) -> bool {
        let is_listing = |source: &ImageSource| {
            self.0.get(&source.config_map).is_some_and(|known| matches!(known.state, State::Listing))
        };
        policy.image_sources.iter().any(is_listing)
    }

    /// A watch of it begins, or begins anew to ask for other parts.
    pub(crate) fn begin(&mut self, name: ConfigMapName) {
        self.0.insert(name, Source::default());
    }

    /// Nobody names it any more.
    pub(crate) fn forget(&mut self, name: &ConfigMapName) {
        self.0.remove(name);
    }

    /// Takes what a watch tells.
    pub(crate) fn hear(&mut self, name: &ConfigMapName, change: Change<Said>) {
        let Some(source) = self.0.get_mut(name) else { return };
        match change {
            Change::Signal(Signal::ListBegins) => source.listed = false,
            Change::Item(Item::Listed(said)) => {
                source.listed = true;
                source.state = State::There(said);
            }
            Change::Item(Item::Changed(said)) => source.state = State::There(said),
            Change::Item(Item::Gone(_)) => source.state = State::Missing,
            Change::Signal(Signal::ListEnds) if !source.listed => source.state = State::Missing,
            Change::Signal(Signal::ListEnds) => {}
            // As with every watch: one that fails for a moment is still believed.
            Change::Signal(Signal::Failed(message)) => {
                tracing::warn!(source = %name, error = message, "watch failed; trying again");
                if !matches!(source.state, State::There(_) | State::Missing) {
                    source.state = State::Failed(message);
                }
            }
            Change::Signal(Signal::Lost(message)) => {
                tracing::error!(source = %name, error = message, "the watch is lost; nothing starts that needs this source");
                source.state = State::Failed(message);
            }
        }
    }

    fn answer(&self, source: &ImageSource) -> Result<&[ImageRef], String> {
        let Some(known) = self.0.get(&source.config_map) else {
            return Err(format!(
                "is not watched: at most {MAX_WATCHED} ConfigMaps are, and {MAX_WATCHED_OF_A_GUEST} of a namespace that is \
                 not trusted with others; name fewer in spec.ImageSources"
            ));
        };
        match &known.state {
            State::Listing => Err("is not read yet".to_owned()),
            State::Missing => Err("does not exist: create it, or correct spec.ImageSources".to_owned()),
            State::Failed(message) => Err(explain(&source.config_map, message)),
            State::There(said) => match said.get(&source.part) {
                Some(Ok(images)) => Ok(images),
                Some(Err(why)) => Err(why.clone()),
                None => Err(format!("is not read: at most {MAX_PARTS} keys and templates of one ConfigMap are")),
            },
        }
    }
}

fn explain(name: &ConfigMapName, message: &str) -> String {
    if message.contains("is forbidden") {
        format!(
            "may not be read: allow get, list and watch on ConfigMap {} in namespace {} \
             (deploy/optional/image-source-role.yaml): {message}",
            name.name, name.namespace
        )
    } else {
        format!("cannot be watched: {message}")
    }
}

#[cfg(test)]
mod tests {
    use flippy_api::{ConversionOptions, FlippyConfig};
    use serde_json::{Value, json};

    use super::*;

    const NAME: &str = "injector";

    fn name() -> ConfigMapName {
        ConfigMapName { namespace: "istio-system".into(), name: NAME.into() }
    }

    fn policy(namespace: &str, sources: &[Value]) -> Policy {
        let config: FlippyConfig = serde_json::from_value(json!({
            "metadata": {"namespace": namespace, "name": "mesh"},
            "spec": {"ImageSources": sources},
        }))
        .expect("it decodes");
        let trusted_namespaces = BTreeSet::from(["istio-system".into()]);
        let options = ConversionOptions { ignore_key: "flippy-ignore".into(), trusted_namespaces };
        flippy_api::policy(&config, &options).expect("it is valid")
    }

    fn source(name: &str, key: &str) -> Value {
        json!({"ConfigMap": {"Name": name, "Key": key}})
    }

    fn trusted() -> Policy {
        policy("istio-system", &[source(NAME, "images")])
    }

    /// What a `ConfigMap` with this data says.
    fn said(data: &Value) -> Said {
        let found: SlimConfigMap =
            serde_json::from_value(json!({"metadata": {"name": NAME}, "data": data})).expect("it decodes");
        found.read(&wanted([&trusted()].into_iter())[&name()])
    }

    fn watching() -> Sources {
        let mut sources = Sources::default();
        sources.begin(name());
        sources.hear(&name(), Change::Signal(Signal::ListBegins));
        sources
    }

    fn hear(sources: &mut Sources, change: Change<Said>) {
        sources.hear(&name(), change);
    }

    /// Why the source is not available, or the images that it names.
    fn answer(sources: &Sources) -> String {
        let joined = sources.join(&trusted(), None);
        match joined.source_unavailable {
            Some(why) => why.to_string(),
            None => joined.images.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        }
    }

    fn failed(message: &str) -> Change<Said> {
        Change::Signal(Signal::Failed(message.to_owned()))
    }

    #[test]
    fn what_the_list_shows_counts_and_then_what_the_watch_shows() {
        let mut sources = watching();
        assert!(sources.are_listing(&trusted()));
        hear(&mut sources, Change::Item(Item::Listed(said(&json!({"images": "a:1"})))));
        hear(&mut sources, Change::Signal(Signal::ListEnds));
        assert_eq!(answer(&sources), "docker.io/library/a:1");
        hear(&mut sources, Change::Item(Item::Changed(said(&json!({"images": "a:2"})))));
        assert_eq!(answer(&sources), "docker.io/library/a:2");
        hear(&mut sources, Change::Item(Item::Changed(said(&json!({"other": "a:3"})))));
        assert!(answer(&sources).ends_with("key images: is not among its keys"));
    }

    #[test]
    fn one_that_is_not_listed_or_is_gone_does_not_exist() {
        let mut sources = watching();
        hear(&mut sources, Change::Signal(Signal::ListEnds));
        assert!(answer(&sources).contains("does not exist"));
        hear(&mut sources, Change::Item(Item::Changed(said(&json!({"images": "a:1"})))));
        hear(&mut sources, Change::Item(Item::Gone(said(&json!({"images": "a:1"})))));
        assert!(answer(&sources).contains("does not exist"));
    }

    #[test]
    fn one_that_disappears_between_two_lists_does_not_exist() {
        let mut sources = watching();
        hear(&mut sources, Change::Item(Item::Listed(said(&json!({"images": "a:1"})))));
        hear(&mut sources, Change::Signal(Signal::ListEnds));
        hear(&mut sources, Change::Signal(Signal::ListBegins));
        assert_eq!(answer(&sources), "docker.io/library/a:1", "until the new list is complete");
        hear(&mut sources, Change::Signal(Signal::ListEnds));
        assert!(answer(&sources).contains("does not exist"));
    }

    #[test]
    fn a_watch_that_fails_for_a_moment_is_believed_and_a_lost_one_is_not() {
        let mut sources = watching();
        hear(&mut sources, Change::Item(Item::Listed(said(&json!({"images": "a:1"})))));
        hear(&mut sources, Change::Signal(Signal::ListEnds));
        hear(&mut sources, failed("connection reset"));
        assert_eq!(answer(&sources), "docker.io/library/a:1");
        hear(&mut sources, Change::Signal(Signal::Lost("no route to host".to_owned())));
        assert!(answer(&sources).ends_with("cannot be watched: no route to host"));
    }

    #[test]
    fn a_missing_right_is_named() {
        let mut sources = watching();
        hear(&mut sources, failed("configmaps is forbidden: User \"flippy\" cannot list resource \"configmaps\""));
        let why = answer(&sources);
        let right = "may not be read: allow get, list and watch on ConfigMap injector in namespace istio-system";
        assert!(why.contains(right), "{why}");
    }

    #[test]
    fn configs_that_name_the_same_config_map_share_a_watch() {
        let both = [trusted(), policy("istio-system", &[source(NAME, "other")])];
        let wanted = wanted(both.iter());
        assert_eq!(wanted.len(), 1);
        assert_eq!(wanted[&name()].len(), 2);
    }

    #[test]
    fn a_guest_cannot_use_up_what_others_need() {
        let many = |namespace: &str, from: usize| {
            let sources: Vec<Value> = (from..from + 16).map(|at| source(&format!("a{at}"), "k")).collect();
            policy(namespace, &sources)
        };
        let guests: Vec<Policy> =
            (0..20).flat_map(|guest| [many(&format!("g{guest}"), 0), many(&format!("g{guest}"), 16)]).collect();
        let all: Vec<&Policy> = guests.iter().collect();
        let trusted = trusted();
        let wanted = wanted(all.into_iter().chain([&trusted]));
        assert!(wanted.contains_key(&name()), "who is trusted with the cluster comes first");
        assert_eq!(wanted.len(), MAX_WATCHED);
        let of_one = wanted.keys().filter(|name| &*name.namespace == "g0").count();
        assert_eq!(of_one, MAX_WATCHED_OF_A_GUEST);
        let why = Sources::default().join(&guests[1], None).source_unavailable.expect("it is not watched");
        assert!(why.contains("is not watched: at most"), "{why}");
    }

    #[test]
    fn a_config_map_is_not_read_in_any_number_of_ways() {
        let policies: Vec<Policy> =
            (0..20).map(|at| policy("istio-system", &[source(NAME, &format!("key{at}"))])).collect();
        assert_eq!(wanted(policies.iter())[&name()].len(), MAX_PARTS);
    }
}
