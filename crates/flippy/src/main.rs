//! Talks to people: `flippy run` is the operator, `flippy plan` shows what it would do, `flippy crd` prints its API.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks to people")]

mod address;
mod approve;
mod cli;
mod completion;
mod configs;
mod connect;
mod demo;
mod election;
mod exit;
mod explain;
mod go_args;
mod go_duration;
mod invoked;
mod live;
mod logging;
mod metrics_args;
mod near;
mod outside;
mod plan;
mod reference;
mod refusal;
mod rehearse;
mod render;
mod report;
mod restart;
mod run;
mod status;
mod stop;
mod times;
#[cfg(feature = "otlp")]
mod traces;
mod verbs;

use std::io::Write as _;
use std::process::ExitCode;

use clap::FromArgMatches as _;
use clap_complete::CompleteEnv;

use crate::cli::{Cli, Command};
use crate::exit::Failure;
use crate::invoked::Invoked;

fn main() -> ExitCode {
    // The only provider that is linked. Without a default, rustls would look for one and panic if there were two.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        unreachable!("nothing installs a crypto provider before main");
    }
    let invoked = Invoked::of(std::env::args_os().next().as_deref());
    CompleteEnv::with_factory(|| invoked.command()).complete();
    if invoked == Invoked::PluginCompletion {
        return completion::for_kubectl(invoked.command(), std::env::args_os().skip(1).collect());
    }
    let matches = invoked.command().get_matches_from(go_args::understood(std::env::args_os()));
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.format(&mut invoked.command()).exit(),
    };
    match perform(cli) {
        Ok(code) => code,
        Err(failure) => {
            let _ = writeln!(anstream::stderr(), "{failure}");
            failure.code()
        }
    }
}

fn perform(cli: Cli) -> Result<ExitCode, Failure> {
    match cli.command {
        Command::Run(args) => block_on(run::run(*args, cli.connection)),
        Command::Plan(args) => block_on(plan::plan(args, cli.connection)),
        Command::Approve(args) => block_on(approve::approve(args, cli.connection)),
        Command::Explain(args) => block_on(explain::explain(args, cli.connection)),
        Command::Status(args) => block_on(status::status(args, cli.connection)),
        Command::Retry(args) => block_on(verbs::retry(args, cli.connection)),
        Command::Restart(args) => block_on(restart::restart(*args, cli.connection)),
        Command::Pause(args) => block_on(verbs::pause(args, cli.connection)),
        Command::Resume(args) => block_on(verbs::resume(args, cli.connection)),
        Command::Rehearse(args) => rehearse::rehearse(&args, &cli.connection),
        Command::Report(args) => block_on(report::report(args, cli.connection)),
        Command::Demo(args) => demo::demo(&args),
        Command::Completion(args) => completion::completion(&args),
        Command::Reference(args) => reference::reference(&args),
        Command::Crd => exit::print(&flippy_api::crd_yaml()).map(|()| ExitCode::SUCCESS),
    }
}

fn block_on(command: impl Future<Output = Result<ExitCode, Failure>>) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|error| Failure::error(format!("cannot start threads: {error}; check the limits of this process")))?;
    runtime.block_on(command)
}
