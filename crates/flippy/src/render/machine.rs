//! For programs. The schema is described in `flippy plan --help`; fields may be added, none renamed.

use serde::Serialize;

use crate::exit::Failure;
use crate::plan::view::ConfigView;

#[derive(Serialize)]
struct Document<'a> {
    configs: &'a [ConfigView],
}

pub(super) fn json(configs: &[ConfigView]) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(&Document { configs });
    text.map(|text| text + "\n").map_err(|error| Failure::error(format!("cannot write JSON: {error}")))
}

pub(super) fn yaml(configs: &[ConfigView]) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(&Document { configs });
    text.map_err(|error| Failure::error(format!("cannot write YAML: {error}")))
}
