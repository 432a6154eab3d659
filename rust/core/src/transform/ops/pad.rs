//! `Pad`, and the padding that `RandomCrop` and `CenterCrop` do first.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    super::{compile::Compiler, passes::padding::Padding},
    Family, FamilyCall,
    drawing::Drawing,
};
use crate::{Error, Result, image::Size, rng::Stream};

/// The op that pads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum PadOp {
    /// `torchvision.transforms.Pad`.
    Pad(Padding),
}

impl Family for PadOp {
    fn draw(&self, position: usize, _: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let PadOp::Pad(padding) = *self;
        padding.check(drawing.size)?;
        drawing.push(position, PadCall::Pad(padding));
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        let PadOp::Pad(padding) = self;
        Some(padding.apply(input?))
    }

    fn is_random(&self) -> bool {
        false
    }
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
        let PadOp::Pad(padding) = self;
        write!(f, "Pad({padding})")
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
