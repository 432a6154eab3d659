//! Passes: the steps that a sample's calls are compiled to.
//!
//! A pass turns one image into the next. These kinds cover all calls:
//!
//! - [`Gather`] moves pixels: crops, flips, paddings, nearest-neighbour resizes.
//! - [`Resample`] is Pillow's separable resize.
//! - [`Point`] changes each byte by itself: invert, posterize, solarize, brightness.
//! - [`Mix`] changes each pixel by itself: saturation, hue, gray.
//! - [`Statistic`] changes bytes by a table that all pixels make: contrast, autocontrast, equalize.
//! - [`Warp`] is Pillow's affine and perspective transform.
//! - [`Sharpen`], [`BoxBlur`] and [`Gaussian`] are stencils: they read the pixels around each pixel.
//!
//! # Adding a kind
//!
//! A new kind is a file here, a variant of [`Pass`] and an arm in each of its methods. The executor runs it unchanged, if
//! [`Pass::needs`] says what it reads. What comes after the final table is no pass: see [`erasure`](super::erasure).

use std::fmt;

use crate::{
    Result,
    image::{Rect, Size, View, Window},
    kernel::Coefficients,
};

pub(crate) mod blur;
pub(crate) mod filter;
pub(crate) mod gather;
pub(crate) mod gaussian;
pub(crate) mod gaussian_kernel;
pub(crate) mod index_map;
pub(crate) mod mix;
pub(crate) mod padding;
pub(crate) mod point;
pub(crate) mod resample;
pub(crate) mod sharpen;
pub(crate) mod statistic;
mod stencil;
pub(crate) mod steps;
pub(crate) mod warp;

pub(crate) use blur::BoxBlur;
pub(crate) use gather::Gather;
pub(crate) use gaussian::Gaussian;
pub(crate) use mix::Mix;
pub(crate) use point::Point;
pub(crate) use resample::Resample;
pub(crate) use sharpen::Sharpen;
pub(crate) use statistic::Statistic;
pub(crate) use warp::Warp;

/// A step from one 8-bit image to the next.
#[derive(Debug, Clone)]
pub(crate) enum Pass {
    /// Moves pixels.
    Gather(Gather),
    /// Resizes a rectangle.
    Resample(Resample),
    /// Changes bytes.
    Point(Point),
    /// Changes pixels.
    Mix(Mix),
    /// Changes bytes by a table of the whole image's. It holds the image's size.
    Statistic(Statistic, Size),
    /// Maps an image to another.
    Warp(Warp),
    /// Sharpens or smooths.
    Sharpen(Sharpen),
    /// Blurs as Pillow does.
    BoxBlur(BoxBlur),
    /// Blurs as torchvision does.
    Gaussian(Gaussian),
}

/// Memory for the inside of a pass, used again for every sample.
#[derive(Debug, Default)]
pub(crate) struct PassScratch {
    /// Weights for columns.
    pub(crate) horizontal: Coefficients,
    /// Weights for rows.
    pub(crate) vertical: Coefficients,
    /// Pixels between the two directions of a resize.
    between: Vec<u8>,
    blur: blur::BlurScratch,
    gaussian: gaussian::GaussianScratch,
}

impl Pass {
    /// The size of the output for an input of size `input`.
    pub(crate) const fn output_size(&self, input: Size) -> Size {
        match self {
            Pass::Gather(gather) => gather.size(),
            Pass::Resample(resample) => resample.size,
            Pass::Point(_)
            | Pass::Mix(_)
            | Pass::Statistic(..)
            | Pass::Sharpen(_)
            | Pass::BoxBlur(_)
            | Pass::Gaussian(_) => input,
            Pass::Warp(warp) => warp.size,
        }
    }

    /// The rectangle of the input that `rect` of the output reads. It may be empty.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        match self {
            Pass::Gather(gather) => gather.needs(rect),
            Pass::Resample(resample) => resample.needs(rect),
            Pass::Point(_) | Pass::Mix(_) => rect,
            Pass::Statistic(_, size) => Rect::all(*size),
            Pass::Warp(warp) => warp.needs(rect),
            Pass::Sharpen(sharpen) => sharpen.needs(rect),
            Pass::BoxBlur(blur) => blur.needs(rect),
            Pass::Gaussian(gaussian) => gaussian.needs(rect),
        }
    }

    /// Makes `rect` of the output in `out`, or some of it where work is [interrupted](crate::interrupt).
    ///
    /// `image` is packed and holds what [`Pass::needs`] asks for.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where memory for the output runs out.
    pub(crate) fn run(&self, image: View<'_>, rect: Rect, scratch: &mut PassScratch, out: &mut Window) -> Result<()> {
        match self {
            Pass::Gather(gather) => gather.run(image, rect, out),
            Pass::Resample(resample) => resample.run(image, rect, scratch, out),
            Pass::Point(point) => point.run(image, rect, out),
            Pass::Mix(mix) => mix.run(image, rect, out),
            Pass::Statistic(statistic, _) => statistic.run(image, rect, out),
            Pass::Warp(warp) => warp.run(image, rect, out),
            Pass::Sharpen(sharpen) => sharpen.run(image, rect, out),
            Pass::BoxBlur(blur) => blur.run(image, rect, &mut scratch.blur, out),
            Pass::Gaussian(gaussian) => gaussian.run(image, rect, &mut scratch.gaussian, out),
        }
    }
}

impl fmt::Display for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pass::Gather(gather) => gather.fmt(f),
            Pass::Resample(resample) => resample.fmt(f),
            Pass::Point(point) => point.fmt(f),
            Pass::Mix(mix) => mix.fmt(f),
            Pass::Statistic(statistic, _) => statistic.fmt(f),
            Pass::Warp(warp) => warp.fmt(f),
            Pass::Sharpen(sharpen) => sharpen.fmt(f),
            Pass::BoxBlur(blur) => blur.fmt(f),
            Pass::Gaussian(gaussian) => gaussian.fmt(f),
        }
    }
}
