//! The decode stage: encoded bytes to 8-bit pixels, as Pillow's `Image.open(...).convert("RGB")` gives them.
//!
//! A format is told by its content. Formats in the table below are decoded natively. Every other format, and every file
//! that a native decoder finds anything wrong with, goes to a [`Fallback`] (Pillow). The fallback's verdict is the
//! specification: it returns pixels, or the error that a torchvision user knows.
//!
//! | file | what it does |
//! | --- | --- |
//! | `format.rs` | the interface of a native format |
//! | `request.rs` | a decoder's offer, and the request to it |
//! | `decoder.rs` | limits, dispatch, fallback |
//! | `limits.rs` | what a file may cost |
//! | `luma.rs` | RGB to gray, as Pillow does |
//! | `row_index.rs` | where rows of JPEGs start, kept from epoch to epoch |
//! | `jpeg/` | JPEG through `torchfeed-jpeg`: `markers.rs` walks the header, `tiff.rs` its EXIF and MPF segments |
//! | `png/` | PNG through the `png` crate: `chunks.rs` and `texts.rs` walk the file, `samples.rs` makes pixels of a row |

mod decoder;
mod fallback;
mod format;
mod jpeg;
mod limits;
mod luma;
mod png;
mod request;
mod row_index;
#[cfg(test)]
mod tests;

pub use decoder::{Decoder, Header};
pub use fallback::Fallback;
pub use limits::{DEFAULT_MAX_PIXELS, FallbackLimits, Limits};
pub use request::{DecodeRequest, Mode, Offer, Sink};
pub use row_index::{RowIndexEntry, RowIndexMemory, RowIndexes};

format::formats! {
    /// The `torchfeed-jpeg` crate, whose pixels are those of libjpeg-turbo.
    Jpeg in jpeg,
    /// The `png` crate.
    Png in png,
}

/// Tells the format from the first bytes of a file, never from its name: ImageNet has a PNG that is named `.JPEG`. `None`
/// for formats that only the [`Fallback`] decodes.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    Format::ALL.iter().copied().find(|format| format.matches(bytes))
}
