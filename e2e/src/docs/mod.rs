//! Reading the docs: what they tell people to type is typed on a real control plane.
//!
//! Of a document's fenced blocks, `sh` is run, `console` is run and compared with what is printed, and `yaml file=NAME` is
//! written to a file. Everything else is for reading only. Two parts are played: nodes pull no image, so [`pods`] runs the
//! real binary for each replica of Flippy, as its service account and with the arguments of its pod; and `istioctl` and
//! `linkerd` are scripts in `e2e/stage/bin` that hand out another sidecar image.

pub mod console;
pub mod markdown;
pub mod pods;
mod reader;

pub use reader::Reader;
