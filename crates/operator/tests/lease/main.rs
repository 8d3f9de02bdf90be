//! Who acts: the decision, a model of many candidates on a bad network, and whole operators on the simulated cluster.

mod decision;
mod model;
mod replicas;
