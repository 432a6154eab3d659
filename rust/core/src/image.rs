//! Sizes, rectangles and pixels. Pixels are 8-bit, rows from top to bottom, channels interleaved (HWC).

use std::fmt;

use crate::{Error, Result};

/// The height and width of an image in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Size {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Size {
    /// A size of `height` rows and `width` columns.
    #[must_use]
    pub const fn new(height: usize, width: usize) -> Self {
        Self { height, width }
    }
}

/// `(height, width)`, as torchvision writes sizes.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({}, {})", self.height, self.width)
    }
}

/// A rectangle of pixels: `top..top + height` by `left..left + width`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rect {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Rect {
    /// The whole of an image of `size`.
    #[must_use]
    pub const fn all(size: Size) -> Self {
        Self { top: 0, left: 0, height: size.height, width: size.width }
    }

    /// The first row below the rectangle.
    #[must_use]
    pub const fn bottom(&self) -> usize {
        self.top + self.height
    }

    /// The first column to the right of the rectangle.
    #[must_use]
    pub const fn right(&self) -> usize {
        self.left + self.width
    }

    /// Whether every pixel of `other` is in this rectangle.
    #[must_use]
    pub const fn contains(&self, other: &Rect) -> bool {
        self.top <= other.top
            && self.left <= other.left
            && self.bottom() >= other.bottom()
            && self.right() >= other.right()
    }

    /// The smallest rectangle that contains both.
    #[must_use]
    pub fn bounding(&self, other: &Rect) -> Self {
        let (top, left) = (self.top.min(other.top), self.left.min(other.left));
        let (bottom, right) = (self.bottom().max(other.bottom()), self.right().max(other.right()));
        Self { top, left, height: bottom - top, width: right - left }
    }
}

/// The part of an image that is in memory: `rect` of an image of `size`.
///
/// `data` holds `rect.height` rows of `rect.width * channels` bytes, without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// The size of the whole image.
    pub size: Size,
    /// Which part of it is in `data`.
    pub rect: Rect,
    /// Bytes per pixel: 1 (gray) or 3 (RGB).
    pub channels: usize,
    /// The pixels of `rect`.
    pub data: Vec<u8>,
}

impl Default for Window {
    fn default() -> Self {
        let size = Size::new(0, 0);
        Self { size, rect: Rect::all(size), channels: 3, data: Vec::new() }
    }
}

impl Window {
    /// Makes this window hold `rect` of an image of `size`, keeping its allocation.
    ///
    /// The contents of `data` are unspecified afterwards (old pixels or zeros): the caller writes every byte.
    ///
    /// # Panics
    /// If there is not enough memory.
    pub fn reset(&mut self, size: Size, rect: Rect, channels: usize) {
        self.try_reset(size, rect, channels).expect("memory for the pixels");
    }

    /// [`Window::reset`] for a size that a file or a transform has chosen, and that this machine may not have memory for.
    ///
    /// # Errors
    /// [`Error::Memory`]; the window is then unspecified.
    pub fn try_reset(&mut self, size: Size, rect: Rect, channels: usize) -> Result<()> {
        debug_assert!(Rect::all(size).contains(&rect));
        self.size = size;
        self.rect = rect;
        self.channels = channels;
        resize(&mut self.data, rect.height.saturating_mul(rect.width).saturating_mul(channels))
    }

    /// Bytes from one row to the next.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.rect.width * self.channels
    }

    /// The pixels, borrowed.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View::packed(self.size, self.rect, self.channels, &self.data)
    }
}

/// The part of an image that is in memory, in whatever order, and belongs to somebody else.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The size of the whole image.
    pub size: Size,
    /// Which part of it is in `data`.
    pub rect: Rect,
    /// Bytes per pixel: 1 (gray) or 3 (RGB).
    pub channels: usize,
    /// The pixels of `rect`, from the first on.
    pub data: &'a [u8],
    /// Bytes from one row, pixel and channel to the next.
    pub strides: [usize; 3],
}

impl<'a> View<'a> {
    /// `rect` of an image of `size`, row by row and pixel by pixel, without gaps.
    #[must_use]
    pub const fn packed(size: Size, rect: Rect, channels: usize, data: &'a [u8]) -> Self {
        Self { size, rect, channels, data, strides: [rect.width * channels, channels, 1] }
    }

    /// The whole of an image of `size`, as [`View::packed`].
    ///
    /// # Errors
    /// [`Error::Parameter`] where `data` has another length, or none.
    pub fn whole(size: Size, channels: usize, data: &'a [u8]) -> Result<Self> {
        let bytes = size.height.checked_mul(size.width).and_then(|pixels| pixels.checked_mul(channels));
        if data.is_empty() || bytes != Some(data.len()) {
            return Err(Error::Parameter(format!(
                "{} bytes are no image of {size} pixels (height, width) with {channels} channels",
                data.len()
            )));
        }
        Ok(Self::packed(size, Rect::all(size), channels, data))
    }

    /// Whether the pixels lie row by row and pixel by pixel, without gaps.
    #[must_use]
    pub const fn is_packed(&self) -> bool {
        let [row, pixel, channel] = self.strides;
        row == self.rect.width * self.channels && pixel == self.channels && channel == 1
    }

    /// Columns `left..left + width` of row `row`, both counted in the whole image. The view must be packed.
    #[inline]
    #[must_use]
    pub fn row(&self, row: usize, left: usize, width: usize) -> &'a [u8] {
        debug_assert!(self.is_packed());
        let at = (row - self.rect.top) * self.rect.width + (left - self.rect.left);
        &self.data[at * self.channels..][..width * self.channels]
    }

    /// Copies `rect`, which must be within the view's own, to `out`.
    ///
    /// # Errors
    /// [`Error::Memory`] where there is none for the copy.
    pub fn pack(&self, rect: Rect, out: &mut Window) -> Result<()> {
        out.try_reset(self.size, rect, self.channels)?;
        let [row, pixel, channel] = self.strides;
        let corner = (rect.top - self.rect.top) * row + (rect.left - self.rect.left) * pixel;
        for (y, line) in out.data.chunks_exact_mut(rect.width * self.channels).enumerate() {
            let from = &self.data[corner + y * row..];
            if (pixel, channel) == (self.channels, 1) {
                line.copy_from_slice(&from[..line.len()]);
            } else if self.channels == 3 && pixel == 1 {
                let planes = [from, &from[channel..], &from[2 * channel..]].map(|plane| &plane[..rect.width]);
                interleave(planes, line);
            } else {
                for (x, out) in line.chunks_exact_mut(self.channels).enumerate() {
                    out.iter_mut().enumerate().for_each(|(c, out)| *out = from[x * pixel + c * channel]);
                }
            }
        }
        Ok(())
    }
}

/// Gives `data` the length `len`: old bytes, and then zeros.
///
/// # Errors
/// [`Error::Memory`] where there is none: `Vec::resize` would end the process.
pub fn resize<T: Clone + Default>(data: &mut Vec<T>, len: usize) -> Result<()> {
    if let Some(more) = len.checked_sub(data.len()) {
        data.try_reserve(more).map_err(|_| Error::Memory(len.saturating_mul(size_of::<T>())))?;
    }
    data.resize(len, T::default());
    Ok(())
}

/// Writes three planes pixel by pixel.
fn interleave([red, green, blue]: [&[u8]; 3], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<3>();
    for (((out, &red), &green), &blue) in out.iter_mut().zip(red).zip(green).zip(blue) {
        *out = [red, green, blue];
    }
}
