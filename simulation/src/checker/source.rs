//! Nothing starts while a source of wanted images is missing or broken: that is no empty list.

use std::collections::BTreeMap;

use flippy_sim::{Json, Key};

use super::{Case, Invariant, Objection, facts};

pub(super) fn objection(case: &Case<'_>) -> Option<Objection> {
    let message = format!("a source of images of FlippyConfig {} was missing or broken", case.wish.key);
    case.wish.lacks_a_source.then(|| Objection::new(Invariant::Source, message))
}

/// The images that the sources of a spec name, in full form. None when one of them does not say.
pub(super) fn images(spec: &Json, config_maps: &BTreeMap<Key, Json>) -> Option<Vec<String>> {
    let mut images = Vec::new();
    for source in spec["ImageSources"].as_array().into_iter().flatten() {
        let text = |field: &str| source["ConfigMap"][field].as_str().unwrap_or_default();
        let config_map = config_maps.get(&Key::new(text("Namespace"), text("Name")))?;
        let named: Vec<&str> =
            config_map["data"][text("Key")].as_str()?.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        if named.is_empty() || !named.iter().all(|line| is_image(line)) {
            return None;
        }
        images.extend(named.into_iter().map(facts::full));
    }
    Some(images)
}

/// All images that are drawn look like this.
fn is_image(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "./:-".contains(c)) && !text.ends_with(':')
}
