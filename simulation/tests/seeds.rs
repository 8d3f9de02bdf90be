//! A share of the seeds, so that `cargo test` covers the real operator too. `cargo xtask simulate` tries many more.

use flippy_simulation::{Scenario, regressions, report, run};

/// Few: without optimisation a seed takes a while.
const SHARE: u64 = 100;

#[test]
fn the_operator_gets_through_its_unlucky_days() {
    for seed in regressions().into_iter().chain(0..SHARE) {
        let scenario = Scenario::draw(seed);
        let run = run(&scenario);
        assert!(run.findings.is_empty(), "{}", report(&scenario, &run, false));
    }
}

#[test]
fn the_same_seed_is_the_same_history() {
    let trace = |seed| run(&Scenario::draw(seed)).history.trace();
    // The last one has two replicas, of which one loses its lease while it writes.
    for seed in (0..10).chain([32]) {
        let (one, other) = (trace(seed), trace(seed));
        let differing = one.lines().zip(other.lines()).find(|(one, other)| one != other);
        assert_eq!(differing, None, "seed {seed}");
        assert_eq!(one.lines().count(), other.lines().count(), "seed {seed}");
    }
}
