//! The ops that blur and sharpen.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        compile::Compiler,
        passes::{BoxBlur, Pass, Sharpen},
    },
    Family, FamilyCall,
    drawing::Drawing,
};
use crate::{Result, image::Size, rng::Stream};

/// The ops that blur and sharpen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum BlurOp {
    /// `torchvision.transforms.RandomAdjustSharpness`.
    RandomAdjustSharpness {
        /// 0 is a smoothed image, 1 the image itself, 2 a sharpened one.
        sharpness_factor: f64,
        /// The probability.
        p: f64,
    },
    /// `torchfeed.transforms.RandomGaussianBlur`: Pillow's blur, as recipes of self-supervised learning write it.
    RandomGaussianBlur {
        /// The radius lies between these two.
        #[serde(deserialize_with = "radii")]
        radius: (f64, f64),
        /// The probability.
        p: f64,
    },
}

/// Reads a range of radii.
fn radii<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<(f64, f64), D::Error> {
    match <(f64, f64)>::deserialize(deserializer)? {
        (low, high) if 0.0 <= low && low <= high && high <= LARGEST => Ok((low, high)),
        (low, high) => Err(D::Error::custom(format_args!("radii are 0 to {LARGEST} and rise, unlike {low}, {high}"))),
    }
}

/// The largest radius of a random blur. No image needs a larger one.
const LARGEST: f64 = 65536.0;

impl Family for BlurOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        match *self {
            BlurOp::RandomAdjustSharpness { sharpness_factor, p } => {
                drawing.push_with_probability(p, stream, position, BlurCall::AdjustSharpness { sharpness_factor });
            }
            BlurOp::RandomGaussianBlur { radius: (low, high), p } => {
                if stream.unit() < p {
                    let radius = [stream.uniform(low, high); 2];
                    drawing.push(position, BlurCall::PilGaussianBlur { radius });
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
}

impl fmt::Display for BlurOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlurOp::RandomAdjustSharpness { sharpness_factor, p } => {
                write!(f, "RandomAdjustSharpness(sharpness_factor={sharpness_factor}, p={p})")
            }
            BlurOp::RandomGaussianBlur { radius: (low, high), p } => {
                write!(f, "RandomGaussianBlur(radius=({low}, {high}), p={p})")
            }
        }
    }
}

/// The functions that blur and sharpen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlurCall {
    /// `adjust_sharpness`.
    AdjustSharpness {
        /// 0 is a smoothed image, 1 the image itself, 2 a sharpened one.
        sharpness_factor: f64,
    },
    /// Pillow's `ImageFilter.GaussianBlur`.
    PilGaussianBlur {
        /// The standard deviations across and down.
        radius: [f64; 2],
    },
    /// Pillow's `ImageFilter.BoxBlur`.
    PilBoxBlur {
        /// The radii across and down.
        radius: [f64; 2],
    },
}

impl FamilyCall for BlurCall {
    fn output_size(&self, input: Size) -> Size {
        input
    }

    fn lower(&self, compiler: &mut Compiler) {
        let single = |radius: [f64; 2]| radius.map(|radius| radius as f32);
        match *self {
            BlurCall::AdjustSharpness { sharpness_factor } => {
                compiler.stencil(|size| Pass::Sharpen(Sharpen::new(size, sharpness_factor as f32)));
            }
            BlurCall::PilGaussianBlur { radius } => {
                compiler.stencil(|size| Pass::BoxBlur(BoxBlur::gaussian(size, single(radius))));
            }
            BlurCall::PilBoxBlur { radius } => {
                compiler.stencil(|size| Pass::BoxBlur(BoxBlur::once(size, single(radius))));
            }
        }
    }
}

impl fmt::Display for BlurCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlurCall::AdjustSharpness { sharpness_factor } => {
                write!(f, "adjust_sharpness(sharpness_factor={sharpness_factor})")
            }
            BlurCall::PilGaussianBlur { radius: [across, down] } => {
                write!(f, "pil_gaussian_blur(radius=({across}, {down}))")
            }
            BlurCall::PilBoxBlur { radius: [across, down] } => write!(f, "pil_box_blur(radius=({across}, {down}))"),
        }
    }
}
