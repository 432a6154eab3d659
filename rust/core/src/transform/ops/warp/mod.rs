//! The ops that map an image to another: rotations, affine maps, perspectives.

mod call;
mod matrix;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{super::passes::filter::Filter, Family, drawing::Drawing};
use crate::{Error, Result, image::Size, rng::Stream};
use call::interpolation;
pub(super) use call::is_interpolation;
pub use call::{Perspective, WarpCall};

/// The ops that map an image to another. Interpolations are nearest, bilinear or bicubic; a fill is a byte per channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum WarpOp {
    /// `torchvision.transforms.RandomRotation`.
    RandomRotation {
        /// Bounds of the angle, counter-clockwise.
        degrees: (f64, f64),
        /// The filter.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// Whether the output holds the whole rotated image.
        expand: bool,
        /// The place that stays, (x, y): the middle, where none is given.
        center: Option<[f64; 2]>,
        /// The colour outside.
        fill: [u8; 3],
    },
    /// `torchvision.transforms.RandomAffine`.
    RandomAffine {
        /// Bounds of the angle, clockwise.
        degrees: (f64, f64),
        /// The most that is moved, as shares of the width and the height.
        translate: Option<(f64, f64)>,
        /// Bounds of the factor of lengths.
        scale: Option<(f64, f64)>,
        /// Bounds of the shear along x, and of that along y, in degrees.
        shear: [Option<(f64, f64)>; 2],
        /// The filter.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
        /// The place that stays, (x, y): the middle, where none is given.
        center: Option<[f64; 2]>,
    },
    /// `torchvision.transforms.RandomPerspective`.
    RandomPerspective {
        /// How far corners move at most, as a share of half an edge: 0 to 1.
        #[serde(deserialize_with = "share")]
        distortion_scale: f64,
        /// The probability.
        p: f64,
        /// The filter.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
    },
}

/// Reads a share.
fn share<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        Ok(share)
    } else {
        Err(D::Error::custom(format_args!("corners move by a share of 0 to 1, not {share}")))
    }
}

impl Family for WarpOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        // torch draws floats.
        let mut within = |(low, high): (f64, f64)| f64::from(stream.uniform(low, high) as f32);
        match *self {
            WarpOp::RandomRotation { degrees, interpolation, expand, center, fill } => {
                let angle = within(degrees);
                drawing.push(position, WarpCall::Rotate { angle, interpolation, expand, center, fill });
            }
            WarpOp::RandomAffine { degrees, translate, scale, shear, interpolation, fill, center } => {
                let angle = within(degrees);
                let Size { height, width } = drawing.size;
                let mut moved = |share: f64, len: usize| {
                    let most = share * len as f64;
                    within((-most, most)).round_ties_even()
                };
                let translate = translate.map_or([0.0; 2], |(x, y)| [moved(x, width), moved(y, height)]);
                let scale = scale.map_or(1.0, &mut within);
                let shear = shear.map(|bounds| bounds.map_or(0.0, &mut within));
                drawing
                    .push(position, WarpCall::Affine { angle, translate, scale, shear, interpolation, fill, center });
            }
            WarpOp::RandomPerspective { distortion_scale, p, interpolation, fill } => {
                if stream.unit() < p {
                    let coefficients = perspective(distortion_scale, drawing.size, stream)?;
                    drawing.push(position, WarpCall::Perspective(Perspective { coefficients, interpolation, fill }));
                }
            }
        }
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        match self {
            WarpOp::RandomRotation { expand: true, .. } => None,
            _ => input,
        }
    }

    fn is_random(&self) -> bool {
        true
    }
}

/// Draws the corners that an image of `size` gets, until they are those of a quadrilateral.
fn perspective(distortion: f64, size: Size, stream: &mut Stream) -> Result<[f64; 8]> {
    let Size { height, width } = size;
    if height == 1 || width == 1 {
        return Err(Error::Parameter(format!(
            "RandomPerspective of a {height} x {width} image (height x width): an edge of one pixel has no direction"
        )));
    }
    let most = |len: usize| (distortion * (len / 2) as f64) as usize;
    let (x, y) = (most(width), most(height));
    let (right, bottom) = (width - 1 - x, height - 1 - y);
    let start = [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]];
    loop {
        let mut corner = |left, top| [left + stream.below(x + 1), top + stream.below(y + 1)];
        let end = [corner(0, 0), corner(right, 0), corner(right, bottom), corner(0, bottom)];
        let coefficients =
            matrix::perspective(start.map(|p| p.map(|at| at as f64)), end.map(|p| p.map(|at| at as f64)));
        // Where three corners are on a line, torchvision's solver raises, or divides by its own rounding errors.
        if let Some(coefficients) = coefficients {
            return Ok(coefficients);
        }
    }
}

impl fmt::Display for WarpOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WarpOp::RandomRotation { degrees, interpolation, expand, center, fill } => write!(
                f,
                "RandomRotation(degrees={degrees:?}, interpolation={interpolation}, expand={expand}, center={center:?}, \
                 fill={fill:?})"
            ),
            WarpOp::RandomAffine { degrees, translate, scale, shear, interpolation, fill, center } => write!(
                f,
                "RandomAffine(degrees={degrees:?}, translate={translate:?}, scale={scale:?}, shear={shear:?}, \
                 interpolation={interpolation}, fill={fill:?}, center={center:?})"
            ),
            WarpOp::RandomPerspective { distortion_scale, p, interpolation, fill } => write!(
                f,
                "RandomPerspective(distortion_scale={distortion_scale}, p={p}, interpolation={interpolation}, \
                 fill={fill:?})"
            ),
        }
    }
}
