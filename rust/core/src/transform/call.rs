//! Calls: transforms with their parameters drawn.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Padding, Resize};
use crate::image::Size;

/// A transform with its parameters drawn: a function of `torchvision.transforms.functional`.
///
/// Serialized, a call is a map of one entry: the name of that function and its parameters, without the image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `resize`.
    Resize(Resize),
    /// `pad`, then `crop`.
    Crop {
        /// The padding; often none.
        #[serde(flatten)]
        padding: Padding,
        /// First row of the crop, in the padded image.
        top: usize,
        /// First column of the crop, in the padded image.
        left: usize,
        /// The crop's size.
        #[serde(flatten)]
        size: Size,
    },
    /// `resized_crop`.
    ResizedCrop {
        /// First row of the crop.
        top: usize,
        /// First column of the crop.
        left: usize,
        /// The crop's size.
        #[serde(flatten)]
        crop: Size,
        /// What it is resized to.
        #[serde(flatten)]
        resize: Resize,
    },
    /// `hflip`.
    #[serde(rename = "hflip")]
    HorizontalFlip,
    /// `vflip`.
    #[serde(rename = "vflip")]
    VerticalFlip,
    /// `pad`.
    Pad(Padding),
    /// `invert`.
    Invert,
    /// `posterize`.
    Posterize {
        /// The number of bits of each byte that are kept: 0 to 8.
        bits: u8,
    },
    /// `solarize`.
    Solarize {
        /// Bytes that are not below it are inverted.
        threshold: f64,
    },
}

impl Call {
    /// The largest image that this call makes of one of size `input`, on the way or in the end.
    #[must_use]
    pub fn largest_size(&self, input: Size) -> Size {
        match self {
            Call::Crop { padding, .. } => padding.apply(input),
            _ => self.output_size(input),
        }
    }

    /// The size that an image of size `input` has after this call.
    #[must_use]
    pub fn output_size(&self, input: Size) -> Size {
        match self {
            Call::Resize(resize) | Call::ResizedCrop { resize, .. } => resize.size,
            Call::Crop { size, .. } => *size,
            Call::HorizontalFlip | Call::VerticalFlip => input,
            Call::Invert | Call::Posterize { .. } | Call::Solarize { .. } => input,
            Call::Pad(padding) => padding.apply(input),
        }
    }
}

/// As it is called in Python, without the image.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Call::Resize(resize) => write!(f, "resize({resize})"),
            Call::Crop { padding, top, left, size: Size { height, width } } => {
                if !padding.is_none() {
                    write!(f, "pad({padding}), ")?;
                }
                write!(f, "crop(top={top}, left={left}, height={height}, width={width})")
            }
            Call::ResizedCrop { top, left, crop: Size { height, width }, resize } => {
                write!(f, "resized_crop(top={top}, left={left}, height={height}, width={width}, {resize})")
            }
            Call::HorizontalFlip => f.write_str("hflip()"),
            Call::VerticalFlip => f.write_str("vflip()"),
            Call::Pad(padding) => write!(f, "pad({padding})"),
            Call::Invert => f.write_str("invert()"),
            Call::Posterize { bits } => write!(f, "posterize(bits={bits})"),
            Call::Solarize { threshold } => write!(f, "solarize(threshold={threshold})"),
        }
    }
}
