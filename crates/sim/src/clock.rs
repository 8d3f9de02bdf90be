//! Virtual time: a runtime on which hours pass as fast as things happen.

use std::future::Future;

/// Runs a future to its end on a single-threaded runtime of its own, with the clock paused:
/// whenever everything waits, time jumps to the next timer.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O needs nothing that could be missing").block_on(future)
}
