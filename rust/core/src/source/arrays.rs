//! Decoded images in memory.

use std::fmt;

use super::{memory::Bytes, whole};
use crate::{
    Error, Result,
    image::{Size, View},
};

/// Decoded images of one size, in one block of bytes.
pub struct Arrays {
    data: Bytes,
    len: usize,
    size: Size,
    channels: usize,
    /// Bytes from one image, row, pixel and channel to the next; `None` where they follow each other without gaps.
    strides: Option<[usize; 4]>,
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
        // Nothing is one further in a dimension of one.
        let packed = packed(size, channels);
        let differs = (0..4).any(|i| shape[i] > 1 && strides[i] != packed[i]);
        let strides = differs.then_some(strides);
        Ok(Self { data, len, size, channels, strides })
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

    /// Image `index`: in place, or gathered into `buffer`.
    ///
    /// # Panics
    /// If `index` is not below [`Arrays::len`].
    #[must_use]
    pub fn get<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> View<'a> {
        assert!(index < self.len, "image {index} of {}", self.len);
        let Self { size, channels, .. } = *self;
        let (pixels, data) = (size.height * size.width, (*self.data).as_ref());
        let Some([image, row, pixel, channel]) = self.strides else {
            return whole(size, channels, &data[index * pixels * channels..][..pixels * channels]);
        };
        let data = &data[index * image..];
        buffer.resize(pixels * channels, 0);
        if channels == 3 && (row, pixel) == (size.width, 1) {
            interleave([data, &data[channel..], &data[2 * channel..]].map(|plane| &plane[..pixels]), buffer);
        } else {
            for (y, out) in buffer.chunks_exact_mut(size.width * channels).enumerate() {
                for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                    let at = y * row + x * pixel;
                    out.iter_mut().enumerate().for_each(|(c, out)| *out = data[at + c * channel]);
                }
            }
        }
        whole(size, channels, buffer)
    }
}

/// The strides of images without gaps.
const fn packed(size: Size, channels: usize) -> [usize; 4] {
    let row = size.width.wrapping_mul(channels);
    [size.height.wrapping_mul(row), row, channels, 1]
}

/// Writes three planes pixel by pixel.
fn interleave([red, green, blue]: [&[u8]; 3], out: &mut [u8]) {
    let (out, _) = out.as_chunks_mut::<3>();
    for (((out, &red), &green), &blue) in out.iter_mut().zip(red).zip(green).zip(blue) {
        *out = [red, green, blue];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: u8) -> Bytes {
        Box::new((0..n).collect::<Vec<u8>>())
    }

    #[test]
    fn images_without_gaps_are_used_in_place() {
        let arrays = Arrays::new(numbers(24), 2, Size::new(2, 2), 3).unwrap();
        let mut buffer = Vec::new();
        assert_eq!(arrays.get(1, &mut buffer).row(1, 1, 1), [21, 22, 23]);
        assert!(buffer.is_empty());
        assert!(Arrays::new(Box::new(vec![0; 23]), 2, Size::new(2, 2), 3).is_err());
        assert!(Arrays::new(Box::new(vec![0; 24]), 3, Size::new(2, 2), 2).is_err());
        assert!(Arrays::new(numbers(0), 2, Size::new(0, 2), 3).is_err());
        assert!(Arrays::new(numbers(1), 2, Size::new(usize::MAX, 1), 3).is_err());
    }

    #[test]
    fn other_images_are_gathered() {
        let size = Size::new(2, 3);
        let mut buffer = vec![99; 40];
        // Planes, and (C, H, W, N) as some files have it.
        let planar = Arrays::strided(numbers(36), 2, size, 3, [18, 3, 1, 6]).unwrap();
        let expected = [18, 24, 30, 19, 25, 31, 20, 26, 32, 21, 27, 33, 22, 28, 34, 23, 29, 35];
        assert_eq!(planar.get(1, &mut buffer).data, expected);
        let last = Arrays::strided(numbers(36), 2, size, 3, [1, 6, 2, 12]).unwrap();
        let expected = [1, 13, 25, 3, 15, 27, 5, 17, 29, 7, 19, 31, 9, 21, 33, 11, 23, 35];
        assert_eq!(last.get(1, &mut buffer).data, expected);
        let gray = Arrays::strided(numbers(13), 2, size, 1, [7, 3, 1, 1]).unwrap();
        assert_eq!(gray.get(1, &mut buffer).data, [7, 8, 9, 10, 11, 12]);
        assert!(Arrays::strided(numbers(35), 2, size, 3, [1, 6, 2, 12]).is_err());
        assert!(Arrays::strided(numbers(36), 2, size, 3, [usize::MAX, 6, 2, 12]).is_err());
    }
}
