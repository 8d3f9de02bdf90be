//! What a config names outside the cluster: a cluster in memory must not reach that.

use flippy_api::FlippyConfig;

use crate::configs::path_of;

/// Takes away the gates and the notifications of a config that is played, not applied, and says so for people.
///
/// A rehearsal or a demo that left them would ask and tell real receivers about restarts that there are not, and a dump
/// of somebody else would choose which.
pub(crate) fn cut_off(config: &mut FlippyConfig) -> Vec<String> {
    let path = path_of(config);
    let gates = std::mem::take(&mut config.spec.gates).len();
    let notifications = std::mem::take(&mut config.spec.notifications).len();
    let gates = (gates > 0).then(|| format!("{path}: its {gates} gates that ask Prometheus are open all the time"));
    let notifications = (notifications > 0).then(|| format!("{path}: its {notifications} notifications are not sent"));
    gates.into_iter().chain(notifications).collect()
}
