//! Under which name the program was called: as `kubectl-flippy` it is a plugin, and says so in its help.

use std::ffi::OsStr;
use std::path::Path;

use clap::{Command, CommandFactory as _};

use crate::cli::Cli;

/// As what it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invoked {
    /// By its own name, or one that somebody else has given it.
    Alone,
    /// By kubectl, as `kubectl flippy`.
    Plugin,
    /// By kubectl, to complete what was typed after `kubectl flippy`.
    PluginCompletion,
}

impl Invoked {
    /// By the first argument of the process.
    pub(crate) fn of(program: Option<&OsStr>) -> Self {
        let name = program.and_then(|program| Path::new(program).file_stem()).and_then(OsStr::to_str);
        match name {
            // kubectl looks for `kubectl-flippy`; krew links it under a name with underscores.
            Some("kubectl-flippy" | "kubectl_flippy") => Self::Plugin,
            Some("kubectl_complete-flippy" | "kubectl_complete_flippy") => Self::PluginCompletion,
            _ => Self::Alone,
        }
    }

    /// The command line, with help as it has to be typed.
    pub(crate) fn command(self) -> Command {
        let command = Cli::command();
        if self == Self::Alone { command } else { as_plugin(command.bin_name("kubectl flippy")) }
    }
}

/// With examples as they are typed for kubectl.
fn as_plugin(mut command: Command) -> Command {
    if let Some(text) = command.get_after_help() {
        let text = text.to_string().replace("  flippy ", "  kubectl flippy ");
        command = command.after_help(text);
    }
    let names: Vec<String> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    names.iter().fold(command, |command, name| command.mut_subcommand(name, as_plugin))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Invoked {
        Invoked::of(Some(OsStr::new(name)))
    }

    #[test]
    fn a_plugin_is_known_by_its_name_wherever_it_lies() {
        assert_eq!(of("/home/jane/.krew/bin/kubectl-flippy"), Invoked::Plugin);
        assert_eq!(of("kubectl_complete-flippy"), Invoked::PluginCompletion);
        assert_eq!([of("flippy"), of("/usr/bin/flippy"), Invoked::of(None)], [Invoked::Alone; 3]);
    }

    #[test]
    fn the_help_of_a_plugin_says_what_to_type() {
        let mut command = Invoked::Plugin.command();
        let help = command.find_subcommand_mut("restart").expect("there is one").render_long_help().to_string();
        assert!(help.contains("  kubectl flippy restart -f mesh.yaml") && !help.contains("\n  flippy "), "{help}");
        let help = Invoked::Plugin.command().render_help().to_string();
        assert!(help.contains("Usage: kubectl flippy "), "{help}");
    }
}
