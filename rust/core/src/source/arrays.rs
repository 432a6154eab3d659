//! Decoded images in memory.

use std::fmt;

use super::memory::Bytes;
use crate::{
    Error, Result,
    image::{Rect, Size, View},
};

/// Decoded images of one size, in one block of bytes.
pub struct Arrays {
    data: Bytes,
    len: usize,
    size: Size,
    channels: usize,
    /// Bytes from one image, row, pixel and channel to the next.
    strides: [usize; 4],
    /// Bytes from the first to the last of an image.
    image_span: usize,
}

impl fmt::Debug for Arrays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, size, channels, strides, .. } = self;
        write!(f, "Arrays({len}, {}, {}, {channels}; {strides:?})", size.height, size.width)
    }
}

impl Arrays {
    /// `len` images of `size` with `channels` (1 or 3) channels, one after the other, pixel by pixel.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `data` has another length or an image would be empty.
    pub fn new(data: Bytes, len: usize, size: Size, channels: usize) -> Result<Self> {
        Self::strided(data, len, size, channels, packed(size, channels))
    }

    /// The same for images that lie in memory by `strides`: the bytes from one image, row, pixel and channel to the
    /// next. So they may be planar, or a part of a larger block.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `data` does not have [`Arrays::span`] bytes, or an image would be empty.
    pub fn strided(data: Bytes, len: usize, size: Size, channels: usize, strides: [usize; 4]) -> Result<Self> {
        let bytes = (*data).as_ref().len();
        let shape = [len, size.height, size.width, channels];
        let span = Self::span(shape, strides);
        if !matches!(channels, 1 | 3) || size.height == 0 || size.width == 0 || span != Some(bytes) {
            return Err(Error::Parameter(format!(
                "{bytes} bytes are no array of shape ({len}, {}, {}, {channels}) of uint8 with 1 or 3 channels",
                size.height, size.width
            )));
        }
        // Nothing is one further in a dimension of one: its stride may as well be the usual one.
        let packed = packed(size, channels);
        let strides: [usize; 4] = std::array::from_fn(|i| if shape[i] > 1 { strides[i] } else { packed[i] });
        let image_span = Self::span([1, size.height, size.width, channels], strides).unwrap_or(0);
        Ok(Self { data, len, size, channels, strides, image_span })
    }

    /// Bytes from the first to the last of an array of this shape and strides; `None` where no memory is that large.
    #[must_use]
    pub fn span(shape: [usize; 4], strides: [usize; 4]) -> Option<usize> {
        if shape.contains(&0) {
            return Some(0);
        }
        let last = shape
            .iter()
            .zip(strides)
            .try_fold(0_usize, |last, (n, stride)| last.checked_add((n - 1).checked_mul(stride)?))?;
        last.checked_add(1)
    }

    /// The number of images.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no images.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Channels of every image.
    #[must_use]
    pub const fn channels(&self) -> usize {
        self.channels
    }

    /// The size of every image.
    #[must_use]
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Image `index`, in place.
    ///
    /// # Panics
    /// If `index` is not below [`Arrays::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> View<'_> {
        assert!(index < self.len, "image {index} of {}", self.len);
        let Self { size, channels, strides: [image, row, pixel, channel], .. } = *self;
        let data = &(*self.data).as_ref()[index * image..][..self.image_span];
        View { size, rect: Rect::all(size), channels, data, strides: [row, pixel, channel] }
    }
}

/// The strides of images without gaps.
const fn packed(size: Size, channels: usize) -> [usize; 4] {
    let row = size.width.wrapping_mul(channels);
    [size.height.wrapping_mul(row), row, channels, 1]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Window;

    fn numbers(n: u8) -> Bytes {
        Box::new((0..n).collect::<Vec<u8>>())
    }

    #[test]
    fn images_without_gaps_are_packed() {
        let arrays = Arrays::new(numbers(24), 2, Size::new(2, 2), 3).unwrap();
        assert!(arrays.get(1).is_packed());
        assert_eq!(arrays.get(1).row(1, 1, 1), [21, 22, 23]);
        assert!(Arrays::new(Box::new(vec![0; 23]), 2, Size::new(2, 2), 3).is_err());
        assert!(Arrays::new(Box::new(vec![0; 24]), 3, Size::new(2, 2), 2).is_err());
        assert!(Arrays::new(numbers(0), 2, Size::new(0, 2), 3).is_err());
        assert!(Arrays::new(numbers(1), 2, Size::new(usize::MAX, 1), 3).is_err());
    }

    #[test]
    fn other_images_can_be_packed() {
        let size = Size::new(2, 3);
        let pixels = |arrays: &Arrays, index| {
            let mut window = Window::default();
            arrays.get(index).pack(Rect::all(size), &mut window).unwrap();
            window.data
        };
        // Planes, and (C, H, W, N) as some files have it.
        let planar = Arrays::strided(numbers(36), 2, size, 3, [18, 3, 1, 6]).unwrap();
        let expected = [18, 24, 30, 19, 25, 31, 20, 26, 32, 21, 27, 33, 22, 28, 34, 23, 29, 35];
        assert_eq!(pixels(&planar, 1), expected);
        let last = Arrays::strided(numbers(36), 2, size, 3, [1, 6, 2, 12]).unwrap();
        let expected = [1, 13, 25, 3, 15, 27, 5, 17, 29, 7, 19, 31, 9, 21, 33, 11, 23, 35];
        assert_eq!(pixels(&last, 1), expected);
        let gray = Arrays::strided(numbers(13), 2, size, 1, [7, 3, 1, 1]).unwrap();
        assert_eq!(pixels(&gray, 1), [7, 8, 9, 10, 11, 12]);
        assert!(Arrays::strided(numbers(35), 2, size, 3, [1, 6, 2, 12]).is_err());
        assert!(Arrays::strided(numbers(36), 2, size, 3, [usize::MAX, 6, 2, 12]).is_err());
    }

    #[test]
    fn a_part_of_an_image_can_be_packed() {
        let planar = Arrays::strided(numbers(36), 2, Size::new(2, 3), 3, [18, 3, 1, 6]).unwrap();
        let mut window = Window::default();
        planar.get(0).pack(Rect { top: 1, left: 1, height: 1, width: 2 }, &mut window).unwrap();
        assert_eq!(window.data, [4, 10, 16, 5, 11, 17]);
    }
}
