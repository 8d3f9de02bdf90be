//! Which of several replicas acts: the holder of a Lease, and nobody else.
//!
//! ```text
//! candidate ──what it sees──► election (pure) ──Decision──► candidate ──► Lease
//!     └──Mandate, as long as the lease surely holds──► driver, and every client that writes
//! ```
//!
//! The algorithm is client-go's (`tools/leaderelection`): optimistic concurrency by the lease's version, and no clock but
//! our own. A lease has run out when *we* have not seen it change for its whole duration; what others wrote into it as
//! times is for people. A holder counts from the other end, from before it sent the renewal that was confirmed, and only
//! up to the renew deadline, which is shorter: so it has stopped before anybody can think that it is gone.
//!
//! A replica that loses the lease becomes a follower again. It need not exit, because nothing that it keeps in memory is
//! a ledger, and because the clients that write belong to one term: they are dead when it is over (see `Mandate`), so
//! that no forgotten task can write on. Exiting would throw away the watches, list the whole cluster again from an API
//! server that was in trouble a moment ago, and end in a back-off of the kubelet.
//!
//! What remains is a request that left this process in time and is carried out late. It is guarded like every other:
//! a restart applies only to the generation that it was decided on.

mod candidate;
mod election;
mod mandate;
mod record;
mod timing;

pub use election::{Decision, Election};
pub use record::{released, taken};
pub use timing::{BadTiming, Timing};

pub(crate) use candidate::Candidate;
pub(crate) use mandate::{Mandate, TenureKeeper};

/// Which lease, and who wants it.
#[derive(Clone, Debug)]
pub struct ElectionSettings {
    /// Where the lease is: the operator's own namespace.
    pub namespace: String,
    /// What it is called.
    pub name: String,
    /// Who this is. No two processes may ever have the same, not even a restarted one and itself.
    pub identity: String,
    /// How long, how often.
    pub timing: Timing,
}
