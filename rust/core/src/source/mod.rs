//! The source stage: where the bytes of a sample come from.

mod arrays;
mod file_contents;
mod files;
mod folder;
mod folder_index;
mod listing;
mod memory;
mod provided;

pub use arrays::Arrays;
pub use file_contents::{Buffer, check_file_bytes};
pub use files::{Files, bytes_to_path};
pub use folder::{Folder, IndexFile, scan};
pub use memory::{Blobs, Bytes};
pub use provided::Provided;

use std::path::PathBuf;

use crate::{
    Result,
    image::{Size, View},
    kernel,
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
    /// So many RGB images that are not here: each batch comes with its own, as a [`Source::Provided`].
    PerBatch(usize),
    /// The RGB images of one batch, by position; `None` for positions of other sources.
    Provided(Vec<Option<Provided>>),
}

impl Source {
    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Source::Files(files) => files.len(),
            Source::Blobs(blobs) => blobs.len(),
            Source::Arrays(arrays) => arrays.len(),
            Source::PerBatch(len) => *len,
            Source::Provided(items) => items.len(),
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

    /// Bytes of every image, where they are decoded and of one size.
    #[must_use]
    pub const fn image_bytes(&self) -> Option<usize> {
        match self {
            Source::Arrays(arrays) => {
                let size = arrays.size();
                Some(size.height.saturating_mul(size.width).saturating_mul(arrays.channels()))
            }
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

    /// Whether samples are, or may be, files that have to be decoded.
    #[must_use]
    pub const fn is_encoded(&self) -> bool {
        !matches!(self, Source::Arrays(_))
    }

    /// The file of sample `index`, where it has one.
    #[must_use]
    pub fn path(&self, index: usize) -> Option<PathBuf> {
        match self {
            Source::Files(files) => Some(files.path(index)),
            Source::Provided(items) => match &items[index] {
                Some(Provided::Path(path)) => Some(path.clone()),
                _ => None,
            },
            _ => None,
        }
    }

    /// Asks for sample `index` to be brought into the cache, where it is in memory and decoded: nothing else is so fast to
    /// make that it would have to wait for memory.
    pub fn prefetch(&self, index: usize) {
        /// What follows the first lines the processor fetches by itself.
        const MOST: usize = 4096;
        if let Source::Arrays(arrays) = self {
            let data = arrays.get(index).data;
            kernel::prefetch(&data[..data.len().min(MOST)]);
        }
    }

    /// The content of sample `index`; `buffer` is memory to read into.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where a file cannot be read; [`crate::Error::Parameter`] where the sample should have come
    /// with its batch, and did not.
    ///
    /// # Panics
    /// If `index` is not below [`Source::len`].
    pub fn read<'a>(&'a self, index: usize, buffer: &'a mut Buffer) -> Result<Item<'a>> {
        Ok(match self {
            Source::Files(files) => Item::Encoded(files.read(index, buffer)?),
            Source::Blobs(blobs) => Item::Encoded(blobs.get(index)),
            Source::Arrays(arrays) => Item::Pixels(arrays.get(index)),
            Source::PerBatch(_) => return Err(provided::missing()),
            Source::Provided(items) => items[index].as_ref().ok_or_else(provided::missing)?.read(buffer)?,
        })
    }
}
