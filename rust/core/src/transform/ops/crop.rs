//! `CenterCrop`, each of the crops of `FiveCrop`, `RandomCrop` and `RandomResizedCrop`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    super::{
        compile::Compiler,
        passes::padding::{PadMode, Padding},
    },
    Family, FamilyCall,
    drawing::{Drawing, check_edges},
    pad::PadCall,
    pair,
    resize::Resize,
};
use crate::{Error, Result, image::Size, rng::Stream};

/// The ops that cut a rectangle out of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum CropOp {
    /// `torchvision.transforms.CenterCrop`.
    CenterCrop {
        /// The output size.
        #[serde(with = "pair")]
        size: Size,
    },
    /// One of the crops of `torchvision.transforms.FiveCrop`.
    FiveCrop {
        /// The output size.
        #[serde(with = "pair")]
        size: Size,
        /// Which of them.
        part: Part,
    },
    /// `torchvision.transforms.RandomCrop`.
    RandomCrop(RandomCrop),
    /// `torchvision.transforms.RandomResizedCrop`.
    RandomResizedCrop(RandomResizedCrop),
}

impl Family for CropOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let input = drawing.size;
        let call = match self {
            CropOp::CenterCrop { size } => center(input, *size)?,
            CropOp::FiveCrop { size, part } => part.call(input, *size)?,
            CropOp::RandomCrop(op) => {
                let (padding, crop) = op.draw(stream, input)?;
                padding.into_iter().for_each(|padding| drawing.push(position, PadCall::Pad(padding)));
                crop
            }
            CropOp::RandomResizedCrop(op) => op.draw(stream, input),
        };
        drawing.push(position, call);
        Ok(())
    }

    fn output_size(&self, _: Option<Size>) -> Option<Size> {
        match self {
            CropOp::CenterCrop { size } | CropOp::FiveCrop { size, .. } => Some(*size),
            CropOp::RandomCrop(op) => Some(op.size),
            CropOp::RandomResizedCrop(op) => Some(op.resize.size),
        }
    }

    fn is_random(&self) -> bool {
        match self {
            CropOp::CenterCrop { .. } | CropOp::FiveCrop { .. } => false,
            CropOp::RandomCrop(_) | CropOp::RandomResizedCrop(_) => true,
        }
    }
}

/// The functions that cut a rectangle out of an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CropCall {
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
        /// The size that the crop is resized to, and the filter.
        #[serde(flatten)]
        resize: Resize,
    },
}

impl FamilyCall for CropCall {
    fn output_size(&self, _: Size) -> Size {
        match self {
            CropCall::Crop { size, .. } => *size,
            CropCall::ResizedCrop { resize, .. } => resize.size,
        }
    }

    fn largest_size(&self, input: Size) -> Size {
        match self {
            CropCall::Crop { padding, .. } => padding.apply(input),
            CropCall::ResizedCrop { resize, .. } => resize.size,
        }
    }

    fn lower(&self, compiler: &mut Compiler) {
        match *self {
            CropCall::Crop { padding, top, left, size } => {
                if !padding.is_none() {
                    compiler.pad(&padding);
                }
                compiler.gather().crop(top, left, size);
            }
            CropCall::ResizedCrop { top, left, crop, resize } => {
                compiler.gather().crop(top, left, crop);
                compiler.resize(resize.size, resize.filter);
            }
        }
    }
}

impl fmt::Display for CropCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CropCall::Crop { padding, top, left, size: Size { height, width } } => {
                if !padding.is_none() {
                    write!(f, "pad({padding}), ")?;
                }
                write!(f, "crop(top={top}, left={left}, height={height}, width={width})")
            }
            CropCall::ResizedCrop { top, left, crop: Size { height, width }, resize } => {
                write!(f, "resized_crop(top={top}, left={left}, height={height}, width={width}, {resize})")
            }
        }
    }
}

impl fmt::Display for CropOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CropOp::CenterCrop { size } => write!(f, "CenterCrop(size={size})"),
            CropOp::FiveCrop { size, part } => write!(f, "FiveCrop(size={size}, {part:?})"),
            CropOp::RandomCrop(RandomCrop { size, padding, pad_if_needed }) => {
                write!(f, "RandomCrop(size={size}, {padding}, pad_if_needed={pad_if_needed})")
            }
            CropOp::RandomResizedCrop(RandomResizedCrop { resize, scale, ratio }) => {
                write!(f, "RandomResizedCrop({resize}, scale={scale:?}, ratio={ratio:?})")
            }
        }
    }
}

/// Where in the image one of five crops lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// At the top left.
    TopLeft,
    /// At the top right.
    TopRight,
    /// At the bottom left.
    BottomLeft,
    /// At the bottom right.
    BottomRight,
    /// In the middle, as `CenterCrop`.
    Center,
}

impl Part {
    /// The crop of an image that is at least as large (`five_crop` of torchvision).
    fn call(self, input: Size, size: Size) -> Result<CropCall> {
        if size.width > input.width || size.height > input.height {
            return Err(Error::Parameter(format!(
                "requested crop size ({}, {}) is bigger than input size ({}, {})",
                size.height, size.width, input.height, input.width
            )));
        }
        let (bottom, right) = (input.height - size.height, input.width - size.width);
        let (top, left) = match self {
            Part::TopLeft => (0, 0),
            Part::TopRight => (0, right),
            Part::BottomLeft => (bottom, 0),
            Part::BottomRight => (bottom, right),
            Part::Center => return center(input, size),
        };
        Ok(CropCall::Crop { padding: Padding::NONE, top, left, size })
    }
}

/// `torchvision.transforms.RandomCrop`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomCrop {
    /// The output size.
    #[serde(with = "pair")]
    pub size: Size,
    /// Padding before the crop; all zero for none.
    pub padding: Padding,
    /// Pad further where the image is smaller than the crop.
    pub pad_if_needed: bool,
}

impl RandomCrop {
    /// The padding to do first where it cannot be merged into the crop's own, and the crop.
    fn draw(&self, stream: &mut Stream, input: Size) -> Result<(Option<Padding>, CropCall)> {
        self.padding.check(input)?;
        let mut first = None;
        let mut padding = self.padding;
        let mut size = padding.apply(input);
        if self.pad_if_needed {
            let missing = |wanted: usize, got: usize| isize::try_from(wanted.saturating_sub(got)).unwrap_or(isize::MAX);
            let (x, y) = (missing(self.size.width, size.width), missing(self.size.height, size.height));
            let mirrors = matches!(padding.mode, PadMode::Reflect | PadMode::Symmetric);
            if mirrors && !padding.is_none() && (x, y) != (0, 0) {
                // torchvision pads twice, and the mirror of a mirrored image is not one mirror of twice the width.
                first = Some(padding);
                padding = Padding { fill: padding.fill, mode: padding.mode, ..Padding::NONE };
            }
            padding.left = padding.left.saturating_add(x);
            padding.right = padding.right.saturating_add(x);
            padding.top = padding.top.saturating_add(y);
            padding.bottom = padding.bottom.saturating_add(y);
            size = padding.apply(first.map_or(input, |first| first.apply(input)));
        }
        check_edges(size)?;
        let Size { height, width } = self.size;
        if size.height < height || size.width < width {
            return Err(Error::Parameter(format!(
                "required crop size ({height}, {width}) is larger than input image size ({}, {})",
                size.height, size.width
            )));
        }
        let top = stream.below(size.height - height + 1);
        let left = stream.below(size.width - width + 1);
        Ok((first, CropCall::Crop { padding, top, left, size: self.size }))
    }
}

/// `torchvision.transforms.RandomResizedCrop`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomResizedCrop {
    /// The output size and interpolation.
    pub resize: Resize,
    /// Bounds of the crop's area, as a share of the image's.
    pub scale: (f64, f64),
    /// Bounds of the crop's width / height, drawn evenly in the logarithm.
    pub ratio: (f64, f64),
}

impl RandomResizedCrop {
    /// Up to ten tries for a crop that fits, then the largest central one (`get_params` of torchvision).
    fn draw(&self, stream: &mut Stream, input: Size) -> CropCall {
        let area = input.height as f64 * input.width as f64;
        let ratio = (self.ratio.0.ln(), self.ratio.1.ln());
        for _ in 0..10 {
            let target = area * stream.uniform(self.scale.0, self.scale.1);
            let aspect = stream.uniform(ratio.0, ratio.1).exp();
            let width = (target * aspect).sqrt().round_ties_even() as usize;
            let height = (target / aspect).sqrt().round_ties_even() as usize;
            if (1..=input.width).contains(&width) && (1..=input.height).contains(&height) {
                let top = stream.below(input.height - height + 1);
                let left = stream.below(input.width - width + 1);
                return self.call(top, left, Size::new(height, width));
            }
        }
        let aspect = input.width as f64 / input.height as f64;
        let Size { mut height, mut width } = input;
        if aspect < self.ratio.0.min(self.ratio.1) {
            height = (width as f64 / self.ratio.0.min(self.ratio.1)).round_ties_even() as usize;
        } else if aspect > self.ratio.0.max(self.ratio.1) {
            width = (height as f64 * self.ratio.0.max(self.ratio.1)).round_ties_even() as usize;
        }
        // An extreme ratio rounds an edge to nothing, where torchvision's crop is empty and its resize raises.
        let (height, width) = (height.clamp(1, input.height), width.clamp(1, input.width));
        self.call((input.height - height) / 2, (input.width - width) / 2, Size::new(height, width))
    }

    const fn call(&self, top: usize, left: usize, crop: Size) -> CropCall {
        CropCall::ResizedCrop { top, left, crop, resize: self.resize }
    }
}

/// What `CenterCrop` to `size` does to an image of size `input`: pads with black where that is smaller, then crops.
///
/// # Errors
/// As [`check_edges`], for `size`.
fn center(input: Size, size: Size) -> Result<CropCall> {
    check_edges(size)?;
    let (x, y) = (size.width.saturating_sub(input.width), size.height.saturating_sub(input.height));
    let padding = Padding {
        left: (x / 2) as isize,
        top: (y / 2) as isize,
        right: x.div_ceil(2) as isize,
        bottom: y.div_ceil(2) as isize,
        ..Padding::NONE
    };
    let padded = padding.apply(input);
    let middle = |padded: usize, size: usize| ((padded - size) as f64 / 2.0).round_ties_even() as usize;
    let (top, left) = (middle(padded.height, size.height), middle(padded.width, size.width));
    Ok(CropCall::Crop { padding, top, left, size })
}
