//! `simulate`: tries seeds on all cores, and reports those that fail.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this talks to people")]

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::mpsc;

use clap::Parser;
use cost::Cost;
use flippy_simulation::{Scenario, SeedRange, about, regressions, replay, report, run};
use indicatif::{ProgressBar, ProgressStyle};

mod cost;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Failures after which no more are reported in full.
const MAX_REPORTS: usize = 10;

#[derive(Debug, Parser)]
#[command(name = "simulate", about = "Tries the operator on unlucky days, drawn from seeds", version)]
struct Arguments {
    /// The seeds to try, besides those that ever failed
    #[arg(long, value_name = "A..B", default_value = "0..2000")]
    seeds: SeedRange,
    /// Only this one
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Show everything that happened, failed or not
    #[arg(long, requires = "seed")]
    trace: bool,
    /// Show every version of the objects with this name, too
    #[arg(long, value_name = "NAME", requires = "seed")]
    about: Option<String>,
    /// How many to try at once; all cores unless given
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// Stop at the first failure
    #[arg(long)]
    fail_fast: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        return one(seed, &arguments);
    }
    let mut seeds: VecDeque<u64> = regressions().into();
    seeds.extend(arguments.seeds.first..arguments.seeds.end);
    all(seeds, &arguments)
}

fn one(seed: u64, arguments: &Arguments) -> ExitCode {
    let scenario = Scenario::draw(seed);
    let run = run(&scenario);
    if arguments.trace || !run.findings.is_empty() {
        print!("{}", report(&scenario, &run, arguments.trace));
    }
    if let Some(name) = &arguments.about {
        print!("{}", about(&run, name));
    }
    if run.findings.is_empty() {
        println!("seed {seed} is fine: {} requests in {} virtual seconds", run.history.requests.len(), run.seconds);
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn all(seeds: VecDeque<u64>, arguments: &Arguments) -> ExitCode {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = arguments.threads.map_or_else(cores, NonZeroUsize::get);
    let count = seeds.len();
    let bar = ProgressBar::new(count as u64).with_style(
        ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {per_sec}, {eta} left {msg}")
            .expect("the template is a constant"),
    );
    let cost = Cost::begin();
    let waiting = Mutex::new(seeds);
    let (done_tx, done) = mpsc::channel::<(u64, Attempt)>();
    let mut failed = Vec::new();
    let (mut tried, mut workloads) = (0_u64, 0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (waiting, done_tx) = (&waiting, done_tx.clone());
            // Apart from the loop, which would keep the lock while a seed is tried, and the other threads idle.
            let next = || waiting.lock().expect("nobody panics holding it").pop_front();
            scope.spawn(move || {
                while let Some(seed) = next() {
                    if done_tx.send((seed, attempt(seed))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(done_tx);
        for (seed, attempt) in done {
            tried += 1;
            workloads += attempt.workloads;
            bar.inc(1);
            if bar.is_hidden() && tried.is_multiple_of(500) {
                println!("{tried}/{count} seeds, {} failed, {:.0} s", failed.len(), cost.seconds());
            }
            let Some(text) = attempt.failure else { continue };
            if failed.len() < MAX_REPORTS {
                bar.suspend(|| println!("{text}"));
            }
            failed.push(seed);
            bar.set_message(format!("({} failed)", failed.len()));
            if arguments.fail_fast {
                waiting.lock().expect("nobody panics holding it").clear();
            }
        }
    });
    bar.finish_and_clear();
    println!("{}; {} failed", cost.told(tried, threads, workloads), failed.len());
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    failed.sort_unstable();
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}

struct Attempt {
    workloads: usize,
    failure: Option<String>,
}

/// Tries a seed; what to say when it fails. A panic of the simulation is a failure of its own.
fn attempt(seed: u64) -> Attempt {
    let outcome = std::panic::catch_unwind(|| {
        let scenario = Scenario::draw(seed);
        let run = run(&scenario);
        let failure = (!run.findings.is_empty()).then(|| report(&scenario, &run, false));
        Attempt { workloads: scenario.workloads(), failure }
    });
    outcome.unwrap_or_else(|_| {
        let failure = format!("seed {seed}: a panic\n{}", replay(seed));
        Attempt { workloads: 0, failure: Some(failure) }
    })
}
