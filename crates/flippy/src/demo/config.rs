//! The `FlippyConfig` that the demo applies: its own, or the user's.

use std::path::Path;

use flippy_api::{ConversionOptions, FlippyConfig};
use flippy_core::ImageRef;

use super::quirk::OLD_IMAGE;
use super::stage::MESH_NAMESPACE;
use crate::exit::Failure;
use crate::outside;
use crate::plan;

/// The demo's own.
pub(super) const OWN: &str = include_str!("mesh.yaml");
/// What the mesh is upgraded to when no config names anything new.
const NEW_IMAGE: &str = "docker.io/istio/proxyv2:1.30.4";

/// What is applied, and how the operator reads it.
pub(super) struct Configs {
    pub(super) objects: Vec<FlippyConfig>,
    pub(super) options: ConversionOptions,
    /// What was changed about them, for people.
    pub(super) changes: Vec<String>,
    /// Where they are from, when not the demo's own.
    file: Option<String>,
}

impl Configs {
    /// Reads a file, or the demo's own config.
    ///
    /// # Errors
    /// When it cannot be read, or is not made of valid `FlippyConfig`s.
    pub(super) fn read(file: Option<&Path>) -> Result<Self, Failure> {
        let options = ConversionOptions {
            ignore_key: "flippy-ignore".into(),
            trusted_namespaces: [MESH_NAMESPACE.into()].into(),
        };
        let mut objects = match file {
            Some(path) => plan::configs_of_file(path, MESH_NAMESPACE, &options)?,
            None => vec![serde_saphyr::from_str(OWN).expect("the demo's own config is one")],
        };
        let changes = objects.iter_mut().flat_map(outside::cut_off).collect();
        Ok(Self { objects, options, changes, file: file.map(|path| path.display().to_string()) })
    }

    /// What the mesh is upgraded to: the first wanted image that is not the old one.
    pub(super) fn mesh_image(&self) -> &str {
        let old = ImageRef::parse(OLD_IMAGE).ok();
        let images = self.objects.iter().flat_map(|object| &object.spec.image_list);
        let mut new = images.filter(|image| ImageRef::parse(image).ok() != old);
        new.next().map_or(NEW_IMAGE, String::as_str)
    }

    pub(super) fn names(&self) -> String {
        let name = |object: &FlippyConfig| {
            let metadata = &object.metadata;
            format!(
                "FlippyConfig {}/{}",
                metadata.namespace.as_deref().unwrap_or_default(),
                metadata.name.as_deref().unwrap_or_default()
            )
        };
        self.objects.iter().map(name).collect::<Vec<_>>().join(", ")
    }

    /// For people: the text of the demo's own, the name of a file.
    pub(super) fn shown(&self) -> String {
        if let Some(file) = &self.file {
            return format!("\n    as in {file}\n\n");
        }
        let spec = OWN.lines().skip_while(|line| *line != "spec:");
        let lines: Vec<String> = spec.map(|line| format!("    {line}\n")).collect();
        format!("\n{}\n", lines.concat())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_config_is_valid_and_nothing_about_it_is_odd() {
        let configs = Configs::read(None).expect("there is no file to be wrong");
        let policy = flippy_api::policy(&configs.objects[0], &configs.options).expect("it is valid");
        assert_eq!(policy.notes, []);
    }

    #[test]
    fn the_mesh_is_upgraded_to_the_first_image_that_is_new() {
        let mut configs = Configs::read(None).expect("there is no file to be wrong");
        configs.objects[0].spec.image_list =
            ["istio/proxyv2:1.30.3", "example.com/a:1", "example.com/b:1"].map(str::to_owned).into();
        assert_eq!(configs.mesh_image(), "example.com/a:1");
    }
}
