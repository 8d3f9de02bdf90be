//! Prints docs/metrics.md. `cargo xtask generate` runs it.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

fn main() {
    print!("{}", flippy_operator::metrics_reference());
}
