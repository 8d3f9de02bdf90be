//! Which sources of images are watched: each by its name, so that no right to read others is needed.

use std::collections::{BTreeMap, BTreeSet};

use flippy_core::{ConfigMapName, SourcePart};
use kube::runtime::watcher::Config;
use kube::{Api, Client};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::feed::{self, Change};
use crate::slim::{Said, SlimConfigMap};
use crate::sources::{Sources, Wanted};
use crate::world::{Delta, Told};

/// Starts and stops the watches of sources. All configs that name one share its watch.
pub(crate) struct SourceFeeds {
    client: Client,
    told: mpsc::Sender<Told>,
    running: BTreeMap<ConfigMapName, Running>,
    runs: u64,
}

struct Running {
    number: u64,
    parts: BTreeSet<SourcePart>,
    _task: AbortOnDropHandle<()>,
}

/// What one run of a watch tells. What is left in the channel of an earlier run is stale.
#[derive(Debug)]
pub(crate) struct SourceTold {
    pub(crate) name: ConfigMapName,
    run: u64,
    pub(crate) change: Change<Said>,
}

impl SourceFeeds {
    pub(crate) fn new(client: Client, told: mpsc::Sender<Told>) -> Self {
        Self { client, told, running: BTreeMap::new(), runs: 0 }
    }

    /// Starts and stops watches so that exactly these are watched. Says whether anything has changed.
    pub(crate) fn watch(&mut self, wanted: Wanted, sources: &mut Sources) -> bool {
        let surplus: Vec<ConfigMapName> =
            self.running.keys().filter(|name| !wanted.contains_key(name)).cloned().collect();
        let mut changed = !surplus.is_empty();
        for name in surplus {
            self.halt(&name);
            sources.forget(&name);
        }
        for (name, parts) in wanted {
            if self.running.get(&name).is_some_and(|running| running.parts == parts) {
                continue;
            }
            changed = true;
            self.halt(&name);
            sources.begin(name.clone());
            self.run(name, parts);
        }
        changed
    }

    /// Whether this is told by the run that goes on now.
    pub(crate) fn is_current(&self, told: &SourceTold) -> bool {
        self.running.get(&told.name).is_some_and(|running| running.number == told.run)
    }

    fn run(&mut self, name: ConfigMapName, parts: BTreeSet<SourcePart>) {
        tracing::debug!(source = %name, "watching");
        self.runs += 1;
        let run = self.runs;
        let api = Api::<SlimConfigMap>::namespaced(self.client.clone(), &name.namespace);
        let config = Config::default().fields(&format!("metadata.name={}", name.name));
        let tell = {
            let name = name.clone();
            move |change| Told { run: None, delta: Delta::Source(SourceTold { name: name.clone(), run, change }) }
        };
        let asked = parts.clone();
        let record = move |found: SlimConfigMap| found.read(&asked);
        let task = tokio::spawn(feed::run(api, config, record, tell, self.told.clone()));
        self.running.insert(name, Running { number: run, parts, _task: AbortOnDropHandle::new(task) });
    }

    fn halt(&mut self, name: &ConfigMapName) {
        if self.running.remove(name).is_some() {
            tracing::debug!(source = %name, "no longer watching");
        }
    }
}
