//! For programs. The schema is described in `flippy plan --help`; fields may be added, none renamed.

use serde::Serialize;

use crate::cli::Machine;
use crate::exit::Failure;
use crate::plan::view::ConfigView;

#[derive(Serialize)]
struct Document<'a> {
    configs: &'a [ConfigView],
}

/// Anything for programs.
pub(crate) fn of(value: &impl Serialize, format: Machine) -> Result<String, Failure> {
    match format {
        Machine::Json => {
            let text = serde_json::to_string_pretty(value);
            text.map(|text| text + "\n").map_err(|error| Failure::error(format!("cannot write JSON: {error}")))
        }
        Machine::Yaml => {
            serde_saphyr::to_string(value).map_err(|error| Failure::error(format!("cannot write YAML: {error}")))
        }
    }
}

pub(super) fn json(configs: &[ConfigView]) -> Result<String, Failure> {
    of(&Document { configs }, Machine::Json)
}

pub(super) fn yaml(configs: &[ConfigView]) -> Result<String, Failure> {
    of(&Document { configs }, Machine::Yaml)
}
