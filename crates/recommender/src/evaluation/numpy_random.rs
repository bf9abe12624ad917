//! numpy's `default_rng`: SeedSequence and PCG64 (O'Neill 2014), as far as splits and bootstrap draw from it. The published
//! protocol is a numpy script, and only the same draws give the same viewers.

const MULTIPLIER: u128 = 0x2360_ED05_1FC6_5DA4_4385_DF64_9FCC_F645;

pub(super) struct NumpyRandom {
    state: u128,
    increment: u128,
    /// The upper half of the last 64 bits, where only the lower was used.
    spare: Option<u32>,
}

impl NumpyRandom {
    pub(super) fn new(seed: u32) -> Self {
        let words = seed_sequence(seed);
        let wide = |i: usize| (u128::from(words[i]) << 64) | u128::from(words[i + 1]);
        let mut random = Self { state: 0, increment: (wide(2) << 1) | 1, spare: None };
        random.step();
        random.state = random.state.wrapping_add(wide(0));
        random.step();
        random
    }

    fn step(&mut self) {
        self.state = self.state.wrapping_mul(MULTIPLIER).wrapping_add(self.increment);
    }

    fn next32(&mut self) -> u32 {
        if let Some(spare) = self.spare.take() {
            return spare;
        }
        self.step();
        let folded = (self.state >> 64) as u64 ^ self.state as u64;
        let value = folded.rotate_right((self.state >> 122) as u32);
        self.spare = Some((value >> 32) as u32);
        value as u32
    }

    /// Uniform below `bound`: `Generator.integers` (Lemire 2019).
    pub(super) fn below(&mut self, bound: u32) -> u32 {
        let mut product = u64::from(self.next32()) * u64::from(bound);
        if (product as u32) < bound {
            let threshold = bound.wrapping_neg() % bound;
            while (product as u32) < threshold {
                product = u64::from(self.next32()) * u64::from(bound);
            }
        }
        (product >> 32) as u32
    }

    /// `Generator.permutation`: draws by mask and rejection.
    pub(super) fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let mask = u32::MAX >> (last as u32).leading_zeros();
            let other = loop {
                let draw = (self.next32() & mask) as usize;
                if draw <= last {
                    break draw;
                }
            };
            values.swap(last, other);
        }
    }
}

fn seed_sequence(seed: u32) -> [u64; 4] {
    let mut constant = 0x43b0_d7e5u32;
    let mut hash = |value: u32| {
        let value = value ^ constant;
        constant = constant.wrapping_mul(0x931e_8875);
        let value = value.wrapping_mul(constant);
        value ^ (value >> 16)
    };
    let mut pool = [seed, 0, 0, 0].map(&mut hash);
    for source in 0..4 {
        for target in (0..4).filter(|&target| target != source) {
            let mixed =
                pool[target].wrapping_mul(0xca01_f9dd).wrapping_sub(hash(pool[source]).wrapping_mul(0x4973_f715));
            pool[target] = mixed ^ (mixed >> 16);
        }
    }
    let mut constant = 0x8b51_f9ddu32;
    let words: [u32; 8] = std::array::from_fn(|i| {
        let value = pool[i % 4] ^ constant;
        constant = constant.wrapping_mul(0x58f3_8ded);
        let value = value.wrapping_mul(constant);
        value ^ (value >> 16)
    });
    std::array::from_fn(|i| u64::from(words[2 * i]) | (u64::from(words[2 * i + 1]) << 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_equal_numpys() {
        let mut random = NumpyRandom::new(7);
        let mut values: Vec<u32> = (0..20).collect();
        random.shuffle(&mut values);
        assert_eq!(values, PERMUTATION);
        let mut random = NumpyRandom::new(0);
        let draws: Vec<u32> = (0..20).map(|_| random.below(610)).collect();
        assert_eq!(draws, DRAWS);
    }

    // np.random.default_rng(7).permutation(20), np.random.default_rng(0).integers(0, 610, 20)
    const PERMUTATION: [u32; 20] = [3, 8, 12, 13, 14, 16, 10, 15, 1, 6, 0, 7, 4, 18, 5, 19, 17, 2, 9, 11];
    const DRAWS: [u32; 20] =
        [518, 388, 311, 164, 187, 24, 45, 10, 106, 496, 396, 556, 307, 370, 592, 444, 385, 331, 341, 570];
}
