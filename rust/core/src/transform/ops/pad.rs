//! `Pad` and `RandomZoomOut`, and the padding that `RandomCrop` and `CenterCrop` do first.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        compile::Compiler,
        passes::padding::{PadMode, Padding},
    },
    Family, FamilyCall,
    drawing::{Drawing, check_edges},
};
use crate::{Error, Result, image::Size, rng::Stream};

/// The ops that pad.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum PadOp {
    /// `torchvision.transforms.Pad`.
    Pad(Padding),
    /// `torchvision.transforms.v2.RandomZoomOut`: pads to a size that is larger in both directions alike.
    RandomZoomOut {
        /// The colour around the image.
        fill: [u8; 3],
        /// The range of the factor, from 1 on.
        #[serde(deserialize_with = "sides")]
        side_range: (f64, f64),
        /// The probability.
        p: f64,
    },
}

/// Reads a range of factors.
fn sides<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<(f64, f64), D::Error> {
    match <(f64, f64)>::deserialize(deserializer)? {
        (low, high) if 1.0 <= low && low <= high && high <= MOST => Ok((low, high)),
        (low, high) => Err(D::Error::custom(format_args!("sides are 1 to {MOST} and rise, unlike {low}, {high}"))),
    }
}

/// The largest factor: more than any image may grow.
const MOST: f64 = 1e9;

impl Family for PadOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let padding = match *self {
            PadOp::Pad(padding) => padding,
            PadOp::RandomZoomOut { p, .. } if stream.unit() >= p => return Ok(()),
            PadOp::RandomZoomOut { fill, side_range, .. } => zoomed_out(fill, side_range, stream, drawing.size)?,
        };
        padding.check(drawing.size)?;
        drawing.push(position, PadCall::Pad(padding));
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        match self {
            PadOp::Pad(padding) => Some(padding.apply(input?)),
            PadOp::RandomZoomOut { .. } => None,
        }
    }

    fn is_random(&self) -> bool {
        matches!(self, PadOp::RandomZoomOut { .. })
    }
}

/// Draws the padding of `RandomZoomOut`. torchvision multiplies in single precision.
fn zoomed_out(fill: [u8; 3], (low, high): (f64, f64), stream: &mut Stream, size: Size) -> Result<Padding> {
    let factor = low as f32 + stream.unit_single() * (high - low) as f32;
    let canvas = [size.width, size.height].map(|edge| (edge as f32 * factor) as usize);
    check_edges(Size::new(canvas[1], canvas[0]))?;
    let mut around = |canvas: usize, edge: usize| {
        let added = canvas as isize - edge as isize;
        let before = (added as f32 * stream.unit_single()) as isize;
        (before, added - before)
    };
    let ((left, right), (top, bottom)) = (around(canvas[0], size.width), around(canvas[1], size.height));
    Ok(Padding { left, top, right, bottom, fill, mode: PadMode::Constant })
}

/// The function that pads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PadCall {
    /// `pad`.
    Pad(Padding),
}

impl FamilyCall for PadCall {
    fn output_size(&self, input: Size) -> Size {
        let PadCall::Pad(padding) = self;
        padding.apply(input)
    }

    fn lower(&self, compiler: &mut Compiler) {
        let PadCall::Pad(padding) = self;
        compiler.pad(padding);
    }
}

impl fmt::Display for PadCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PadCall::Pad(padding) = self;
        write!(f, "pad({padding})")
    }
}

impl fmt::Display for PadOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PadOp::Pad(padding) => write!(f, "Pad({padding})"),
            PadOp::RandomZoomOut { fill, side_range, p } => {
                write!(f, "RandomZoomOut(fill={fill:?}, side_range={side_range:?}, p={p})")
            }
        }
    }
}

impl Padding {
    /// Refuses a padding that cuts off every pixel of an image of `size`: there would be nothing to pad with.
    pub(super) fn check(&self, size: Size) -> Result<()> {
        let cut = |a: isize, b: isize| a.min(0).unsigned_abs().saturating_add(b.min(0).unsigned_abs());
        if cut(self.top, self.bottom) >= size.height || cut(self.left, self.right) >= size.width {
            return Err(Error::Parameter(format!(
                "padding (left {}, top {}, right {}, bottom {}) cuts off all of a {} x {} image (height x width)",
                self.left, self.top, self.right, self.bottom, size.height, size.width
            )));
        }
        Ok(())
    }
}
