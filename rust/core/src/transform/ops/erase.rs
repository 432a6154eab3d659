//! `RandomErasing`, of torchvision and of timm.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        compile::Compiler,
        erasure::{ErasedValue, Erasure},
    },
    Family, FamilyCall,
    drawing::Drawing,
};
use crate::{Result, image::Size, rng::Stream};

/// The op that erases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum EraseOp {
    /// `torchvision.transforms.RandomErasing`, and with several rectangles that of timm. It comes after the final table.
    RandomErasing {
        /// The probability.
        p: f64,
        /// The range of the part of the image's area that all rectangles together have.
        scale: (f64, f64),
        /// The range of height over width, whose logarithm is drawn evenly.
        ratio: (f64, f64),
        /// The least and the largest number of rectangles, at most 100.
        #[serde(deserialize_with = "counts")]
        count: (usize, usize),
        /// What they are filled with.
        value: Fill,
    },
}

/// What erased rectangles are filled with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// A value for each channel: see [`ErasedValue::Constant`].
    Constant {
        /// The numbers.
        numbers: [f64; 3],
        /// The elements of the output.
        elements: [u64; 3],
    },
    /// A normal number for each channel.
    NormalColor {},
    /// A normal number for each element.
    Normal {},
}

/// Reads the numbers of rectangles.
fn counts<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<(usize, usize), D::Error> {
    match <(usize, usize)>::deserialize(deserializer)? {
        (least, most) if least <= most && most <= MOST => Ok((least, most)),
        (least, most) => {
            Err(D::Error::custom(format_args!("rectangles are at most {MOST}, and rise, unlike {least}, {most}")))
        }
    }
}

/// The most rectangles of an image.
const MOST: usize = 100;

/// How often a rectangle that does not fit is drawn again.
const TRIES: usize = 10;

impl Family for EraseOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let EraseOp::RandomErasing { p, scale, ratio, count: (least, most), value } = *self;
        if stream.unit() >= p {
            return Ok(());
        }
        let Size { height, width } = drawing.size;
        let count = if most > least { least + stream.below(most - least + 1) } else { least };
        for _ in 0..count {
            for _ in 0..TRIES {
                let area = height as f64 * width as f64 * stream.uniform(scale.0, scale.1) / count as f64;
                let aspect = stream.uniform(ratio.0.ln(), ratio.1.ln()).exp();
                let h = (area * aspect).sqrt().round_ties_even() as usize;
                let w = (area / aspect).sqrt().round_ties_even() as usize;
                if h < height && w < width {
                    let (i, j) = (stream.below(height - h + 1), stream.below(width - w + 1));
                    let mut seed = || u64::from(stream.bits()) << 31 | u64::from(stream.bits() >> 1);
                    let v = match value {
                        Fill::Constant { numbers, elements } => ErasedValue::Constant { numbers, elements },
                        Fill::NormalColor {} => ErasedValue::NormalColor { seed: seed() },
                        Fill::Normal {} => ErasedValue::Normal { seed: seed() },
                    };
                    drawing.push(position, EraseCall::Erase(Erasure { i, j, h, w, v }));
                    break;
                }
            }
        }
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        input
    }

    fn is_random(&self) -> bool {
        true
    }

    fn erases(&self) -> Erases {
        Erases::Only
    }
}

/// Whether an op erases. What erases comes after the final table, and so after all that does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transform) enum Erases {
    /// It does not.
    Not,
    /// It does nothing else.
    Only,
    /// It holds ops of both kinds.
    Partly,
}

impl Erases {
    /// That of several ops together.
    pub(super) fn of<'a>(ops: impl IntoIterator<Item = &'a super::Op>) -> Self {
        let mut all = ops.into_iter().map(super::Op::erases);
        let first = all.next().unwrap_or(Erases::Not);
        if all.all(|each| each == first) { first } else { Erases::Partly }
    }
}

impl fmt::Display for EraseOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EraseOp::RandomErasing { p, scale, ratio, count, value } = self;
        write!(f, "RandomErasing(p={p}, scale={scale:?}, ratio={ratio:?}, value=")?;
        match value {
            Fill::Constant { numbers, .. } => write!(f, "{numbers:?}")?,
            Fill::NormalColor {} => f.write_str("a normal colour")?,
            Fill::Normal {} => f.write_str("random")?,
        }
        write!(f, ", count={count:?})")
    }
}

/// The function that erases.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseCall {
    /// `erase`.
    Erase(Erasure),
}

impl FamilyCall for EraseCall {
    fn output_size(&self, input: Size) -> Size {
        input
    }

    fn lower(&self, compiler: &mut Compiler) {
        let EraseCall::Erase(erasure) = self;
        compiler.erase(*erasure);
    }
}

impl fmt::Display for EraseCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let EraseCall::Erase(Erasure { i, j, h, w, .. }) = self;
        write!(f, "erase(i={i}, j={j}, h={h}, w={w})")
    }
}
