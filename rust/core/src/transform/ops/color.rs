//! The ops that change colours, each byte by itself.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    super::{compile::Compiler, passes::point::Function},
    Family, FamilyCall,
    drawing::Drawing,
};
use crate::{Result, image::Size, rng::Stream};

/// The ops that change colours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ColorOp {
    /// `torchvision.transforms.RandomInvert`.
    RandomInvert {
        /// The probability.
        p: f64,
    },
}

impl Family for ColorOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let (p, call) = match *self {
            ColorOp::RandomInvert { p } => (p, ColorCall::Invert {}),
        };
        if stream.unit() < p {
            drawing.push(position, call);
        }
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        input
    }

    fn is_random(&self) -> bool {
        true
    }
}

impl fmt::Display for ColorOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColorOp::RandomInvert { p } => write!(f, "RandomInvert(p={p})"),
        }
    }
}

/// The functions that change colours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorCall {
    /// `invert`.
    Invert {},
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

impl FamilyCall for ColorCall {
    fn output_size(&self, input: Size) -> Size {
        input
    }

    fn lower(&self, compiler: &mut Compiler) {
        compiler.point(match *self {
            ColorCall::Invert {} => Function::Invert,
            ColorCall::Posterize { bits } => Function::Posterize { bits },
            ColorCall::Solarize { threshold } => Function::solarize(threshold),
        });
    }
}

impl fmt::Display for ColorCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColorCall::Invert {} => f.write_str("invert()"),
            ColorCall::Posterize { bits } => write!(f, "posterize(bits={bits})"),
            ColorCall::Solarize { threshold } => write!(f, "solarize(threshold={threshold})"),
        }
    }
}
