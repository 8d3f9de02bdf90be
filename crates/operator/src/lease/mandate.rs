//! The right to act, and clients that end with it.

use kube::Client;
use thiserror::Error;
use tokio::sync::watch;
use tokio::time::Instant;

/// The right to act: for one term, as long as the lease surely holds.
#[derive(Clone, Debug)]
pub(crate) enum Mandate {
    /// There is no election: this is the only replica.
    Unlimited,
    /// Until then, unless it is extended. `None`: the term is over, and never comes back.
    Term(watch::Receiver<Option<Instant>>),
}

#[derive(Debug, Error)]
enum NotOurs {
    #[error("not sent: this replica does not lead any more")]
    NotSent,
    #[error("given up: this replica does not lead any more")]
    GivenUp,
}

impl Mandate {
    /// None at all: that of a follower.
    pub(crate) fn none() -> Self {
        Self::Term(watch::channel(None).1)
    }

    /// Whether one may act now.
    pub(crate) fn is_held(&self) -> bool {
        match self {
            Self::Unlimited => true,
            // Without its sender nobody could end it in time.
            Self::Term(until) => until.has_changed().is_ok() && until.borrow().is_some_and(|at| Instant::now() < at),
        }
    }

    /// Waits until one may not act any more.
    pub(crate) async fn ended(&self) {
        let Self::Term(until) = self else { return std::future::pending().await };
        let mut until = until.clone();
        loop {
            let Some(at) = *until.borrow_and_update() else { return };
            if Instant::now() >= at {
                return;
            }
            tokio::select! {
                biased;
                changed = until.changed() => if changed.is_err() { return },
                () = tokio::time::sleep_until(at) => {}
            }
        }
    }

    /// A client whose requests are refused once the mandate is over, and given up when it ends.
    ///
    /// Whatever writes must use one of these, made for the term in which its work was decided on: nothing else keeps a
    /// task that is left over from an earlier term from writing into the next one.
    pub(crate) fn guard(&self, client: &Client) -> Client {
        if matches!(self, Self::Unlimited) {
            return client.clone();
        }
        let (mandate, inner) = (self.clone(), client.clone());
        let service = tower::service_fn(move |request| {
            let (mandate, inner) = (mandate.clone(), inner.clone());
            async move {
                if !mandate.is_held() {
                    return Err(kube::Error::Service(NotOurs::NotSent.into()));
                }
                tokio::select! {
                    biased;
                    // First: a process that was paused must not send what it was about to send then.
                    () = mandate.ended() => Err(kube::Error::Service(NotOurs::GivenUp.into())),
                    answer = inner.send(request) => answer,
                }
            }
        });
        Client::new(service, client.default_namespace())
    }
}
