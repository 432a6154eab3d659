//! The weights that the resampling kernels multiply with.

use crate::{Error, Result};

/// Fractional bits of a coefficient: 32 less 8 for the pixel and 2 for the sum.
pub(crate) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// The weights of a run of output positions along one axis.
#[derive(Debug, Clone, Default)]
pub(crate) struct Coefficients {
    /// For each output position its first input position, and its number of taps.
    pub(crate) bounds: Vec<(usize, usize)>,
    /// `groups` groups of four weights for each output position, unused ones 0.
    weights: Vec<[i32; GROUP]>,
    /// The same weights as the kernel for AVX2 multiplies them.
    split: Vec<SplitWeights>,
    groups: usize,
    /// Whether a weight is not of three digits: see [`Coefficients::has_three_digits`].
    wide: bool,
    /// Memory for the weights of one position before they are rounded.
    pub(crate) exact: Vec<f64>,
}

/// Weights that vector kernels take together.
pub(crate) const GROUP: usize = 4;

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

/// What is added to a weight to have its digits: half the base at each.
pub(crate) const DIGIT_BIAS: i32 = 0x0080_8080;

/// Whether a weight has three digits from -128 to 127 in base 256. A weight of 1 is 64 of the highest, so only weights of
/// almost 2 have more.
#[inline]
pub(crate) fn three_digits(weight: i32) -> bool {
    (0..1 << 24).contains(&weight.wrapping_add(DIGIT_BIAS))
}

impl Coefficients {
    /// Empties the table; of the positions that are pushed from now on there are `positions`, with at most `taps` taps.
    ///
    /// # Errors
    /// [`Error::Memory`]: a line of many millions of pixels needs a weight for each.
    pub(crate) fn clear(&mut self, positions: usize, taps: usize) -> Result<()> {
        self.groups = taps.div_ceil(GROUP);
        self.wide = false;
        self.bounds.clear();
        self.weights.clear();
        self.split.clear();
        let groups = positions.saturating_mul(self.groups);
        let reserved = self.bounds.try_reserve(positions).and_then(|()| self.weights.try_reserve(groups));
        reserved.and_then(|()| self.split.try_reserve(groups)).map_err(|_| Error::Memory(groups.saturating_mul(32)))
    }

    /// Adds an output position: its first input position, and its weights, which are divided by their sum and rounded.
    pub(crate) fn push(&mut self, first: usize, weights: &[f64]) {
        debug_assert!(weights.len() <= self.groups * GROUP);
        self.bounds.push((first, weights.len()));
        let start = self.weights.len();
        let sum: f64 = weights.iter().sum();
        self.weights.resize(start + self.groups, [0; GROUP]);
        let fixed_weights = &mut self.weights[start..];
        for (fixed, weight) in fixed_weights.as_flattened_mut().iter_mut().zip(weights) {
            let normal = if sum == 0.0 { *weight } else { *weight / sum };
            let scaled = normal * f64::from(1u32 << PRECISION_BITS);
            *fixed = if normal < 0.0 { (scaled - 0.5) as i32 } else { (scaled + 0.5) as i32 };
            self.wide |= !three_digits(*fixed);
        }
        self.split.extend(fixed_weights.iter().map(|weights| SplitWeights::new(weights)));
    }

    /// The weights of the `i`-th position of the table, for AVX2: groups of four, the last filled with 0.
    #[inline]
    pub(crate) fn split_weights(&self, i: usize) -> &[SplitWeights] {
        &self.split[i * self.groups..][..self.bounds[i].1.div_ceil(GROUP)]
    }

    /// The weights of all positions: so many groups of four for each, unused ones 0.
    #[inline]
    pub(crate) fn all_weights(&self) -> (&[[i32; GROUP]], usize) {
        (&self.weights, self.groups)
    }

    /// Whether [`three_digits`] holds for all weights.
    #[inline]
    pub(crate) fn has_three_digits(&self) -> bool {
        !self.wide
    }

    /// The weights of the `i`-th position of the table.
    #[inline]
    pub(crate) fn weights(&self, i: usize) -> &[i32] {
        &self.weights[i * self.groups..][..self.groups].as_flattened()[..self.bounds[i].1]
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
