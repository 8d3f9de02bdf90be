//! Where it is kept what takes long to build.

use std::path::PathBuf;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// `${XDG_CACHE_HOME:-~/.cache}/flippy`: outside the work tree, so that every clone shares it.
pub fn root() -> Result<PathBuf> {
    let cache = match std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => PathBuf::from(
            std::env::var_os("HOME")
                .context("neither XDG_CACHE_HOME nor HOME is set: set one to say where to cache")?,
        )
        .join(".cache"),
    };
    Ok(cache.join("flippy"))
}

/// What to name it by: another key for whatever else it is made of.
pub fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
        hash.update([0]);
    }
    let digest = hash.finalize();
    let key = digest[..6].iter().fold(0_u64, |key, byte| (key << 8) | u64::from(*byte));
    format!("{key:012x}")
}
