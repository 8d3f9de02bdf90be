//! A client of the cluster that can be cut off.

use std::sync::Arc;

use kube::Client;

use crate::link::{CutPoint, Link, LinkState};

/// A client, and the wire it hangs on.
#[derive(Clone)]
pub struct SimClient {
    /// The client, as any other.
    pub client: Client,
    pub(crate) link: Arc<Link>,
}

impl SimClient {
    /// Cuts the wire, or mends it.
    pub fn set_link(&self, state: LinkState) {
        self.link.set(state);
    }

    /// Refuses everything from the request after the next `requests` on, as if the process had crashed right there.
    pub fn cut_after(&self, requests: u64, point: CutPoint) {
        self.link.light_fuse(requests, point);
    }

    /// True while the link is not up.
    pub fn is_cut(&self) -> bool {
        self.link.state() != LinkState::Up
    }

    /// Waits until the link is refused: the moment to drop the tasks of the process that crashed.
    pub async fn cut(&self) {
        let mut state = self.link.subscribe();
        state.wait_for(|state| state == LinkState::Refused).await;
    }
}
