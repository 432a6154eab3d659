//! Pillow's resampling filters and their fixed-point coefficients (`src/libImaging/Resample.c`).
//!
//! An output pixel is a weighted sum of input pixels around its centre. When shrinking, the filter is stretched by
//! the scale (antialiasing). Weights are computed in f64, normalised to a sum of 1 and rounded to 22 bits.

use std::f64::consts::PI;

use crate::kernel;

/// The interpolations of `torchvision.transforms.InterpolationMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Filter {
    /// The nearest pixel; no weights.
    Nearest,
    /// The mean of the pixels in the box.
    Box,
    /// Triangle.
    Bilinear,
    /// Hamming-windowed sinc of support 1.
    Hamming,
    /// Cubic convolution with a = -0.5.
    Bicubic,
    /// Sinc windowed by a sinc, support 3.
    Lanczos,
}

impl Filter {
    /// Half the filter's width in output pixels.
    const fn support(self) -> f64 {
        match self {
            Filter::Nearest => 0.0,
            Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            Filter::Lanczos => 3.0,
        }
    }

    /// The weight at distance `x` from the centre.
    fn weight(self, x: f64) -> f64 {
        const A: f64 = -0.5;
        let distance = x.abs();
        match self {
            Filter::Box if x > -0.5 && x <= 0.5 => 1.0,
            Filter::Bilinear if distance < 1.0 => 1.0 - distance,
            Filter::Hamming if distance == 0.0 => 1.0,
            Filter::Hamming if distance < 1.0 => {
                let x = distance * PI;
                x.sin() / x * (0.54 + 0.46 * x.cos())
            }
            Filter::Bicubic if distance < 1.0 => ((A + 2.0) * distance - (A + 3.0)) * distance * distance + 1.0,
            Filter::Bicubic if distance < 2.0 => (((distance - 5.0) * distance + 8.0) * distance - 4.0) * A,
            Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
            _ => 0.0,
        }
    }
}

fn sinc(x: f64) -> f64 {
    if x == 0.0 {
        return 1.0;
    }
    let x = x * PI;
    x.sin() / x
}

/// Fractional bits of a coefficient: 32 less 8 for the pixel and 2 for the sum.
pub(crate) const PRECISION_BITS: u32 = 32 - 8 - 2;

/// A filter stretched for a resize of one axis from `input` to `output` positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    filter: Filter,
    input: usize,
    scale: f64,
    /// The filter's width relative to input pixels: at least 1, so that enlarging interpolates.
    stretch: f64,
}

impl Stretch {
    pub(crate) fn new(filter: Filter, input: usize, output: usize) -> Self {
        // An axis that keeps its length is copied: the box of one pixel is that pixel.
        let filter = if input == output { Filter::Box } else { filter };
        let scale = input as f64 / output as f64;
        Self { filter, input, scale, stretch: scale.max(1.0) }
    }

    fn centre(&self, position: usize) -> f64 {
        (position as f64 + 0.5) * self.scale
    }

    fn support(&self) -> f64 {
        self.filter.support() * self.stretch
    }

    /// The input positions that output `position` reads: the first, and the first not read.
    fn bounds(&self, position: usize) -> (usize, usize) {
        let (centre, support) = (self.centre(position), self.support());
        // Casts truncate towards zero, as C's do; negative values saturate at 0, where Pillow clamps them.
        ((centre - support + 0.5) as usize, ((centre + support + 0.5) as usize).min(self.input))
    }

    /// The first input position, and how many up to the last, that outputs `first..first + len` read.
    pub(crate) fn span(&self, first: usize, len: usize) -> (usize, usize) {
        let low = self.bounds(first).0;
        (low, self.bounds(first + len - 1).1 - low)
    }
}

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
    exact: Vec<f64>,
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
    /// Fills the table for outputs `first..first + len`, with input positions counted from `origin` on.
    pub(crate) fn fill(&mut self, stretch: Stretch, first: usize, len: usize, origin: usize) {
        let inverse = 1.0 / stretch.stretch;
        self.taps = stretch.support().ceil() as usize * 2 + 1;
        self.bounds.clear();
        self.weights.clear();
        self.weights.resize(len * self.taps, 0);
        for (position, weights) in (first..first + len).zip(self.weights.chunks_exact_mut(self.taps)) {
            let centre = stretch.centre(position);
            let (low, high) = stretch.bounds(position);
            self.bounds.push((low - origin, high - low));
            self.exact.clear();
            self.exact.extend((low..high).map(|i| stretch.filter.weight((i as f64 - centre + 0.5) * inverse)));
            let sum: f64 = self.exact.iter().sum();
            for (weight, exact) in weights.iter_mut().zip(&self.exact) {
                let normal = if sum == 0.0 { *exact } else { *exact / sum };
                let fixed = normal * f64::from(1u32 << PRECISION_BITS);
                *weight = if normal < 0.0 { fixed - 0.5 } else { fixed + 0.5 } as i32;
            }
        }
        self.groups = self.taps.div_ceil(4);
        self.split.clear();
        for weights in self.weights.chunks_exact(self.taps) {
            self.split.extend(weights.chunks(4).map(SplitWeights::new));
        }
    }

    /// The weights of the `i`-th position of the table, for the vector kernel: groups of four, the last filled with 0.
    #[inline]
    pub(crate) fn split_weights(&self, i: usize) -> &[SplitWeights] {
        &self.split[i * self.groups..][..self.bounds[i].1.div_ceil(4)]
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
            kernel::resample_column(rows, stride, self.weights(first + i), out);
        }
    }

    /// Resamples rows of pixels of `channels` channels, which begin every `stride` bytes, to rows of `out` without gaps.
    pub(crate) fn apply_to_rows(&self, rows: &[u8], stride: usize, channels: usize, out: &mut [u8]) {
        let out_stride = self.bounds.len() * channels;
        if channels == 1 {
            kernel::resample_rows_gray(rows, stride, self, out, out_stride);
        } else {
            kernel::resample_rows_rgb(rows, stride, self, out, out_stride);
        }
    }
}

/// The input position of every output position of a nearest-neighbour resize; `None` stays black.
///
/// Pillow adds the scale up instead of multiplying (`ImagingScaleAffine` in `Geometry.c`), and so do we.
pub(crate) fn nearest(input: usize, output: usize) -> Vec<Option<usize>> {
    let scale = input as f64 / output as f64;
    let mut at = scale * 0.5;
    (0..output)
        .map(|_| {
            let position = at as usize;
            at += scale;
            (position < input).then_some(position)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_sum_to_one() {
        let mut table = Coefficients::default();
        for filter in [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos] {
            for (input, output) in [(1, 1), (1, 9), (7, 5), (500, 224), (224, 500), (1000, 3), (13, 13)] {
                let stretch = Stretch::new(filter, input, output);
                assert!(stretch.span(0, output).1 <= input);
                table.fill(stretch, 0, output, 0);
                for i in 0..output {
                    let sum: i32 = table.weights(i).iter().sum();
                    let taps = table.weights(i).len() as i32;
                    assert!((sum - (1 << PRECISION_BITS)).abs() <= taps, "{filter:?} {input} {output} {i} {sum}");
                }
            }
        }
    }

    #[test]
    fn part_of_a_table_is_that_part() {
        let (mut all, mut part) = (Coefficients::default(), Coefficients::default());
        let stretch = Stretch::new(Filter::Bicubic, 333, 224);
        all.fill(stretch, 0, 224, 0);
        let (origin, len) = stretch.span(100, 24);
        part.fill(stretch, 100, 24, origin);
        for i in 0..24 {
            let (first, taps) = part.bounds[i];
            assert_eq!(all.bounds[100 + i], (first + origin, taps));
            assert_eq!(all.weights(100 + i), part.weights(i));
            assert!(first + taps <= len);
        }
    }

    #[test]
    fn an_axis_that_keeps_its_length_is_copied() {
        let mut table = Coefficients::default();
        table.fill(Stretch::new(Filter::Lanczos, 9, 9), 2, 5, 2);
        assert_eq!(table.bounds, (0..5).map(|i| (i, 1)).collect::<Vec<_>>());
        assert!((0..5).all(|i| table.weights(i) == [1 << PRECISION_BITS]));
    }

    #[test]
    fn nearest_takes_centres() {
        assert_eq!(nearest(4, 2), [Some(1), Some(3)]);
        assert_eq!(nearest(2, 4), [Some(0), Some(0), Some(1), Some(1)]);
    }
}
