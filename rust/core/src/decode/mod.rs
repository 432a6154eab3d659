//! The decode stage: encoded bytes to 8-bit RGB, as Pillow's `Image.open(...).convert("RGB")` gives it.
//!
//! The format is found by content. JPEG and PNG are decoded natively. Every other format, and every file that the
//! native decoder finds anything wrong with, is handed to a [`Fallback`] (Pillow), whose verdict is the
//! specification: it returns pixels or the error that a torchvision user knows.
//!
//! | file | what it does |
//! | --- | --- |
//! | `limits.rs` | what a file may cost |
//! | `decoder.rs` | limits, dispatch, fallback |
//! | `jpeg_header.rs` | the JPEG marker walk: size and end; refuses what is unclean |
//! | `jpeg.rs` | region decode through `torchfeed-jpeg` |
//! | `row_index.rs` | where rows of JPEGs start, kept from epoch to epoch |
//! | `tiff.rs` | EXIF and MPF segments of a JPEG, as far as Pillow looks into them |
//! | `png_header.rs` | the PNG chunk walk: refuses what Pillow refuses |
//! | `png_text.rs` | texts and colour profiles of a PNG, likewise |
//! | `png.rs` | rows of samples through the `png` crate |
//! | `convert.rs` | CMYK, gray, palette and 16-bit samples to RGB, as Pillow does |

mod convert;
mod decoder;
mod jpeg;
mod jpeg_header;
mod limits;
mod png;
mod png_header;
mod png_text;
mod row_index;
#[cfg(test)]
mod tests;
mod tiff;

pub use decoder::{Decoder, Header, Reduced, Scratch};
pub use limits::{DEFAULT_MAX_PIXELS, FallbackLimits, Limits};
pub use row_index::{RowIndexMemory, RowIndexes, Slot};

use crate::{
    Result,
    image::{Size, Window},
};

/// A decoder for everything that is not decoded natively.
pub trait Fallback: Send + Sync {
    /// The size of the image in `bytes`, from its header.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] where `bytes` are not an image.
    fn size(&self, bytes: &[u8]) -> Result<Size>;

    /// Decodes all of `bytes` to RGB into `out`.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] where the image is broken.
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
