//! The source stage: where the bytes of a sample come from.

mod files;
mod folder;
mod memory;

pub use files::Files;
pub use folder::{Folder, scan};
pub use memory::{Arrays, Blobs, Bytes};

use std::path::PathBuf;

use crate::{
    Result,
    image::{Rect, Size, View},
};

/// The raw content of a sample.
#[derive(Debug, Clone, Copy)]
pub enum Item<'a> {
    /// An image file's bytes.
    Encoded(&'a [u8]),
    /// Decoded pixels.
    Pixels(View<'a>),
}

/// A sequence of samples.
#[derive(Debug)]
pub enum Source {
    /// Image files by path.
    Files(Files),
    /// Image files in memory.
    Blobs(Blobs),
    /// Images of one size in memory, decoded.
    Arrays(Arrays),
}

impl Source {
    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Source::Files(files) => files.len(),
            Source::Blobs(blobs) => blobs.len(),
            Source::Arrays(arrays) => arrays.len(),
        }
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The size of all images, where it is known to be one.
    #[must_use]
    pub const fn image_size(&self) -> Option<Size> {
        match self {
            Source::Arrays(arrays) => Some(arrays.size()),
            _ => None,
        }
    }

    /// Channels of the decoded images: 3, or what an array has.
    #[must_use]
    pub const fn channels(&self) -> usize {
        match self {
            Source::Arrays(arrays) => arrays.channels(),
            _ => 3,
        }
    }

    /// The file of sample `index`, where it has one.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        match self {
            Source::Files(files) => Some(files.path(index)),
            _ => None,
        }
    }

    /// The content of sample `index`; `buffer` is memory to read into.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a file cannot be read.
    ///
    /// # Panics
    /// If `index` is not below [`Source::len`].
    pub fn read<'a>(&'a self, index: usize, buffer: &'a mut Vec<u8>) -> Result<Item<'a>> {
        Ok(match self {
            Source::Files(files) => Item::Encoded(files.read(index, buffer)?),
            Source::Blobs(blobs) => Item::Encoded(blobs.get(index)),
            Source::Arrays(arrays) => Item::Pixels(arrays.get(index)),
        })
    }
}

/// A view of a whole image.
fn whole(size: Size, channels: usize, data: &[u8]) -> View<'_> {
    View { size, rect: Rect::all(size), channels, data }
}
