//! What Flippy relies on in the Kubernetes API: the same scenarios on a real control plane and on the simulated one.
//!
//! Each states what the API answers and stores. A simulation that answers otherwise would let Flippy pass tests with an
//! API that does not exist; a new release of Kubernetes that does is found out here, too.

mod apply;
mod deletion;
mod discovery;
mod events;
mod eviction;
mod generations;
mod injection;
mod json_patch;
mod lists;
mod refusal;
mod rollouts;
mod updates;
mod watches;
mod workloads;
