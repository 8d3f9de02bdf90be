//! Prints docs/reasons.md. `cargo xtask generate` runs it.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use flippy_core::REASONS;

fn main() {
    println!("# Reasons\n");
    println!("<!-- Written by `cargo xtask generate` from crates/core/src/reason.rs: change it there. -->\n");
    println!("Every word by which a status, an event or a plan says why, from one closed list.\n");
    for reason in REASONS {
        let places: Vec<&str> = reason.places.iter().map(|place| place.as_str()).collect();
        println!(
            "## {}\n\n*{}*\n\n{}\n\nWhat to do: {}\n",
            reason.word,
            places.join(", "),
            reason.meaning,
            reason.remedy
        );
    }
    println!(
        "## None of these\n\nA workload that is `Fresh`, `Converging` or `Idle` has no reason: the verdict says it all."
    );
}
