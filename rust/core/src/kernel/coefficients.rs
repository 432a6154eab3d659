//! The weights that the resampling kernels multiply with.

use crate::{Error, Result};

/// Fractional bits of a coefficient: 32 less 8 for the pixel and 2 for the sum.
pub(crate) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The weights of a run of output positions along one axis.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coefficients {
    /// For each output position its first input position, and its number of taps.
    pub(crate) bounds: Vec<(usize, usize)>,
    /// `taps` weights for each output position, unused ones 0.
    weights: Vec<i32>,
    /// The most taps of any position.
    taps: usize,
    /// The same weights for the vector kernel: `groups` for each output position.
    split: Vec<SplitWeights>,
    groups: usize,
    /// Memory for the weights of one position before they are rounded.
    pub(crate) exact: Vec<f64>,
}

/// Four weights `k`, each as `high * 2^11 + low`: two parts that fit 16 bits, as the vector kernel multiplies them.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C, align(16))]
pub(crate) struct SplitWeights(
    /// The high parts, then the low parts.
    pub(crate) [i16; 8],
);

impl SplitWeights {
    /// Bits of the low part.
    pub(crate) const LOW_BITS: u32 = 11;

    /// Splits up to four weights.
    fn new(weights: &[i32]) -> Self {
        let mut this = Self::default();
        for (i, &weight) in weights.iter().enumerate() {
            this.0[i] = (weight >> Self::LOW_BITS) as i16;
            this.0[4 + i] = (weight & ((1 << Self::LOW_BITS) - 1)) as i16;
        }
        this
    }
}

impl Coefficients {
    /// Empties the table; of the positions that are pushed from now on there are `positions`, with at most `taps` taps.
    ///
    /// # Errors
    /// [`Error::Memory`]: a line of many millions of pixels needs a weight for each.
    pub(crate) fn clear(&mut self, positions: usize, taps: usize) -> Result<()> {
        self.taps = taps;
        self.groups = taps.div_ceil(4);
        self.bounds.clear();
        self.weights.clear();
        self.split.clear();
        let (weights, split) = (positions.saturating_mul(taps), positions.saturating_mul(self.groups));
        let reserved = self.bounds.try_reserve(positions).and_then(|()| self.weights.try_reserve(weights));
        reserved.and_then(|()| self.split.try_reserve(split)).map_err(|_| Error::Memory(weights.saturating_mul(8)))
    }

    /// Adds an output position: its first input position, and its weights, which are divided by their sum and rounded.
    pub(crate) fn push(&mut self, first: usize, weights: &[f64]) {
        debug_assert!(weights.len() <= self.taps);
        self.bounds.push((first, weights.len()));
        let start = self.weights.len();
        let sum: f64 = weights.iter().sum();
        self.weights.extend(weights.iter().map(|weight| {
            let normal = if sum == 0.0 { *weight } else { *weight / sum };
            let fixed = normal * f64::from(1u32 << PRECISION_BITS);
            if normal < 0.0 { (fixed - 0.5) as i32 } else { (fixed + 0.5) as i32 }
        }));
        self.weights.resize(start + self.taps, 0);
        self.split.extend(self.weights[start..].chunks(4).map(SplitWeights::new));
    }

    /// The weights of the `i`-th position of the table, for the vector kernel: groups of four, the last filled with 0.
    #[inline]
    pub(crate) fn split_weights(&self, i: usize) -> &[SplitWeights] {
        &self.split[i * self.groups..][..self.bounds[i].1.div_ceil(4)]
    }

    /// The weights of all positions, for the vector kernel: so many groups of four for each, unused ones 0.
    #[inline]
    pub(crate) fn all_split_weights(&self) -> (&[SplitWeights], usize) {
        (&self.split, self.groups)
    }

    /// The weights of the `i`-th position of the table.
    #[inline]
    pub(crate) fn weights(&self, i: usize) -> &[i32] {
        &self.weights[i * self.taps..][..self.bounds[i].1]
    }

    /// Resamples columns of bytes of rows that begin every `stride` bytes: the rows of `out`, every `out_stride` bytes,
    /// are the output positions from the table's `first` on.
    pub(crate) fn apply_to_columns(&self, rows: &[u8], stride: usize, first: usize, out: &mut [u8], out_stride: usize) {
        for (i, out) in out.chunks_exact_mut(out_stride).enumerate() {
            let rows = &rows[self.bounds[first + i].0 * stride..];
            super::resample_column(rows, stride, self.weights(first + i), out);
        }
    }

    /// Resamples rows of pixels of `channels` channels, which begin every `stride` bytes, to rows of `out` without gaps.
    pub(crate) fn apply_to_rows(&self, rows: &[u8], stride: usize, channels: usize, out: &mut [u8]) {
        let out_stride = self.bounds.len() * channels;
        if channels == 1 {
            super::resample_rows_gray(rows, stride, self, out, out_stride);
        } else {
            super::resample_rows_rgb(rows, stride, self, out, out_stride);
        }
    }
}
