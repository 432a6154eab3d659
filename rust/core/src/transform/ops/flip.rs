//! `RandomHorizontalFlip` and `RandomVerticalFlip`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{super::compile::Compiler, Family, FamilyCall, drawing::Drawing};
use crate::{Result, image::Size, rng::Stream};

/// The ops that mirror an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum FlipOp {
    /// `torchvision.transforms.RandomHorizontalFlip`.
    RandomHorizontalFlip {
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomVerticalFlip`.
    RandomVerticalFlip {
        /// The probability.
        p: f64,
    },
}

impl Family for FlipOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let (p, call) = match *self {
            FlipOp::RandomHorizontalFlip { p } => (p, FlipCall::HorizontalFlip {}),
            FlipOp::RandomVerticalFlip { p } => (p, FlipCall::VerticalFlip {}),
        };
        drawing.push_with_probability(p, stream, position, call);
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        input
    }

    fn is_random(&self) -> bool {
        true
    }
}

/// The functions that mirror an image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum FlipCall {
    /// `hflip`.
    #[serde(rename = "hflip")]
    HorizontalFlip {},
    /// `vflip`.
    #[serde(rename = "vflip")]
    VerticalFlip {},
}

impl FamilyCall for FlipCall {
    fn output_size(&self, input: Size) -> Size {
        input
    }

    fn lower(&self, compiler: &mut Compiler) {
        match self {
            FlipCall::HorizontalFlip {} => compiler.gather().flip_horizontally(),
            FlipCall::VerticalFlip {} => compiler.gather().flip_vertically(),
        }
    }
}

impl fmt::Display for FlipCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            FlipCall::HorizontalFlip {} => "hflip()",
            FlipCall::VerticalFlip {} => "vflip()",
        })
    }
}

impl fmt::Display for FlipOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FlipOp::RandomHorizontalFlip { p } => write!(f, "RandomHorizontalFlip(p={p})"),
            FlipOp::RandomVerticalFlip { p } => write!(f, "RandomVerticalFlip(p={p})"),
        }
    }
}
