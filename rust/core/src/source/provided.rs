//! Images that come with a batch: the caller provides each as a file's path, a file's bytes, or pixels.

use std::{fmt, path::PathBuf};

use super::{
    Item,
    arrays::Arrays,
    file_contents::{Buffer, read_file},
    memory::Bytes,
};
use crate::{Error, Result, image::Size};

/// One image that the caller provides.
pub enum Provided {
    /// An image file, still to be read.
    Path(PathBuf),
    /// An image file's bytes.
    Encoded(Bytes),
    /// A decoded RGB image.
    Pixels(Arrays),
}

impl fmt::Debug for Provided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Provided::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Provided::Encoded(_) => f.write_str("Encoded(..)"),
            Provided::Pixels(arrays) => f.debug_tuple("Pixels").field(arrays).finish(),
        }
    }
}

impl Provided {
    /// An RGB image of `size` in `data`, pixel by pixel.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `data` has another length or the image would be empty.
    pub fn pixels(data: Bytes, size: Size) -> Result<Self> {
        Ok(Provided::Pixels(Arrays::new(data, 1, size, 3)?))
    }

    /// The content; `buffer` is memory to read into.
    pub(super) fn read<'a>(&'a self, buffer: &'a mut Buffer) -> Result<Item<'a>> {
        Ok(match self {
            Provided::Path(path) => Item::Encoded(read_file(path, buffer)?),
            Provided::Encoded(bytes) => Item::Encoded((**bytes).as_ref()),
            Provided::Pixels(arrays) => Item::Pixels(arrays.get(0)),
        })
    }
}

/// The error of a sample that should have come with its batch and did not.
pub(super) fn missing() -> Error {
    Error::Parameter("this sample must be brought with its batch, and was not".into())
}
