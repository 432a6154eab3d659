//! The ops that blur and sharpen.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        compile::Compiler,
        passes::{BoxBlur, Gaussian, Pass, Sharpen, gaussian_kernel::certain_sigma},
    },
    Family, FamilyCall,
    drawing::Drawing,
};
use crate::{Error, Result, image::Size, rng::Stream};

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
    /// `torchvision.transforms.GaussianBlur`.
    GaussianBlur {
        /// Weights across and down, odd numbers.
        #[serde(deserialize_with = "kernel_size")]
        kernel_size: [usize; 2],
        /// The standard deviation lies between these two.
        #[serde(deserialize_with = "sigmas")]
        sigma: (f64, f64),
        /// Whether the kernel is v2's.
        softmax: bool,
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

/// Reads the numbers of weights of a kernel.
fn kernel_size<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<[usize; 2], D::Error> {
    match <[usize; 2]>::deserialize(deserializer)? {
        size if size.iter().all(|&weights| weights % 2 == 1) => Ok(size),
        [across, down] => Err(D::Error::custom(format_args!("a kernel has odd sizes, unlike {across}, {down}"))),
    }
}

/// Reads a range of standard deviations.
fn sigmas<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<(f64, f64), D::Error> {
    let (low, high) = radii(deserializer)?;
    // What is drawn is of single precision, and divided by.
    if low < SMALLEST {
        return Err(D::Error::custom(format_args!("standard deviations are at least {SMALLEST}, unlike {low}")));
    }
    Ok((low, high))
}

/// The smallest standard deviation of a random blur. Its kernel, like those of smaller ones, is one pixel.
const SMALLEST: f64 = 1e-6;

/// The largest radius of a random blur. No image needs a larger one.
const LARGEST: f64 = 65536.0;

impl Family for BlurOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        match *self {
            BlurOp::RandomAdjustSharpness { sharpness_factor, p } => {
                drawing.push_with_probability(p, stream, position, BlurCall::AdjustSharpness { sharpness_factor });
            }
            BlurOp::GaussianBlur { kernel_size, sigma: (low, high), softmax } => {
                check_kernel(kernel_size, drawing.size)?;
                let mut sigma = stream.uniform(low, high) as f32;
                if !softmax {
                    sigma = certain_sigma(kernel_size[0].max(kernel_size[1]), sigma, low, high);
                }
                let sigma = [f64::from(sigma); 2];
                drawing.push(position, BlurCall::GaussianBlur { kernel_size, sigma, softmax });
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

/// Refuses a kernel that reaches over a whole image of `size`: its edges are mirrored once.
fn check_kernel([across, down]: [usize; 2], size: Size) -> Result<()> {
    if across / 2 >= size.width || down / 2 >= size.height {
        return Err(Error::Parameter(format!(
            "GaussianBlur with a kernel of {across} x {down} (width x height) is too large for an image of {} x {}: half \
             of it should be less than an edge",
            size.width, size.height
        )));
    }
    Ok(())
}

impl fmt::Display for BlurOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BlurOp::RandomAdjustSharpness { sharpness_factor, p } => {
                write!(f, "RandomAdjustSharpness(sharpness_factor={sharpness_factor}, p={p})")
            }
            BlurOp::GaussianBlur { kernel_size: [across, down], sigma: (low, high), softmax } => {
                let (version, low, high) = (if *softmax { "v2." } else { "" }, *low as f32, *high as f32);
                write!(f, "{version}GaussianBlur(kernel_size=({across}, {down}), sigma=({low}, {high}))")
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
    /// `gaussian_blur`.
    GaussianBlur {
        /// Weights across and down, odd numbers. Half of each is less than that edge of the image.
        kernel_size: [usize; 2],
        /// The standard deviations across and down.
        sigma: [f64; 2],
        /// Whether the kernel is v2's.
        softmax: bool,
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
            BlurCall::GaussianBlur { kernel_size, sigma, softmax } => {
                compiler.directed_stencil(|size| Pass::Gaussian(Gaussian::new(size, kernel_size, sigma, softmax)));
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
            BlurCall::GaussianBlur { kernel_size: [across, down], sigma: [x, y], softmax } => {
                let version = if *softmax { "v2." } else { "" };
                write!(f, "{version}gaussian_blur(kernel_size=({across}, {down}), sigma=({x}, {y}))")
            }
            BlurCall::PilGaussianBlur { radius: [across, down] } => {
                write!(f, "pil_gaussian_blur(radius=({across}, {down}))")
            }
            BlurCall::PilBoxBlur { radius: [across, down] } => write!(f, "pil_box_blur(radius=({across}, {down}))"),
        }
    }
}
