//! `BoxBlur`: Pillow's `ImageFilter.BoxBlur` and `ImageFilter.GaussianBlur` (`src/libImaging/BoxBlur.c`).

use std::fmt;

use super::stencil;
use crate::{
    Result,
    image::{Rect, Size, View, Window, resize as make_room},
    interrupt::{self, Pace},
    kernel::{self, BoxWeights},
};

/// The mean over a box around each pixel of an image of `size`, taken several times, across and then down.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BoxBlur {
    size: Size,
    /// How often.
    times: usize,
    across: Box,
    down: Box,
}

/// A box in one direction: `2 * radius + 1` whole pixels, and a fraction of one more at each end.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Box {
    radius: u32,
    weights: BoxWeights,
    /// Whether the box is one pixel.
    is_point: bool,
}

/// Memory for the inside of a blur, used again for every sample.
#[derive(Debug, Default)]
pub(crate) struct BlurScratch {
    lines: [Vec<u8>; 2],
    /// The sum over the whole pixels of a box, for each byte of a line.
    sums: Vec<u32>,
}

impl BoxBlur {
    /// A box blur of `radius` (columns, rows).
    pub(crate) fn once(size: Size, radius: [f32; 2]) -> Self {
        Self { size, times: 1, across: Box::new(radius[0]), down: Box::new(radius[1]) }
    }

    /// A Gaussian blur: three box blurs with the variance of a Gaussian of the standard deviations `sigma` (columns, rows).
    pub(crate) fn gaussian(size: Size, sigma: [f32; 2]) -> Self {
        let [across, down] = sigma.map(|sigma| Box::new(box_radius(sigma, 3)));
        Self { size, times: 3, across, down }
    }

    /// The rectangle of the input that `rect` of the output reads.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        stencil::around(rect, self.size, [self.down, self.across].map(|one| one.reach().saturating_mul(self.times)))
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    ///
    /// What is not part of the image counts as the pixel at its edge. The edges of the rectangle that is read are treated
    /// alike, which makes wrong pixels there, none of which reaches `rect`.
    pub(crate) fn run(
        &self,
        image: View<'_>,
        rect: Rect,
        BlurScratch { lines: [one, other], sums }: &mut BlurScratch,
        out: &mut Window,
    ) -> Result<()> {
        let (needs, channels) = (self.needs(rect), image.channels);
        let (height, width) = (needs.height, needs.width);
        let bytes = height * width * channels;
        make_room(one, bytes)?;
        make_room(other, bytes)?;
        make_room(sums, height.max(width) * channels)?;
        out.try_reset(self.size, rect, channels)?;
        let rows = &mut one[..bytes];
        for (y, line) in (needs.top..).zip(rows.chunks_exact_mut(width * channels)) {
            line.copy_from_slice(image.row(y, needs.left, width));
        }
        let mut pace = Pace::new();
        if !self.across.is_point {
            // Columns become lines: a sum of lines takes many pixels at a time.
            transpose(&one[..bytes], channels, width, &mut other[..bytes], &mut pace);
            std::mem::swap(one, other);
            self.repeat(self.across, [one, other], height * channels, width, sums, &mut pace);
            transpose(&one[..bytes], channels, height, &mut other[..bytes], &mut pace);
            std::mem::swap(one, other);
        }
        self.repeat(self.down, [one, other], width * channels, height, sums, &mut pace);
        let (top, left) = (rect.top - needs.top, rect.left - needs.left);
        let stride = out.stride();
        for (y, line) in out.data.chunks_exact_mut(stride).enumerate() {
            line.copy_from_slice(&one[((top + y) * width + left) * channels..][..stride]);
        }
        Ok(())
    }

    /// Blurs the `count` lines of `length` bytes in `one` along their order, as often as it takes. They end in `one`.
    fn repeat(
        &self,
        kernel: Box,
        [one, other]: [&mut Vec<u8>; 2],
        length: usize,
        count: usize,
        sums: &mut [u32],
        pace: &mut Pace,
    ) {
        if kernel.is_point {
            return;
        }
        for _ in 0..self.times {
            if interrupt::stopped() {
                break;
            }
            let bytes = length * count;
            kernel.blur(&one[..bytes], &mut other[..bytes], length, &mut sums[..length], pace);
            std::mem::swap(one, other);
        }
    }
}

impl Box {
    fn new(radius: f32) -> Self {
        let whole = (16_777_216.0 / (radius * 2.0 + 1.0)) as u32;
        let integer = radius as u32;
        let pixels = integer.wrapping_mul(2).wrapping_add(1);
        let end = (1u32 << 24).wrapping_sub(pixels.wrapping_mul(whole)) / 2;
        Self { radius: integer, weights: BoxWeights { whole, end }, is_point: radius == 0.0 }
    }

    /// How many pixels away a pixel is read.
    const fn reach(&self) -> usize {
        if self.is_point { 0 } else { self.radius as usize + 1 }
    }

    /// Blurs lines of `length` bytes along their order.
    fn blur(&self, from: &[u8], to: &mut [u8], length: usize, sums: &mut [u32], pace: &mut Pace) {
        let last = from.len() / length - 1;
        let line = |at: usize| &from[at.min(last) * length..][..length];
        let radius = self.radius as usize;
        // The sums for the line before the first: `radius + 1` times the first, and the first `radius`.
        let inside = radius.min(last + 1);
        let beyond = (radius - inside) as u32;
        for (sum, (first, last)) in sums.iter_mut().zip(line(0).iter().zip(line(last))) {
            let first = u32::from(*first).wrapping_mul(self.radius.wrapping_add(1));
            *sum = first.wrapping_add(u32::from(*last).wrapping_mul(beyond));
        }
        for at in 0..inside {
            if pace.after(length) {
                return;
            }
            sums.iter_mut().zip(line(at)).for_each(|(sum, byte)| *sum = sum.wrapping_add(u32::from(*byte)));
        }
        for (at, out) in to.chunks_exact_mut(length).enumerate() {
            if pace.after(length) {
                return;
            }
            let before = line((at).saturating_sub(radius + 1));
            let (entering, after) = (line(at.saturating_add(radius)), line(at.saturating_add(radius + 1)));
            kernel::blur_line(self.weights, [before, entering, after], sums, out);
        }
    }
}

/// The radius of the box of which `times` have the variance of a Gaussian with the standard deviation `sigma`, in Pillow's
/// precision.
fn box_radius(sigma: f32, times: u8) -> f32 {
    let variance = sigma * sigma / f32::from(times);
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let integer = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let fraction = (2.0 * integer + 1.0) * (integer * (integer + 1.0) - 3.0 * variance);
    integer + fraction / (6.0 * (variance - (integer + 1.0) * (integer + 1.0)))
}

/// Turns columns of pixels into lines: `out` has a line for each column of `rows`, which are `width` pixels long.
fn transpose(rows: &[u8], channels: usize, width: usize, out: &mut [u8], pace: &mut Pace) {
    let height = rows.len() / channels / width;
    // A strip of rows at a time: what is read of them for a column is in the cache when the next column comes.
    for strip in (0..height).step_by(STRIP) {
        if pace.after(STRIP * width * channels) {
            return;
        }
        let count = STRIP.min(height - strip);
        for (x, line) in out.chunks_exact_mut(height * channels).enumerate() {
            let to = &mut line[strip * channels..][..count * channels];
            let at = [x, strip].map(|at| (at as i64) << 16);
            kernel::nearest_steps(rows, channels, width, at, [0, 1 << 16], to);
        }
    }
}

/// Rows of a strip.
const STRIP: usize = 64;

impl fmt::Display for BoxBlur {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (across, down) = (self.across.radius, self.down.radius);
        write!(f, "blur {} x boxes of radius {across} across, {down} down", self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of one strip of rows, of several, and of a part of one.
    #[test]
    fn columns_become_lines() {
        for (channels, height, width) in [(1, 1, 1), (1, 70, 3), (3, 1, 9), (3, 64, 5), (3, 150, 4), (3, 33, 40)] {
            let rows: Vec<u8> = (0..height * width * channels).map(|i| (i * 7 % 251) as u8).collect();
            let mut out = vec![0; rows.len()];
            transpose(&rows, channels, width, &mut out, &mut Pace::new());
            for (at, &byte) in out.iter().enumerate() {
                let (x, y, c) = (at / channels / height, at / channels % height, at % channels);
                assert_eq!(byte, rows[(y * width + x) * channels + c], "{channels} {height} {width} {at}");
            }
        }
    }
}
