//! Samples that come with a batch, each in its own shape.

use std::{fmt, path::PathBuf};

use super::{
    Item,
    arrays::Arrays,
    file_contents::{Buffer, read_file},
    memory::Bytes,
};
use crate::{Error, Result, image::Size};

/// One sample that somebody else fetched, or found.
pub enum Given {
    /// An image file, still to be read.
    Path(PathBuf),
    /// An image file's bytes.
    Encoded(Bytes),
    /// A decoded RGB image.
    Pixels(Arrays),
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Given::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Given::Encoded(_) => f.write_str("Encoded(..)"),
            Given::Pixels(arrays) => f.debug_tuple("Pixels").field(arrays).finish(),
        }
    }
}

impl Given {
    /// An RGB image of `size` in `data`, pixel by pixel.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `data` has another length or the image would be empty.
    pub fn pixels(data: Bytes, size: Size) -> Result<Self> {
        Ok(Given::Pixels(Arrays::new(data, 1, size, 3)?))
    }

    /// The content; `buffer` is memory to read into.
    pub(super) fn read<'a>(&'a self, buffer: &'a mut Buffer) -> Result<Item<'a>> {
        Ok(match self {
            Given::Path(path) => Item::Encoded(read_file(path, buffer)?),
            Given::Encoded(bytes) => Item::Encoded((**bytes).as_ref()),
            Given::Pixels(arrays) => Item::Pixels(arrays.get(0)),
        })
    }
}

/// What reading a sample gives that should have come with its batch and did not.
pub(super) fn missing() -> Error {
    Error::Parameter("this sample must be brought with its batch, and was not".into())
}
