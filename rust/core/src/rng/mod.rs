//! Counter-based random numbers: Philox4x32-10.
//!
//! J. K. Salmon, M. A. Moraes, R. O. Dror, D. E. Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
//! A stream is a pure function of its key and counter, so a sample's augmentation does not depend on which thread
//! draws it, nor on what was drawn before.

mod normals;

pub use normals::Normals;

/// What a sample's random parameters depend on, and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    /// The epoch's seed.
    pub seed: u64,
    /// The sample's index in its dataset; the lower 48 bits count.
    pub index: u64,
    /// How often this index came up before in this epoch.
    pub occurrence: u32,
}

/// An endless sequence of random numbers for one transform of one sample.
#[derive(Debug, Clone)]
pub struct Stream {
    key: [u32; 2],
    counter: [u32; 4],
    block: [u32; 4],
    used: usize,
}

impl Stream {
    /// The stream of transform number `op` of the sample that `key` names.
    #[must_use]
    pub fn new(key: Key, op: u16) -> Self {
        let high = (key.index >> 32) as u32 & 0xffff;
        Self {
            key: [key.seed as u32, (key.seed >> 32) as u32],
            counter: [0, key.index as u32, high | u32::from(op) << 16, key.occurrence],
            block: [0; 4],
            used: 4,
        }
    }

    /// 32 uniform bits.
    #[inline]
    pub fn bits(&mut self) -> u32 {
        if self.used == 4 {
            self.block = philox(self.counter, self.key);
            self.counter[0] = self.counter[0].wrapping_add(1);
            self.used = 0;
        }
        self.used += 1;
        self.block[self.used - 1]
    }

    /// A number in `[0, 1)`, a multiple of 2^-53.
    pub fn unit(&mut self) -> f64 {
        let bits = u64::from(self.bits()) << 32 | u64::from(self.bits());
        (bits >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in `[low, high)`, or `low` where they are equal.
    pub fn uniform(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Two numbers of the standard normal distribution.
    ///
    /// G. E. P. Box, M. E. Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29 (1958).
    pub fn normals(&mut self) -> [f64; 2] {
        // Never the logarithm of 0.
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        let (sine, cosine) = (self.unit() * std::f64::consts::TAU).sin_cos();
        [radius * cosine, radius * sine]
    }

    /// An integer in `0..end`, without bias.
    ///
    /// D. Lemire, "Fast random integer generation in an interval", ACM TOMACS 29 (2019).
    pub fn below(&mut self, end: usize) -> usize {
        debug_assert!(end > 0 && u32::try_from(end).is_ok());
        let end = end as u32;
        let mut product = u64::from(self.bits()) * u64::from(end);
        if (product as u32) < end {
            let threshold = end.wrapping_neg() % end;
            while (product as u32) < threshold {
                product = u64::from(self.bits()) * u64::from(end);
            }
        }
        (product >> 32) as usize
    }
}

/// The number of the stream of normal numbers, whose seeds are their own.
const NORMALS: u16 = 0;

/// The number of the stream of what is drawn for a batch as a whole: no plan has that many transforms.
const BATCH: u16 = u16::MAX;

/// The seed of what is drawn for batch number `batch` as a whole, in an epoch of `seed`: 63 bits, which every
/// generator takes.
#[must_use]
pub fn batch_seed(seed: u64, batch: u64) -> u64 {
    let mut stream = Stream::new(Key { seed, index: batch, occurrence: 0 }, BATCH);
    (u64::from(stream.bits()) << 32 | u64::from(stream.bits())) >> 1
}

/// The number of the stream of what takes the place of a sample that cannot be made.
const SUBSTITUTE: u16 = u16::MAX - 1;

/// `count` numbers in `0..end`: where in a list of samples to look for one that takes the place of sample number
/// `number` of an epoch of `seed`.
#[must_use]
pub fn substitutes(seed: u64, number: u64, end: usize, count: usize) -> Vec<usize> {
    let mut stream = Stream::new(Key { seed, index: number, occurrence: 0 }, SUBSTITUTE);
    (0..count).map(|_| stream.below(end)).collect()
}

/// Ten rounds of Philox4x32, with the multipliers and Weyl constants of the paper's table 2.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let a = u64::from(counter[0]) * 0xD251_1F53;
        let b = u64::from(counter[2]) * 0xCD9E_8D57;
        counter = [(b >> 32) as u32 ^ counter[1] ^ key[0], b as u32, (a >> 32) as u32 ^ counter[3] ^ key[1], a as u32];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known-answer vectors of Random123 (`kat_vectors`, philox4x32 10).
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(philox([u32::MAX; 4], [u32::MAX; 2]), [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]);
        let pi = philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]);
        assert_eq!(pi, [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn streams_differ_in_every_part_of_the_key() {
        let key = Key { seed: 1, index: 2, occurrence: 3 };
        let first = |key, op| Stream::new(key, op).bits();
        let all = [
            first(key, 0),
            first(key, 1),
            first(Key { seed: 2, ..key }, 0),
            first(Key { seed: 1 << 40, ..key }, 0),
            first(Key { index: 3, ..key }, 0),
            first(Key { index: 1 << 40, ..key }, 0),
            first(Key { occurrence: 4, ..key }, 0),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn seeds_of_batches_are_of_63_bits_and_differ() {
        let all: Vec<_> = (0..3).flat_map(|seed| (0..100).map(move |batch| batch_seed(seed, batch))).collect();
        assert!(all.iter().all(|&seed| seed >> 63 == 0));
        assert!(all.iter().enumerate().all(|(i, a)| all[..i].iter().all(|b| a != b)));
        // The first two words of the stream, by the known answers: key 0, counter (0, 0, 0xffff0000, 0).
        let words = philox([0, 0, 0xffff_0000, 0], [0; 2]);
        assert_eq!(batch_seed(0, 0), (u64::from(words[0]) << 32 | u64::from(words[1])) >> 1);
    }

    #[test]
    fn substitutes_are_in_range_and_of_a_stream_of_their_own() {
        let all: Vec<_> = (0..50).map(|number| substitutes(7, number, 256, 16)).collect();
        assert!(all.iter().flatten().all(|&at| at < 256));
        assert!(all.iter().enumerate().all(|(i, a)| all[..i].iter().all(|b| a != b)));
        assert_eq!(substitutes(7, 3, 256, 4), all[3][..4]);
        // The first word of the stream, by the known answers: key 0, counter (0, 0, 0xfffe0000, 0); times 1 << 31.
        assert_eq!(substitutes(0, 0, 1 << 31, 1), [(philox([0, 0, 0xfffe_0000, 0], [0; 2])[0] >> 1) as usize]);
    }

    #[test]
    fn draws_fill_their_ranges_evenly() {
        let mut stream = Stream::new(Key { seed: 7, index: 0, occurrence: 0 }, 0);
        let mut counts = [0u32; 5];
        for _ in 0..50_000 {
            counts[stream.below(5)] += 1;
        }
        assert!(counts.iter().all(|&n| (9_500..10_500).contains(&n)), "{counts:?}");
        let mean = (0..50_000).map(|_| stream.uniform(2.0, 4.0)).sum::<f64>() / 50_000.0;
        assert!((mean - 3.0).abs() < 0.02, "{mean}");
        assert_eq!(stream.uniform(1.5, 1.5), 1.5);
        let normal: Vec<f64> = (0..25_000).flat_map(|_| stream.normals()).collect();
        let within = |limit: f64| normal.iter().filter(|x| x.abs() < limit).count();
        assert!((33_800..34_500).contains(&within(1.0)) && (47_500..47_950).contains(&within(2.0)));
        assert!((normal.iter().sum::<f64>() / 50_000.0).abs() < 0.02);
    }
}
