//! `Gaussian`: `torchvision.transforms.functional.gaussian_blur`.
//!
//! torchvision makes a kernel in two dimensions, the product of two in one (see [`gaussian_kernel`]), mirrors the image at
//! its edges, and calls torch's convolution in single precision, whose sums are rounded to bytes.
//!
//! What torch's sum of a pixel is to the last bit depends on the order of its additions: row by row and from left to right,
//! each with its product in one step. Only where a sum is near the middle of two bytes does that matter. So all sums are
//! made in two passes, across and down, with an error that is known, and those near a middle are made again in torch's
//! order.

use std::fmt;

use super::{gaussian_kernel::gaussian_kernel, stencil};
use crate::{
    Result,
    image::{Rect, Size, View, Window, resize as make_room},
    interrupt::Pace,
    kernel,
};

/// A blur of an image of `size`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Gaussian {
    size: Size,
    /// Odd numbers of weights, each less than twice the edge of the image.
    across: Box<[f32]>,
    down: Box<[f32]>,
}

/// Memory for the inside of a blur, used again for every sample.
#[derive(Debug, Default)]
pub(crate) struct GaussianScratch {
    /// A row with its mirrored ends.
    row: Vec<f32>,
    /// Where the row begins for each weight.
    columns: Vec<usize>,
    /// Rows that are blurred across: as many as there are weights down.
    rows: Vec<f32>,
    /// Where the rows begin, for each weight.
    starts: Vec<usize>,
    sums: Vec<f32>,
}

/// Numbers that are rounded together.
const BLOCK: usize = 64;

impl Gaussian {
    /// A blur by kernels of `kernel_size` (columns, rows) and the standard deviations `sigma`: v2's, if `is_softmax`.
    pub(crate) fn new(size: Size, kernel_size: [usize; 2], sigma: [f64; 2], is_softmax: bool) -> Self {
        let [across, down] = [0, 1].map(|axis| gaussian_kernel(kernel_size[axis], sigma[axis], is_softmax).into());
        Self { size, across, down }
    }

    /// The rectangle of the input that `rect` of the output reads. What is mirrored is no farther away.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        stencil::around(rect, self.size, [self.down.len() / 2, self.across.len() / 2])
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(
        &self,
        image: View<'_>,
        rect: Rect,
        GaussianScratch { row, columns, rows, starts, sums }: &mut GaussianScratch,
        out: &mut Window,
    ) -> Result<()> {
        let channels = image.channels;
        let (length, kept) = (rect.width * channels, self.down.len());
        make_room(row, length + (self.across.len() - 1) * channels)?;
        make_room(rows, length * kept)?;
        make_room(sums, length)?;
        make_room(columns, self.across.len())?;
        make_room(starts, kept)?;
        out.try_reset(self.size, rect, channels)?;
        columns.iter_mut().enumerate().for_each(|(at, start)| *start = at * channels);
        let tolerance = self.tolerance();
        let mut blurred = self.needs(rect).top;
        let mut pace = Pace::new();
        for (y, line) in (rect.top..).zip(out.data.chunks_exact_mut(length)) {
            if pace.after(length * (kept + self.across.len()) / 8) {
                break;
            }
            let reach = kept / 2;
            for from in blurred..(y + reach + 1).min(self.size.height) {
                self.fill(image, from, rect, row);
                let to = &mut rows[from % kept * length..][..length];
                kernel::weigh_lines(&self.across, row, columns, to);
            }
            blurred = blurred.max((y + reach + 1).min(self.size.height));
            for (at, start) in starts.iter_mut().enumerate() {
                *start = mirrored(y + at, reach, self.size.height) % kept * length;
            }
            kernel::weigh_lines(&self.down, rows, starts, sums);
            for (number, (sums, bytes)) in sums.chunks(BLOCK).zip(line.chunks_mut(BLOCK)).enumerate() {
                if !kernel::round_bytes(sums, tolerance, bytes) {
                    continue;
                }
                for (at, (sum, byte)) in (number * BLOCK..).zip(sums.iter().zip(bytes)) {
                    if (sum - sum.round()).abs() > 0.5 - tolerance {
                        *byte = self.exact(image, y, rect.left + at / channels, at % channels);
                        if pace.after(kept * self.across.len()) {
                            return Ok(());
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// Fills `row` with the pixels of row `y` that the columns of `rect` need.
    fn fill(&self, image: View<'_>, y: usize, rect: Rect, row: &mut [f32]) {
        let (channels, width, reach) = (image.channels, self.size.width, self.across.len() / 2);
        let Rect { left, width: held, .. } = self.needs(rect);
        let pixels = image.row(y, left, held);
        let beyond = (reach - (rect.left - left)) * channels;
        let (before, rest) = row.split_at_mut(beyond);
        let (inside, after) = rest.split_at_mut(pixels.len());
        inside.iter_mut().zip(pixels).for_each(|(number, &byte)| *number = f32::from(byte));
        let mirror = |at: usize, pixel: &mut [f32]| {
            let from = (mirrored(rect.left + at, reach, width) - left) * channels;
            pixel.iter_mut().zip(&pixels[from..]).for_each(|(number, &byte)| *number = f32::from(byte));
        };
        before.chunks_exact_mut(channels).enumerate().for_each(|(at, pixel)| mirror(at, pixel));
        let first = beyond / channels + held;
        (first..).zip(after.chunks_exact_mut(channels)).for_each(|(at, pixel)| mirror(at, pixel));
    }

    /// How far a sum of [`kernel::weigh_lines`] may be from torch's. Both err by at most half a unit of the last place, 2^-17
    /// below 256, with each addition; that of many errors is much smaller than their largest sum.
    fn tolerance(&self) -> f32 {
        let (across, down) = (self.across.len() as f32, self.down.len() as f32);
        let product = across * down;
        ((product.min(8.0 * product.sqrt()) + across + down) / (1 << 17) as f32).min(0.5)
    }

    /// One byte, with torch's order of additions.
    fn exact(&self, image: View<'_>, y: usize, x: usize, channel: usize) -> u8 {
        let reach = [self.down.len() / 2, self.across.len() / 2];
        let Rect { left, width, .. } = image.rect;
        let mut sum = 0.0_f32;
        for (i, down) in self.down.iter().enumerate() {
            let row = image.row(mirrored(y + i, reach[0], self.size.height), left, width);
            for (j, across) in self.across.iter().enumerate() {
                let x = mirrored(x + j, reach[1], self.size.width) - left;
                sum = f32::from(row[x * image.channels + channel]).mul_add(down * across, sum);
            }
        }
        sum.round_ties_even() as u8
    }
}

/// The position `at - reach` on an axis of `len` pixels, of which the one at each end is a mirror.
fn mirrored(at: usize, reach: usize, len: usize) -> usize {
    let from = at.abs_diff(reach);
    if from < len { from } else { 2 * (len - 1) - from }
}

impl fmt::Display for Gaussian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blur by a kernel of {} x {}", self.down.len(), self.across.len())
    }
}
