//! What Flippy promises, on both backends: the real binary on a real control plane, as a user with exactly the shipped
//! permissions, and the same operator in this process on the simulated cluster.

mod absence;
mod access;
mod campaign;
mod concurrency;
mod config;
mod configs;
mod crash;
mod disruption;
mod edits;
mod failures;
mod first;
mod friday;
mod futility;
mod gates;
mod held;
mod identity;
mod injection;
mod order;
mod original;
mod outcome;
mod pace;
mod people;
mod preconditions;
mod replicas;
mod scope;
mod sources;
mod thousand;
mod waves;
mod windows;
