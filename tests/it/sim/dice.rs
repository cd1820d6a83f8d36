//! Chance, from a seed: the same seed throws the same numbers, on every machine and in every version.

use std::sync::Mutex;

/// A source of numbers (SplitMix64).
pub struct Dice(Mutex<u64>);

impl Dice {
    /// For this seed; `salt` tells the users of one seed apart.
    pub fn new(seed: u64, salt: &str) -> Self {
        let salted = salt.bytes().fold(seed, |sum, byte| {
            sum.rotate_left(7)
                .wrapping_mul(0x9E37_79B9_7F4A_7C15)
                .wrapping_add(u64::from(byte))
        });
        Self(Mutex::new(salted))
    }

    fn throw(&self) -> u64 {
        let mut state = self.0.lock().unwrap();
        *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `limit`, which is above zero.
    pub fn below(&self, limit: u64) -> u64 {
        self.throw() % limit
    }

    /// Whether something happens that happens so many times in a thousand.
    pub fn happens(&self, in_a_thousand: u64) -> bool {
        self.below(1_000) < in_a_thousand
    }

    /// One of them.
    pub fn pick<'a, T>(&self, from: &'a [T]) -> Option<&'a T> {
        let len = u64::try_from(from.len()).unwrap();
        (len > 0).then(|| &from[usize::try_from(self.below(len)).unwrap()])
    }

    /// A number from one to `most`, small ones as often as large ones.
    pub fn up_to(&self, most: u64) -> u64 {
        let bits = u64::from(64 - most.leading_zeros());
        let top = 1_u64 << self.below(bits);
        (top + self.below(top)).clamp(1, most)
    }
}
