//! `CenterCrop`, `RandomCrop` and `RandomResizedCrop`: what they draw.

use super::{
    Call, check_edges,
    pad::{PadMode, Padding},
    resize::Resize,
};
use crate::{Error, Result, image::Size, rng::Stream};

/// `torchvision.transforms.RandomCrop`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RandomCrop {
    /// The output size.
    pub size: Size,
    /// Padding before the crop; all zero for none.
    pub padding: Padding,
    /// Pad further where the image is smaller than the crop.
    pub pad_if_needed: bool,
}

impl RandomCrop {
    /// The padding to do first where it cannot be merged into the crop's own, and the crop.
    pub(super) fn draw(&self, stream: &mut Stream, input: Size) -> Result<(Option<Padding>, Call)> {
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
        Ok((first, Call::Crop { padding, top, left, size: self.size }))
    }
}

/// `torchvision.transforms.RandomResizedCrop`.
#[derive(Debug, Clone, Copy, PartialEq)]
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
    pub(super) fn draw(&self, stream: &mut Stream, input: Size) -> Call {
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

    const fn call(&self, top: usize, left: usize, crop: Size) -> Call {
        Call::ResizedCrop { top, left, crop, resize: self.resize }
    }
}

/// What `CenterCrop` to `size` does to an image of size `input`: pads with black where that is smaller, then crops.
///
/// # Errors
/// As [`check_edges`], for `size`.
pub(super) fn center(input: Size, size: Size) -> Result<Call> {
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
    Ok(Call::Crop { padding, top, left, size })
}
