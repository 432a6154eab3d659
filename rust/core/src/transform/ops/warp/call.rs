//! The functions that map an image to another.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        super::{
            compile::Compiler,
            passes::{filter::Filter, warp::Map},
        },
        FamilyCall,
    },
    matrix::{self, Rotation},
};
use crate::image::Size;

/// The functions that map an image to another. Places are (x, y). Interpolations are nearest, bilinear or bicubic; a fill
/// is a byte per channel.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum WarpCall {
    /// `affine`.
    Affine {
        /// Degrees, clockwise.
        angle: f64,
        /// Pixels to the right and down, after the rotation.
        translate: [f64; 2],
        /// The factor of lengths.
        scale: f64,
        /// Degrees along x and y.
        shear: [f64; 2],
        /// The filter.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
        /// The place that stays: the middle, where none is given.
        center: Option<[f64; 2]>,
    },
    /// `rotate`, which is `PIL.Image.Image.rotate`.
    Rotate {
        /// Degrees, counter-clockwise.
        angle: f64,
        /// The filter.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// Whether the output holds the whole rotated image.
        expand: bool,
        /// The place that stays: the middle, where none is given.
        center: Option<[f64; 2]>,
        /// The colour outside.
        fill: [u8; 3],
    },
    /// `perspective`.
    Perspective(Perspective),
    /// `PIL.Image.Image.transform` of the image's own size, with `PIL.Image.Transform.AFFINE`.
    Transform {
        /// Takes places of the output to places of the input.
        matrix: [f64; 6],
        /// The filter.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
    },
}

/// `perspective` of torchvision's v2, which takes corners or coefficients.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Arguments", into = "Arguments")]
pub struct Perspective {
    /// Take places of the output to places of the input.
    pub coefficients: [f64; 8],
    /// The filter.
    pub interpolation: Filter,
    /// The colour outside.
    pub fill: [u8; 3],
}

/// A perspective as data.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    startpoints: Option<[[f64; 2]; 4]>,
    endpoints: Option<[[f64; 2]; 4]>,
    #[serde(deserialize_with = "interpolation")]
    interpolation: Filter,
    fill: [u8; 3],
    #[serde(default)]
    coefficients: Option<[f64; 8]>,
}

impl From<Perspective> for Arguments {
    fn from(Perspective { coefficients, interpolation, fill }: Perspective) -> Self {
        Self { startpoints: None, endpoints: None, interpolation, fill, coefficients: Some(coefficients) }
    }
}

impl TryFrom<Arguments> for Perspective {
    type Error = &'static str;

    fn try_from(given: Arguments) -> Result<Self, Self::Error> {
        let coefficients = match (given.startpoints, given.endpoints, given.coefficients) {
            (Some(start), Some(end), None) => matrix::perspective(start, end)
                .ok_or("three corners are on a line, or the horizon runs through the origin")?,
            (None, None, Some(coefficients)) => coefficients,
            _ => return Err("a perspective is given by startpoints and endpoints, or by coefficients"),
        };
        Ok(Self { coefficients, interpolation: given.interpolation, fill: given.fill })
    }
}

/// Reads an interpolation that `Image.transform` has.
pub(super) fn interpolation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
    match Filter::deserialize(deserializer)? {
        filter if is_interpolation(filter) => Ok(filter),
        filter => Err(D::Error::custom(format_args!("a map has no interpolation {filter}"))),
    }
}

/// Whether `Image.transform` knows an interpolation.
pub(in super::super) fn is_interpolation(filter: Filter) -> bool {
    matches!(filter, Filter::Nearest | Filter::Bilinear | Filter::Bicubic)
}

impl WarpCall {
    /// Adds a rotation to a program.
    fn rotate(compiler: &mut Compiler, rotation: Rotation, filter: Filter, fill: [u8; 3]) {
        let Size { height, width } = compiler.gather().size();
        let (height_f64, width_f64) = (height as f64, width as f64);
        match rotation {
            Rotation::Map(matrix, size) => compiler.warp(Map::Affine(matrix), filter, size, fill),
            Rotation::Turns(0) => {}
            Rotation::Turns(2) => {
                compiler.gather().flip_horizontally();
                compiler.gather().flip_vertically();
            }
            // The nearest pixel is exactly the one that the turn moves.
            Rotation::Turns(turns) => {
                let matrix = match turns {
                    1 => [0.0, -1.0, width_f64, 1.0, 0.0, 0.0],
                    _ => [0.0, 1.0, 0.0, -1.0, 0.0, height_f64],
                };
                compiler.warp(Map::Affine(matrix), Filter::Nearest, Size::new(width, height), fill);
            }
        }
    }
}

impl FamilyCall for WarpCall {
    fn output_size(&self, input: Size) -> Size {
        match *self {
            WarpCall::Rotate { angle, expand: true, center, .. } => {
                match matrix::rotation(angle, true, center, input) {
                    Rotation::Map(_, size) => size,
                    Rotation::Turns(turns) if turns.is_multiple_of(2) => input,
                    Rotation::Turns(_) => Size::new(input.width, input.height),
                }
            }
            _ => input,
        }
    }

    fn lower(&self, compiler: &mut Compiler) {
        let size = compiler.gather().size();
        match *self {
            WarpCall::Affine { angle, translate, scale, shear, interpolation, fill, center } => {
                let center = center.unwrap_or([size.width as f64 * 0.5, size.height as f64 * 0.5]);
                let matrix = matrix::affine(center, angle, translate, scale, shear);
                compiler.warp(Map::Affine(matrix), interpolation, size, fill);
            }
            WarpCall::Rotate { angle, interpolation, expand, center, fill } => {
                Self::rotate(compiler, matrix::rotation(angle, expand, center, size), interpolation, fill);
            }
            WarpCall::Perspective(Perspective { coefficients, interpolation, fill }) => {
                compiler.warp(Map::Perspective(coefficients), interpolation, size, fill);
            }
            WarpCall::Transform { matrix, interpolation, fill } => {
                compiler.warp(Map::Affine(matrix), interpolation, size, fill);
            }
        }
    }
}

impl fmt::Display for WarpCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WarpCall::Affine { angle, translate, scale, shear, interpolation, fill, center } => write!(
                f,
                "affine(angle={angle}, translate={translate:?}, scale={scale}, shear={shear:?}, \
                 interpolation={interpolation}, fill={fill:?}, center={center:?})"
            ),
            WarpCall::Rotate { angle, interpolation, expand, center, fill } => write!(
                f,
                "rotate(angle={angle}, interpolation={interpolation}, expand={expand}, center={center:?}, fill={fill:?})"
            ),
            WarpCall::Perspective(Perspective { coefficients, interpolation, fill }) => {
                write!(f, "perspective(coefficients={coefficients:?}, interpolation={interpolation}, fill={fill:?})")
            }
            WarpCall::Transform { matrix, interpolation, fill } => {
                write!(f, "transform(matrix={matrix:?}, interpolation={interpolation}, fill={fill:?})")
            }
        }
    }
}
