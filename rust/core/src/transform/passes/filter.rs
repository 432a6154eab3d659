//! Pillow's resampling filters and their fixed-point coefficients (`src/libImaging/Resample.c`).
//!
//! An output pixel is a weighted sum of input pixels around its centre. When shrinking, the filter is stretched by
//! the scale (antialiasing). Weights are computed in f64, normalised to a sum of 1 and rounded to 22 bits.

use std::f64::consts::PI;

use crate::{Result, kernel::Coefficients};

/// The interpolations of `torchvision.transforms.InterpolationMode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(into = "u8", try_from = "u8")]
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
                // Pillow has these two as C's `float`, which shows in some pixels.
                x.sin() / x * (f64::from(0.54_f32) + f64::from(0.46_f32) * x.cos())
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

/// The part of an axis that is resized: `start..start + len` in positions of the input, which may be fractions.
///
/// Pillow keeps these numbers in f32 (the `box` of its `resize`). Here they are multiples of 1/8 below 2^16, which f32
/// and f64 both hold exactly.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Interval {
    pub(crate) start: f64,
    pub(crate) len: f64,
}

impl Interval {
    /// The whole of an axis.
    pub(crate) const fn all(input: usize) -> Self {
        Self { start: 0.0, len: input as f64 }
    }
}

/// A filter stretched for a resize of one axis from `input` to `output` positions.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    filter: Filter,
    input: usize,
    start: f64,
    scale: f64,
    /// The filter's width relative to input pixels: at least 1, so that enlarging interpolates.
    stretch: f64,
}

impl Stretch {
    /// Resizes `interval` of an axis of `input` positions. Positions outside the axis are never read.
    pub(crate) fn new(filter: Filter, input: usize, interval: Interval, output: usize) -> Self {
        // An axis that keeps its length is copied: the box of one pixel is that pixel.
        let filter = if Self::copies(input, interval, output) { Filter::Box } else { filter };
        let scale = interval.len / output as f64;
        Self { filter, input, start: interval.start, scale, stretch: scale.max(1.0) }
    }

    /// Whether the axis keeps its positions. Pillow then leaves this direction out.
    pub(crate) fn copies(input: usize, interval: Interval, output: usize) -> bool {
        input == output && interval == Interval::all(output)
    }

    fn centre(&self, position: usize) -> f64 {
        self.start + (position as f64 + 0.5) * self.scale
    }

    fn support(&self) -> f64 {
        self.filter.support() * self.stretch
    }

    /// The input positions that output `position` reads: the first one, and the one after the last.
    fn bounds(&self, position: usize) -> (usize, usize) {
        let (centre, support) = (self.centre(position), self.support());
        // Casts truncate towards zero, as C's do; negative values saturate at 0, where Pillow clamps them.
        ((centre - support + 0.5) as usize, ((centre + support + 0.5) as usize).min(self.input))
    }

    /// Fills `table` with the weights of outputs `first..first + len`. Its input positions are counted from `origin` on.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where memory for the weights runs out.
    pub(crate) fn fill(&self, table: &mut Coefficients, first: usize, len: usize, origin: usize) -> Result<()> {
        let inverse = 1.0 / self.stretch;
        table.clear(len, self.support().ceil() as usize * 2 + 1)?;
        let mut weights = std::mem::take(&mut table.exact);
        for position in first..first + len {
            let centre = self.centre(position);
            let (low, high) = self.bounds(position);
            weights.clear();
            weights.extend((low..high).map(|i| self.filter.weight((i as f64 - centre + 0.5) * inverse)));
            table.push(low - origin, &weights);
        }
        table.exact = weights;
        Ok(())
    }

    /// The input positions that outputs `first..first + len` read: the first one, and the number up to the last.
    pub(crate) fn span(&self, first: usize, len: usize) -> (usize, usize) {
        let low = self.bounds(first).0;
        (low, self.bounds(first + len - 1).1 - low)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::PRECISION_BITS;

    #[test]
    fn weights_sum_to_one() {
        let mut table = Coefficients::default();
        for filter in [Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos] {
            for (input, output) in [(1, 1), (1, 9), (7, 5), (500, 224), (224, 500), (1000, 3), (13, 13)] {
                let stretch = Stretch::new(filter, input, Interval::all(input), output);
                assert!(stretch.span(0, output).1 <= input);
                stretch.fill(&mut table, 0, output, 0).unwrap();
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
        let stretch = Stretch::new(Filter::Bicubic, 333, Interval::all(333), 224);
        stretch.fill(&mut all, 0, 224, 0).unwrap();
        let (origin, len) = stretch.span(100, 24);
        stretch.fill(&mut part, 100, 24, origin).unwrap();
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
        Stretch::new(Filter::Lanczos, 9, Interval::all(9), 9).fill(&mut table, 2, 5, 2).unwrap();
        assert_eq!(table.bounds, (0..5).map(|i| (i, 1)).collect::<Vec<_>>());
        assert!((0..5).all(|i| table.weights(i) == [1 << PRECISION_BITS]));
    }
}
