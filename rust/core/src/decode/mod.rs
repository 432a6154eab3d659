//! The decode stage: encoded bytes to 8-bit RGB, as Pillow's `Image.open(...).convert("RGB")` gives it.
//!
//! The format is found by content. JPEG and PNG are decoded natively. Every other format, and every file that the
//! native decoder finds anything wrong with, is handed to a [`Fallback`] (Pillow), whose verdict is the
//! specification: it returns pixels or the error that a torchvision user knows.
//!
//! | file | what it does |
//! | --- | --- |
//! | `decoder.rs` | limits, dispatch, fallback |
//! | `jpeg_header.rs` | the JPEG marker walk: size and end; refuses what is unclean |
//! | `jpeg.rs` | region decode through `torchfeed-jpeg` |
//! | `row_index.rs` | where rows of JPEGs start, kept from epoch to epoch |
//! | `png_header.rs` | the PNG chunk walk: refuses what Pillow refuses |
//! | `png.rs` | rows of samples through the `png` crate |
//! | `convert.rs` | CMYK, gray, palette and 16-bit samples to RGB, as Pillow does |

mod convert;
mod decoder;
mod jpeg;
mod jpeg_header;
mod png;
mod png_header;
mod row_index;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Header, Reduced, Scratch};
pub use row_index::{RowIndexMemory, RowIndexes, Slot};

use crate::{
    Error, Result,
    image::{Size, Window},
};

/// Pillow's own limit: `Image.open` raises `DecompressionBombError` above twice `MAX_IMAGE_PIXELS`.
pub const DEFAULT_MAX_PIXELS: u64 = 178_956_970;

/// Budgets that are checked before any memory is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// An image of more pixels (width x height) is refused.
    pub max_pixels: u64,
    /// An image is refused of which a transform makes one of more pixels than this.
    pub max_transformed_pixels: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::pixels(DEFAULT_MAX_PIXELS)
    }
}

impl Limits {
    /// Files of at most `max_pixels`. Transforms may make larger images of them, of up to Pillow's own limit.
    #[must_use]
    pub fn pixels(max_pixels: u64) -> Self {
        Self { max_pixels, max_transformed_pixels: max_pixels.max(DEFAULT_MAX_PIXELS) }
    }

    /// Refuses a `size` that a transform makes of an image and that has more pixels than `max_transformed_pixels`.
    ///
    /// # Errors
    /// [`Error::Limit`] with the size and the limit.
    pub fn check_transformed(&self, size: Size) -> Result<()> {
        if size.height as u128 * size.width as u128 > self.max_transformed_pixels.into() {
            return Err(Error::Limit(format!(
                "a transform makes {} x {} pixels (width x height) of the image, more than the limit of {}",
                size.width, size.height, self.max_transformed_pixels
            )));
        }
        Ok(())
    }

    /// Refuses an image with more pixels than `max_pixels`.
    ///
    /// # Errors
    /// [`Error::Limit`] with the size and the limit.
    pub fn check(&self, size: Size) -> Result<()> {
        let pixels = size.height as u64 * size.width as u64;
        if pixels > self.max_pixels {
            return Err(Error::Limit(format!(
                "image of {} x {} pixels (width x height) exceeds the limit of {} pixels",
                size.width, size.height, self.max_pixels
            )));
        }
        Ok(())
    }
}

/// A decoder for everything that is not decoded natively.
pub trait Fallback: Send + Sync {
    /// The size of the image in `bytes`, from its header.
    ///
    /// # Errors
    /// [`Error::Format`] where `bytes` are not an image.
    fn size(&self, bytes: &[u8]) -> Result<Size>;

    /// Decodes all of `bytes` to RGB into `out`.
    ///
    /// # Errors
    /// [`Error::Format`] where the image is broken.
    fn decode(&self, bytes: &[u8], out: &mut Window) -> Result<()>;
}

/// Who decodes a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// The `torchfeed-jpeg` crate.
    Jpeg,
    /// The `png` crate.
    Png,
    /// The [`Fallback`].
    Other,
}

/// Tells the format from the first bytes of a file, never from its name: ImageNet has a PNG that is named `.JPEG`.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Format {
    if bytes.starts_with(&[0xFF, 0xD8, 0xFF]) {
        Format::Jpeg
    } else if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        Format::Png
    } else {
        Format::Other
    }
}
