//! What Flippy promises, on both backends: the real binary on a real control plane, as a user with exactly the shipped
//! permissions, and the same operator in this process on the simulated cluster.

mod absence;
mod access;
mod campaign;
mod chart;
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
mod gitops;
mod held;
mod metrics;
mod notifications;
mod order;
mod original;
mod outcome;
mod pace;
mod people;
mod person;
mod preconditions;
mod rehearsal;
mod replicas;
mod scope;
mod sources;
mod tenancy;
mod thousand;
mod tolerance;
mod waves;
mod windows;
