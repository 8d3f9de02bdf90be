//! Randomness: one seed, many independent streams (`SplitMix64`).

/// A stream of pseudo-random numbers that depends on nothing but its seed.
#[derive(Debug, Clone)]
pub(crate) struct Rng {
    state: u64,
}

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A stream of its own, so that drawing more here does not shift what others draw.
    pub(crate) fn fork(&mut self) -> Self {
        Self::new(self.next() ^ 0x5851_f42d_4c95_7f2d)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 when `bound` is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        if bound == 0 { 0 } else { self.next() % bound }
    }

    /// A number in `low..=high`.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// True with the probability given (0 to 1). Draws nothing for 0, so that switched-off faults cost no randomness.
    pub(crate) fn hit(&mut self, probability: f64) -> bool {
        if probability <= 0.0 {
            return false;
        }
        #[allow(clippy::cast_precision_loss)] // 53 bits are all that an f64 holds
        let drawn = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        drawn < probability
    }

    /// `length` characters of the alphabet Kubernetes uses for generated names (no vowels, nothing ambiguous).
    pub(crate) fn suffix(&mut self, length: usize) -> String {
        (0..length).map(|_| char::from(NAME_ALPHABET[usize::try_from(self.below(27)).unwrap_or(0)])).collect()
    }

    /// A version-4 UUID.
    pub(crate) fn uid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}

/// apimachinery's alphanums of `util/rand`.
pub(crate) const NAME_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
