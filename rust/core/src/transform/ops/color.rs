//! The ops that change colours, each byte by itself.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

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
    /// `torchvision.transforms.RandomPosterize`.
    RandomPosterize {
        /// The number of bits of each byte that are kept: 1 to 8, which is what Pillow takes.
        #[serde(deserialize_with = "bits")]
        bits: u8,
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomSolarize`.
    RandomSolarize {
        /// Bytes that are not below it are inverted; any number.
        threshold: f64,
        /// The probability.
        p: f64,
    },
}

/// Reads a number of bits.
fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        bits @ 1..=8 => Ok(bits),
        bits => Err(D::Error::custom(format_args!("a byte has 1 to 8 bits to keep, not {bits}"))),
    }
}

impl Family for ColorOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let (p, call) = match *self {
            ColorOp::RandomInvert { p } => (p, ColorCall::Invert {}),
            ColorOp::RandomPosterize { bits, p } => (p, ColorCall::Posterize { bits }),
            ColorOp::RandomSolarize { threshold, p } => (p, ColorCall::Solarize { threshold }),
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

impl fmt::Display for ColorOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColorOp::RandomInvert { p } => write!(f, "RandomInvert(p={p})"),
            ColorOp::RandomPosterize { bits, p } => write!(f, "RandomPosterize(bits={bits}, p={p})"),
            ColorOp::RandomSolarize { threshold, p } => write!(f, "RandomSolarize(threshold={threshold}, p={p})"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_that_pillow_takes() {
        let read = |bits| serde_json::from_str::<ColorOp>(&format!(r#"{{"RandomPosterize":{{"bits":{bits},"p":1}}}}"#));
        assert_eq!(read(8).unwrap(), ColorOp::RandomPosterize { bits: 8, p: 1.0 });
        assert!([0, 9].iter().all(|&bits| read(bits).unwrap_err().to_string().contains("1 to 8 bits")));
    }
}
