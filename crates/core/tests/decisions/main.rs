//! The decisions of core, driven through its public functions: plain values in, plain values out.

mod budget;
mod claims;
mod common;
mod crash;
mod cron;
mod desired;
mod drift;
mod explain;
mod first;
mod futility;
mod gate;
mod image;
mod mark;
mod pace;
mod plan;
mod progress;
mod properties;
mod reasons;
mod scope;
mod snapshot;
mod status;
mod strategy;
mod window;
