//! A decoder's offer, and the request to it.

use std::fmt;

use super::RowIndexEntry;
use crate::image::{Rect, Window};

/// The colours of decoded pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Red, green and blue: `convert("RGB")`.
    Rgb,
    /// Luma: `convert("L")`. Of an image in colour it is computed from red, green and blue.
    Gray,
    /// The numbers of a palette's colours, as in the file: mode "P".
    Index,
}

impl Mode {
    /// Bytes of a pixel.
    #[must_use]
    pub const fn channels(self) -> usize {
        match self {
            Self::Rgb => 3,
            Self::Gray | Self::Index => 1,
        }
    }
}

/// How an image can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Denominators of the fractions of its size at which it can be decoded, besides 1, the smallest first.
    pub denominators: &'static [usize],
    /// Whether rows can be handed out in strips, [`Sink::Strips`].
    pub strips: bool,
    /// Whether just the region that is asked for is made. If not, it is the whole image.
    pub regions: bool,
    /// The colour modes that it can be decoded to.
    pub modes: &'static [Mode],
}

impl Offer {
    /// The fallback's offer: the whole image. Gray is made of RGB.
    pub(super) const FALLBACK: Self =
        Self { denominators: &[], strips: false, regions: false, modes: &[Mode::Rgb, Mode::Gray] };
}

/// The part of an image that is to be decoded, its scale and its colours.
#[derive(Debug, Clone, Copy)]
pub struct DecodeRequest<'a> {
    /// The pixels that are needed, counted at the size at which the image is decoded.
    pub region: Rect,
    /// The image is decoded at one over this of its size, rounded up: 1, or one of [`Offer::denominators`].
    pub denominator: usize,
    /// The colours.
    pub mode: Mode,
    /// The image's row index, which is used and extended where that helps. The pixels and errors are the same without.
    pub rows: Option<RowIndexEntry<'a>>,
}

impl DecodeRequest<'_> {
    /// A request for RGB pixels of `region` at the full size, without a row index.
    #[must_use]
    pub const fn new(region: Rect) -> Self {
        Self { region, denominator: 1, mode: Mode::Rgb, rows: None }
    }
}

/// Where pixels go.
pub enum Sink<'a> {
    /// A window, which then holds at least the region.
    Window(&'a mut Window),
    /// A function, which gets strips of a few rows of the region from the top down, while they are in the cache: the
    /// number of the first row, counted from the top of the region, and pixels without gaps. After an error, earlier
    /// strips are worth nothing.
    Strips(&'a mut dyn FnMut(usize, &[u8])),
}

impl fmt::Debug for Sink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Window(_) => "Window",
            Self::Strips(_) => "Strips",
        })
    }
}
