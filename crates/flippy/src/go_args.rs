//! Arguments as existing installations pass them: to a Go program without subcommands.
//!
//! Go's flags may begin with one dash or two, and the original was started with nothing but flags. Both are
//! turned here into what clap reads, so that a Deployment of the original works with this binary.

use std::ffi::OsString;

use clap::CommandFactory as _;

use crate::cli::Cli;

const RUN: &str = "run";

/// Arguments, program name included, with Go's ways turned into ours.
pub(crate) fn understood(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let command = Cli::command();
    let run = command.find_subcommand(RUN).expect("run is a subcommand");
    let flags: Vec<&str> = run.get_arguments().chain(command.get_arguments()).filter_map(clap::Arg::get_long).collect();
    let is_flag_of_run = |arg: &OsString| flag_name(arg).is_some_and(|name| flags.contains(&name));
    let names_subcommand = args.iter().skip(1).any(|arg| command.find_subcommand(arg).is_some() || arg == "help");
    if !names_subcommand && args.get(1).is_some_and(is_flag_of_run) {
        args.insert(1, RUN.into());
    }
    if args.get(1).is_some_and(|arg| arg == RUN) {
        for arg in args.iter_mut().skip(2).take_while(|arg| *arg != "--") {
            if is_flag_of_run(arg) && !has_two_dashes(arg) {
                let mut two = OsString::from("-");
                two.push(&arg);
                *arg = two;
            }
        }
    }
    args
}

/// `metrics-bind-address` of `-metrics-bind-address=:8080`.
fn flag_name(arg: &OsString) -> Option<&str> {
    let flag = arg.to_str()?.strip_prefix('-')?;
    let flag = flag.strip_prefix('-').unwrap_or(flag);
    Some(flag.split_once('=').map_or(flag, |(name, _)| name))
}

fn has_two_dashes(arg: &OsString) -> bool {
    arg.to_str().is_some_and(|arg| arg.starts_with("--"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(args: &[&str]) -> Vec<String> {
        let args = ["flippy"].iter().chain(args).map(OsString::from);
        understood(args).into_iter().skip(1).map(|arg| arg.into_string().expect("made of text")).collect()
    }

    #[test]
    fn flags_alone_mean_run() {
        assert_eq!(
            after(&["--metrics-bind-address=:9090", "--leader-elect"]),
            ["run", "--metrics-bind-address=:9090", "--leader-elect"]
        );
    }

    #[test]
    fn one_dash_is_as_good_as_two() {
        assert_eq!(
            after(&["-leader-elect", "-reconciler-time", "1h"]),
            ["run", "--leader-elect", "--reconciler-time", "1h"]
        );
        assert_eq!(after(&["run", "-zap-devel=true"]), ["run", "--zap-devel=true"]);
    }

    #[test]
    fn a_subcommand_after_a_flag_is_left_alone() {
        assert_eq!(after(&["--kubeconfig", "c", "plan"]), ["--kubeconfig", "c", "plan"]);
    }

    #[test]
    fn other_commands_keep_their_short_flags() {
        assert_eq!(after(&["plan", "-n", "mesh", "-o", "wide"]), ["plan", "-n", "mesh", "-o", "wide"]);
    }

    #[test]
    fn help_and_version_stay_what_they_are() {
        assert_eq!(after(&["--help"]), ["--help"]);
        assert_eq!(after(&["--version"]), ["--version"]);
        assert_eq!(after(&[]), [] as [&str; 0]);
    }
}
