//! Samples in memory.

use std::fmt;

use super::whole;
use crate::{
    Error, Result,
    image::{Size, View},
};

/// Memory that a source keeps alive; its content must not change while it is used.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Image files in memory, as one block.
pub struct Blobs {
    data: Bytes,
    ends: Vec<u64>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// Files that follow each other in `data`; `ends` says where each ends.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `ends` falls or leaves `data`.
    pub fn new(data: Bytes, ends: Vec<u64>) -> Result<Self> {
        let len = (*data).as_ref().len() as u64;
        if !ends.is_sorted() || ends.last().is_some_and(|&end| end > len) {
            return Err(Error::Parameter(format!("ends must rise and stay within the {len} bytes of data")));
        }
        Ok(Self { data, ends })
    }

    /// The number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// File `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Blobs::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &(*self.data).as_ref()[start..self.ends[index] as usize]
    }
}

/// Decoded images of one size, as one block (N, H, W, C) of bytes.
pub struct Arrays {
    data: Bytes,
    len: usize,
    size: Size,
    channels: usize,
}

impl fmt::Debug for Arrays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { len, size, channels, .. } = self;
        write!(f, "Arrays({len}, {}, {}, {channels})", size.height, size.width)
    }
}

impl Arrays {
    /// `len` images of `size` with `channels` (1 or 3) channels.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `data` has another length or an image would be empty.
    pub fn new(data: Bytes, len: usize, size: Size, channels: usize) -> Result<Self> {
        let bytes = (*data).as_ref().len();
        let expected = len.checked_mul(size.height * size.width * channels);
        if !matches!(channels, 1 | 3) || size.height * size.width == 0 || expected != Some(bytes) {
            return Err(Error::Parameter(format!(
                "{bytes} bytes are no array of shape ({len}, {}, {}, {channels}) of uint8 with 1 or 3 channels",
                size.height, size.width
            )));
        }
        Ok(Self { data, len, size, channels })
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

    /// Image `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Arrays::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> View<'_> {
        let bytes = self.size.height * self.size.width * self.channels;
        whole(self.size, self.channels, &(*self.data).as_ref()[index * bytes..][..bytes])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_and_arrays_give_their_parts() {
        let blobs = Blobs::new(Box::new(b"abcdef".to_vec()), vec![2, 2, 6]).unwrap();
        assert_eq!((blobs.len(), blobs.get(0), blobs.get(1), blobs.get(2)), (3, &b"ab"[..], &b""[..], &b"cdef"[..]));
        assert!(Blobs::new(Box::new(b"abc".to_vec()), vec![2, 1]).is_err());
        assert!(Blobs::new(Box::new(b"abc".to_vec()), vec![4]).is_err());
        let arrays = Arrays::new(Box::new((0..24).collect::<Vec<u8>>()), 2, Size::new(2, 2), 3).unwrap();
        assert_eq!(arrays.get(1).row(1, 1, 1), [21, 22, 23]);
        assert!(Arrays::new(Box::new(vec![0; 23]), 2, Size::new(2, 2), 3).is_err());
    }
}
