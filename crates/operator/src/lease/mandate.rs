//! The right to act, and clients that end with it.

use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use thiserror::Error;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The right to act: for one term, as long as the lease surely holds.
#[derive(Clone, Debug)]
pub(crate) enum Mandate {
    /// There is no election: this is the only replica.
    Unlimited,
    /// While that term lasts. It never comes back.
    Term(Arc<Tenure>),
}

/// How long a term lasts.
#[derive(Debug)]
pub(crate) struct Tenure {
    /// Until then, unless it is extended.
    until: Mutex<Instant>,
    /// Ended, however long it would last. Not a `tokio::sync::watch`: that wakes whoever waits in random order, and a
    /// simulation could not be replayed.
    over: CancellationToken,
}

/// Whoever holds this extends a term, and ends it by dropping this.
#[derive(Debug)]
pub(crate) struct TenureKeeper(Arc<Tenure>);

impl TenureKeeper {
    /// Begins a term.
    pub(crate) fn begin(until: Instant) -> Self {
        Self(Arc::new(Tenure { until: Mutex::new(until), over: CancellationToken::new() }))
    }

    /// The right to act in it.
    pub(crate) fn mandate(&self) -> Mandate {
        Mandate::Term(self.0.clone())
    }

    pub(crate) fn extend(&self, until: Instant) {
        *self.0.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
    }
}

impl Drop for TenureKeeper {
    fn drop(&mut self) {
        self.0.over.cancel();
    }
}

impl Tenure {
    /// When it ends unless it is extended; `None`: it has ended.
    fn lasts_until(&self) -> Option<Instant> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        (!self.over.is_cancelled() && Instant::now() < until).then_some(until)
    }
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
        TenureKeeper::begin(Instant::now()).mandate()
    }

    /// Whether one may act now.
    pub(crate) fn is_held(&self) -> bool {
        match self {
            Self::Unlimited => true,
            Self::Term(tenure) => tenure.lasts_until().is_some(),
        }
    }

    /// Waits until one may not act any more.
    pub(crate) async fn ended(&self) {
        let Self::Term(tenure) = self else { return std::future::pending().await };
        while let Some(until) = tenure.lasts_until() {
            tokio::select! {
                biased;
                () = tenure.over.cancelled() => return,
                () = tokio::time::sleep_until(until) => {}
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
