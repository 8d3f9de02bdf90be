//! What gates and notifications have in common: each names a place elsewhere to which Flippy sends requests in its own name.

use std::sync::Arc;

use flippy_core::SecretKey;
use http::Uri;

use crate::bounds::{MAX_ENTRY_NAME_LENGTH, MAX_NAME_LENGTH, MAX_URL_LENGTH};
use crate::gate_spec;
use crate::problem::Problem;

/// A list of the spec whose entries name such places.
pub(crate) struct ListElsewhere {
    /// The field, and the word for its entries in a sentence.
    pub(crate) field: &'static str,
    pub(crate) entries: &'static str,
    /// How another entry is called.
    pub(crate) another: &'static str,
    pub(crate) most: usize,
}

impl ListElsewhere {
    /// Reads all entries, or says everything that is wrong with them. `only_namespace` is where a config that is not
    /// trusted may act.
    pub(crate) fn read<S, T>(
        &self,
        list: &[S],
        only_namespace: Option<&str>,
        problems: &mut Vec<Problem>,
        entry: impl Fn(&S, usize, &str, &mut Vec<Problem>) -> Option<T>,
        name_of: impl Fn(&T) -> &Arc<str>,
    ) -> Vec<T> {
        let Self { field, entries, another, most } = self;
        if list.is_empty() {
            return Vec::new();
        }
        if let Some(namespace) = only_namespace {
            // The operator would send requests, from where it stands in the network, to wherever a tenant says.
            let message = format!(
                "namespace {namespace} is not trusted to have {entries}, because Flippy would send requests in its own \
                 name; leave {field} out, or move the config to a namespace that is trusted (--config-namespace)"
            );
            problems.push(Problem::new(format!("spec.{field}"), &message));
            return Vec::new();
        }
        if list.len() > *most {
            let message = format!("has {} entries; write at most {most}", list.len());
            problems.push(Problem::new(format!("spec.{field}"), &message));
        }
        let mut read: Vec<T> = Vec::new();
        for (position, spec) in list.iter().take(*most).enumerate() {
            let path = format!("spec.{field}[{position}]");
            let Some(entry) = entry(spec, position, &path, problems) else { continue };
            let name = name_of(&entry);
            if read.iter().any(|other| name_of(other) == name) {
                let message = format!("`{name}` is the name of {another} too; write different ones");
                problems.push(Problem::new(format!("{path}.Name"), &message));
            }
            read.push(entry);
        }
        read
    }
}

/// The name of an entry. One that has none is called by its position, such as `gate-1`.
pub(crate) fn name(text: &str, kind: &str, position: usize) -> Result<Arc<str>, String> {
    if text.is_empty() {
        return Ok(format!("{kind}-{}", position + 1).into());
    }
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() <= MAX_ENTRY_NAME_LENGTH && text.chars().all(is_allowed) {
        return Ok(text.into());
    }
    Err(format!("is `{text}`; write at most {MAX_ENTRY_NAME_LENGTH} letters, digits, `-`, `_` and `.`"))
}

/// A key of a Secret of the config's own namespace.
pub(crate) fn secret_key(key: &gate_spec::SecretKey) -> Result<SecretKey, String> {
    let is_named = |text: &str| !text.trim().is_empty() && text.len() <= MAX_NAME_LENGTH;
    if !is_named(&key.name) || !is_named(&key.key) {
        return Err("names no key of a Secret; write Name and Key".to_owned());
    }
    Ok(SecretKey { name: key.name.as_str().into(), key: key.key.as_str().into() })
}

/// An address with `http` or `https`, a host, and no credentials. `what` it is no address of, what to `say` instead, and
/// the `secret` field in which credentials belong are for the message.
///
/// # Errors
/// With what is wrong. It is not quoted: it may hold a password, or be a secret itself.
pub(crate) fn address(text: &str, what: &str, say: &str, secret: &str) -> Result<Uri, String> {
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    let uri = text.parse::<Uri>().ok().filter(|_| is_http && text.len() <= MAX_URL_LENGTH);
    let uri = uri.ok_or_else(|| format!("is no address {what}; {say}"))?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty());
    let authority = authority.ok_or_else(|| format!("names no host; {say}"))?;
    if authority.as_str().contains('@') {
        return Err(format!("holds credentials, which anybody who may read the config can see; write {secret}"));
    }
    if authority.as_str().contains(':') && authority.port_u16().is_none() && !authority.as_str().ends_with(']') {
        return Err(format!("has a port that is none; {say}"));
    }
    Ok(uri)
}
