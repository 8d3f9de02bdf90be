//! What it costs to try seeds: in time, and in processor time, which says the same on a machine that is busy with other things.

use std::time::Instant;

/// Since when.
pub(crate) struct Cost {
    began: Instant,
    processor: Option<f64>,
}

impl Cost {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), processor: processor_seconds() }
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// For people: so many seeds, with so many workloads in all, in so much time.
    pub(crate) fn told(&self, seeds: u64, threads: usize, workloads: usize) -> String {
        let seconds = self.seconds().max(0.001);
        #[allow(clippy::cast_precision_loss, reason = "nobody tries 2^53 seeds")]
        let (seeds, workloads) = (seeds as f64, workloads as f64);
        let processor = self.processor.zip(processor_seconds()).map(|(before, after)| after - before);
        let per_core = processor
            .filter(|spent| *spent > 0.0)
            .map_or(String::new(), |spent| format!(", {:.0} for each second of a processor", seeds / spent));
        format!(
            "{seeds} seeds, of {:.0} workloads on average, in {seconds:.1} s: {:.0} a second on {threads} threads{per_core}",
            workloads / seeds.max(1.0),
            seeds / seconds
        )
    }
}

/// What this process has used, where Linux tells (proc(5): `utime` and `stime`, in hundredths of a second).
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program, in parentheses, may hold anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}
