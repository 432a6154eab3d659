//! `Sharpen`: Pillow's `ImageEnhance.Sharpness` (`src/libImaging/Filter.c` and `Blend.c`).

use std::fmt;

use super::stencil;
use crate::{
    Result,
    image::{Rect, Size, View, Window},
    interrupt::Pace,
    kernel,
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
            kernel::sharpen_row(rows, channels, self.factor, inner);
        }
        Ok(())
    }
}

impl fmt::Display for Sharpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sharpen by {}", self.factor)
    }
}
