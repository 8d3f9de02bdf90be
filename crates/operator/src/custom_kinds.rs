//! Asks how the custom kinds are served that configs name, for as long as one names them. The world knows the answers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use flippy_core::{CustomKind, Kind};
use kube::Client;
use tokio::sync::{Notify, mpsc};
use tokio_util::task::AbortOnDropHandle;

use crate::backoff::Backoff;
use crate::discovery::{Found, find};
use crate::feed::Signal;
use crate::world::{Delta, Feed, Told};

/// Who asks about which custom kind.
pub(crate) struct CustomKinds {
    client: Client,
    told: mpsc::Sender<Told>,
    asked: BTreeMap<CustomKind, Asked>,
}

struct Asked {
    /// Wakes who asks: the answer may be another one now.
    again: Arc<Notify>,
    _task: AbortOnDropHandle<()>,
}

impl CustomKinds {
    pub(crate) fn new(client: Client, told: mpsc::Sender<Told>) -> Self {
        Self { client, told, asked: BTreeMap::new() }
    }

    /// Asks about exactly these, and returns those that are not asked about any more, or in another version.
    pub(crate) fn follow(&mut self, wanted: &BTreeSet<Kind>) -> Vec<Feed> {
        let wanted: BTreeSet<CustomKind> = wanted.iter().filter_map(|kind| custom(*kind)).collect();
        let is_surplus = |asked: &CustomKind| wanted.get(asked).is_none_or(|kind| kind.version() != asked.version());
        let surplus: Vec<CustomKind> = self.asked.keys().copied().filter(is_surplus).collect();
        for kind in &surplus {
            self.asked.remove(kind);
        }
        for kind in wanted {
            if !self.asked.contains_key(&kind) {
                let again = Arc::new(Notify::new());
                let task = tokio::spawn(ask(self.client.clone(), kind, self.told.clone(), again.clone()));
                self.asked.insert(kind, Asked { again, _task: AbortOnDropHandle::new(task) });
            }
        }
        surplus.into_iter().map(feed).collect()
    }

    /// Whether anybody wants to know this of a kind: what is left in the channel may be of an earlier version.
    pub(crate) fn is_asked(&self, kind: CustomKind) -> bool {
        self.asked.get_key_value(&kind).is_some_and(|(asked, _)| asked.version() == kind.version())
    }

    /// A watch that fails may do so because the definition is gone.
    pub(crate) fn doubt(&self, delta: &Delta) {
        let Delta::Signal(Feed::Workloads(Kind::Custom(kind)), Signal::Failed(_) | Signal::Lost(_)) = delta else {
            return;
        };
        if let Some(asked) = self.asked.get(kind) {
            asked.again.notify_one();
        }
    }
}

fn custom(kind: Kind) -> Option<CustomKind> {
    if let Kind::Custom(kind) = kind { Some(kind) } else { None }
}

fn feed(kind: CustomKind) -> Feed {
    Feed::Workloads(Kind::Custom(kind))
}

/// Asks until the kind is served, less and less often; then again whenever its watch fails.
async fn ask(client: Client, kind: CustomKind, told: mpsc::Sender<Told>, again: Arc<Notify>) {
    let mut backoff = Backoff::default();
    loop {
        let found = find(&client, kind).await;
        let is_served = matches!(found, Ok(Found::As(_)));
        let delta = match found {
            Ok(found) => Delta::Found(kind, found),
            Err(error) => Delta::ServedUnknown(feed(kind), format!("{}: {error}", kind.api_version())),
        };
        if told.send(Told { run: None, delta }).await.is_err() {
            return;
        }
        if is_served {
            again.notified().await;
        } else {
            tokio::time::sleep(backoff.after_failure()).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;

    use super::*;

    fn kind(api_version: &str) -> Kind {
        Kind::named("CloneSet", api_version).expect("it is a custom kind")
    }

    fn kinds() -> (CustomKinds, mpsc::Receiver<Told>) {
        let answer = |_: Request<Body>| async {
            let response = Response::builder().status(404).body(Body::empty());
            Ok::<_, std::convert::Infallible>(response.expect("the parts are valid"))
        };
        let (told, hears) = mpsc::channel(16);
        (CustomKinds::new(Client::new(tower::service_fn(answer), "default"), told), hears)
    }

    #[tokio::test]
    async fn another_version_is_asked_about_anew_and_the_last_one_is_forgotten() {
        let (mut kinds, _hears) = kinds();
        let (alpha, beta) = (kind("apps.kruise.io/v1alpha1"), kind("apps.kruise.io/v1beta1"));
        assert_eq!(kinds.follow(&BTreeSet::from([Kind::Deployment, alpha])), []);
        assert_eq!(kinds.follow(&BTreeSet::from([alpha])), []);
        assert_eq!(kinds.follow(&BTreeSet::from([beta])), [Feed::Workloads(alpha)]);
        let is_asked = |kind| custom(kind).is_some_and(|kind| kinds.is_asked(kind));
        assert_eq!((is_asked(alpha), is_asked(beta)), (false, true));
    }

    #[tokio::test]
    async fn a_kind_that_no_config_names_any_more_is_not_asked_about() {
        let (mut kinds, _hears) = kinds();
        let alpha = kind("apps.kruise.io/v1alpha1");
        kinds.follow(&BTreeSet::from([alpha]));
        assert_eq!(kinds.follow(&BTreeSet::new()), [Feed::Workloads(alpha)]);
        assert!(!custom(alpha).is_some_and(|kind| kinds.is_asked(kind)));
    }
}
