//! The wire between one client and the server: it can be cut.

use std::sync::{Arc, Mutex};

use crate::signal::{Listener, Signal};

/// State of a client's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkState {
    /// Requests pass.
    Up,
    /// Connections are refused and running watches break: the process behind the client crashed, or the server is unreachable.
    Refused,
    /// Nothing passes and nobody says so: requests and watches hang until the link is up again.
    Silent,
}

/// At which side of the effect a client is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CutPoint {
    /// The request never reaches the server.
    BeforeEffect,
    /// The request is carried out, but the answer is lost.
    AfterEffect,
}

/// One client's connection.
pub(crate) struct Link {
    pub(crate) user: Arc<str>,
    state: Signal<LinkState>,
    /// Requests until the cut.
    fuse: Mutex<Option<(u64, CutPoint)>>,
}

/// The link is refused.
#[derive(Debug)]
pub(crate) struct Refused;

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("connection refused: this client is cut off from the simulated API server")
    }
}

impl std::error::Error for Refused {}

impl Link {
    pub(crate) fn new(user: &str) -> Self {
        Self { user: user.into(), state: Signal::new(LinkState::Up), fuse: Mutex::new(None) }
    }

    pub(crate) fn set(&self, state: LinkState) {
        self.state.set(state);
    }

    pub(crate) fn state(&self) -> LinkState {
        self.state.get()
    }

    pub(crate) fn subscribe(&self) -> Listener<LinkState> {
        self.state.subscribe()
    }

    pub(crate) fn light_fuse(&self, requests: u64, point: CutPoint) {
        *self.fuse.lock().expect("nothing panics while the fuse is held") = Some((requests, point));
    }

    /// Counts a request; says where it is cut, when it is the one.
    pub(crate) fn burn_fuse(&self) -> Option<CutPoint> {
        let mut fuse = self.fuse.lock().expect("nothing panics while the fuse is held");
        let (left, point) = fuse.as_mut()?;
        if *left > 0 {
            *left -= 1;
            return None;
        }
        let point = *point;
        *fuse = None;
        Some(point)
    }

    /// Passes while the link is up, hangs while it is silent, fails while it is refused.
    pub(crate) async fn pass(&self) -> Result<(), Refused> {
        let mut state = self.subscribe();
        if state.wait_for(|state| state != LinkState::Silent).await == LinkState::Up { Ok(()) } else { Err(Refused) }
    }
}
