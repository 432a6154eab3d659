//! Samples that took longer than they should: made all the same, and reported.

use std::{path::PathBuf, time::Duration};

/// A sample that took longer than the limit's `soft_time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slow {
    /// Its index in the pipeline.
    pub index: usize,
    /// Its file, where it has one.
    pub path: Option<PathBuf>,
    /// How long it took to read, decode and transform.
    pub time: Duration,
}

/// The slow samples of an epoch: how many, and the slowest of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlowSamples {
    /// How many there were.
    pub count: u64,
    /// Up to [`SlowSamples::KEPT`] of them, the slowest first.
    pub slowest: Vec<Slow>,
}

impl SlowSamples {
    /// So many are kept: enough to look into, however long the epoch.
    pub const KEPT: usize = 16;

    /// Adds one.
    pub(super) fn add(&mut self, slow: Slow) {
        self.count += 1;
        self.keep(slow);
    }

    /// Adds those of a batch.
    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        other.slowest.into_iter().for_each(|slow| self.keep(slow));
    }

    fn keep(&mut self, slow: Slow) {
        let at = self.slowest.partition_point(|other| other.time >= slow.time);
        self.slowest.insert(at, slow);
        self.slowest.truncate(Self::KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_kept_in_order() {
        let slow = |index| Slow { index, path: None, time: Duration::from_secs(index as u64 * 7 % 30) };
        let (mut one, mut other, mut all) = (SlowSamples::default(), SlowSamples::default(), SlowSamples::default());
        for index in 1..30 {
            if index % 3 == 0 { &mut one } else { &mut other }.add(slow(index));
            all.add(slow(index));
        }
        one.append(other);
        assert_eq!(one, all);
        let seconds: Vec<u64> = all.slowest.iter().map(|slow| slow.time.as_secs()).collect();
        assert_eq!((all.count, seconds), (29, (14..30).rev().collect()));
    }
}
