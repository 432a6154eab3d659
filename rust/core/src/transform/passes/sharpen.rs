//! `Sharpen`: Pillow's `ImageEnhance.Sharpness` (`src/libImaging/Filter.c` and `Blend.c`).

use std::fmt;

use super::stencil;
use crate::{
    Result,
    image::{Rect, Size, View, Window},
    interrupt::Pace,
};

/// A blend of an image of `size` with its smoothed self.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sharpen {
    size: Size,
    /// 0 is the smoothed image, 1 the image itself.
    factor: f32,
}

impl Sharpen {
    pub(crate) const fn new(size: Size, factor: f32) -> Self {
        Self { size, factor }
    }

    /// The rectangle of the input that `rect` of the output reads: a pixel more on each side.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        stencil::around(rect, self.size, [1, 1])
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(&self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        let Size { height, width } = self.size;
        let channels = image.channels;
        out.try_reset(self.size, rect, channels)?;
        // Columns of `rect` that are not in the frame.
        let (first, last) = (rect.left.max(1), rect.right().min(width.saturating_sub(1)));
        let mut pace = Pace::new();
        for (y, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * channels)) {
            if pace.after(line.len()) {
                break;
            }
            line.copy_from_slice(image.row(y, rect.left, rect.width));
            // The filter leaves the frame of the image as it is, and the blend of two equal bytes is the byte.
            if y == 0 || y + 1 >= height || first >= last {
                continue;
            }
            let rows = [y - 1, y, y + 1].map(|y| image.row(y, first - 1, last - first + 2));
            let inner = &mut line[(first - rect.left) * channels..(last - rect.left) * channels];
            sharpen_row(rows, channels, self.factor, inner);
        }
        Ok(())
    }
}

/// Blends the pixels of the middle row with the means around them. The rows begin one pixel before `out`.
fn sharpen_row([above, row, below]: [&[u8]; 3], channels: usize, factor: f32, out: &mut [u8]) {
    for (i, out) in out.iter_mut().enumerate() {
        let sum = |row: &[u8]| [0, channels, 2 * channels].iter().map(|at| u32::from(row[i + at])).sum::<u32>();
        let byte = row[i + channels];
        *out = blend(smooth(sum(above) + sum(row) + sum(below) + 4 * u32::from(byte)), byte, factor);
    }
}

/// A thirteenth of the `sum` of eight neighbours and five times the pixel, rounded.
///
/// Pillow adds products with `1 / 13` and `5 / 13` in single precision, then 0.5, and truncates. Its errors are below 1e-4.
/// The sum is an integer, so its thirteenth is never nearer to a half than 1/26: Pillow's bits are those of the exact
/// quotient, whatever the order of additions.
const fn smooth(sum: u32) -> u8 {
    ((2 * sum + 13) / 26) as u8
}

/// Pillow's blend from `smoothed` to `byte`, clipped and truncated. Where `factor` is between 0 and 1, nothing is clipped.
fn blend(smoothed: u8, byte: u8, factor: f32) -> u8 {
    let difference = f32::from(i16::from(byte) - i16::from(smoothed));
    (f32::from(smoothed) + factor * difference) as u8
}

impl fmt::Display for Sharpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sharpen by {}", self.factor)
    }
}
