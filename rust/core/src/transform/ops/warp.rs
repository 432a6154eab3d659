//! The ops that map an image to another: affine, rotation, perspective.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        compile::Compiler,
        passes::{filter::Filter, warp::Map},
    },
    FamilyCall,
};
use crate::image::Size;

/// The functions that map an image to another. Places are (x, y); a fill is a byte per channel.
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
        /// Nearest, bilinear or bicubic.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
        /// The place that is left where it is: the middle, where none is given.
        center: Option<[f64; 2]>,
    },
    /// `rotate`, which is `PIL.Image.Image.rotate`.
    Rotate {
        /// Degrees, counter-clockwise.
        angle: f64,
        /// Nearest, bilinear or bicubic.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// Whether the output holds the whole rotated image.
        expand: bool,
        /// The place that is left where it is: the middle, where none is given.
        center: Option<[f64; 2]>,
        /// The colour outside.
        fill: [u8; 3],
    },
    /// `perspective`.
    Perspective {
        /// Four places of the input.
        startpoints: [[f64; 2]; 4],
        /// The places of the output that they come to.
        endpoints: [[f64; 2]; 4],
        /// Nearest, bilinear or bicubic.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
    },
    /// `PIL.Image.Image.transform(size, AFFINE, matrix)`.
    Transform {
        /// From places of the output to places of the input.
        matrix: [f64; 6],
        /// Nearest, bilinear or bicubic.
        #[serde(deserialize_with = "interpolation")]
        interpolation: Filter,
        /// The colour outside.
        fill: [u8; 3],
    },
}

/// Reads an interpolation that `Image.transform` knows.
fn interpolation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Filter, D::Error> {
    match Filter::deserialize(deserializer)? {
        filter if is_interpolation(filter) => Ok(filter),
        filter => {
            Err(D::Error::custom(format_args!("a transform interpolates nearest, bilinear or bicubic, not {filter}")))
        }
    }
}

/// Whether `Image.transform` knows an interpolation.
pub(super) fn is_interpolation(filter: Filter) -> bool {
    matches!(filter, Filter::Nearest | Filter::Bilinear | Filter::Bicubic)
}

/// What a call does to an image.
enum Effect {
    Nothing,
    /// A rotation by 180 degrees.
    HalfTurn,
    Map {
        map: Map,
        filter: Filter,
        size: Size,
        fill: [u8; 3],
    },
}

impl WarpCall {
    fn effect(&self, input: Size) -> Effect {
        let (width, height) = (input.width as f64, input.height as f64);
        match *self {
            WarpCall::Affine { angle, translate, scale, shear, interpolation: filter, fill, center } => {
                let center = center.unwrap_or([width * 0.5, height * 0.5]);
                let map = Map::Affine(inverse_affine_matrix(center, angle, translate, scale, shear));
                Effect::Map { map, filter, size: input, fill }
            }
            WarpCall::Rotate { angle, interpolation: filter, expand, center, fill } => {
                rotation(angle, filter, expand, center, fill, input)
            }
            WarpCall::Perspective { startpoints, endpoints, interpolation: filter, fill } => {
                let map =
                    Map::Perspective(perspective_coefficients(startpoints, endpoints).map(|c| f64::from(c as f32)));
                Effect::Map { map, filter, size: input, fill }
            }
            WarpCall::Transform { matrix, interpolation: filter, fill } => {
                Effect::Map { map: Map::Affine(matrix), filter, size: input, fill }
            }
        }
    }
}

/// `_get_inverse_affine_matrix` of torchvision.
fn inverse_affine_matrix(center: [f64; 2], angle: f64, translate: [f64; 2], scale: f64, shear: [f64; 2]) -> [f64; 6] {
    let rot = angle.to_radians();
    let [sx, sy] = shear.map(f64::to_radians);
    let ([cx, cy], [tx, ty]) = (center, translate);
    let a = (rot - sy).cos() / sy.cos();
    let b = -(rot - sy).cos() * sx.tan() / sy.cos() - rot.sin();
    let c = (rot - sy).sin() / sy.cos();
    let d = -(rot - sy).sin() * sx.tan() / sy.cos() + rot.cos();
    let mut m = [d, -b, 0.0, -c, a, 0.0].map(|x| x / scale);
    m[2] += m[0] * (-cx - tx) + m[1] * (-cy - ty);
    m[5] += m[3] * (-cx - tx) + m[4] * (-cy - ty);
    m[2] += cx;
    m[5] += cy;
    m
}

/// `PIL.Image.Image.rotate`.
fn rotation(angle: f64, filter: Filter, expand: bool, center: Option<[f64; 2]>, fill: [u8; 3], input: Size) -> Effect {
    let mut angle = angle % 360.0;
    if angle < 0.0 {
        angle += 360.0;
    }
    let (width, height) = (input.width as f64, input.height as f64);
    if center.is_none() {
        if angle == 0.0 {
            return Effect::Nothing;
        }
        if angle == 180.0 {
            return Effect::HalfTurn;
        }
        if (angle == 90.0 || angle == 270.0) && (expand || input.width == input.height) {
            // A transpose, which moves pixels: what is nearest is exactly that pixel.
            let matrix =
                if angle == 90.0 { [0.0, -1.0, width, 1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0, -1.0, 0.0, height] };
            let size = Size::new(input.width, input.height);
            return Effect::Map { map: Map::Affine(matrix), filter: Filter::Nearest, size, fill };
        }
    }
    let center = center.unwrap_or([width / 2.0, height / 2.0]);
    let angle = -angle.to_radians();
    let mut m = [angle.cos(), angle.sin(), 0.0, -angle.sin(), angle.cos(), 0.0].map(round_to_15_digits);
    let apply = |m: &[f64; 6], x: f64, y: f64| (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]);
    (m[2], m[5]) = apply(&m, -center[0], -center[1]);
    m[2] += center[0];
    m[5] += center[1];
    let mut size = input;
    if expand {
        let corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)].map(|(x, y)| apply(&m, x, y));
        let extent = |values: [f64; 4]| {
            let (low, high) = values.iter().fold((values[0], values[0]), |(l, h), &v| (l.min(v), h.max(v)));
            high.ceil() - low.floor()
        };
        let (new_width, new_height) = (extent(corners.map(|c| c.0)), extent(corners.map(|c| c.1)));
        (m[2], m[5]) = apply(&m, -(new_width - width) / 2.0, -(new_height - height) / 2.0);
        size = Size::new(new_height as usize, new_width as usize);
    }
    Effect::Map { map: Map::Affine(m), filter, size, fill }
}

/// Python's `round(value, 15)`.
fn round_to_15_digits(value: f64) -> f64 {
    format!("{value:.15}").parse().expect("a number")
}

/// The coefficients of the map that takes each of `endpoints` to the one of `startpoints`.
fn perspective_coefficients(startpoints: [[f64; 2]; 4], endpoints: [[f64; 2]; 4]) -> [f64; 8] {
    let mut rows = [[0.0; 9]; 8];
    for (i, (&[px, py], &[sx, sy])) in endpoints.iter().zip(&startpoints).enumerate() {
        rows[2 * i] = [px, py, 1.0, 0.0, 0.0, 0.0, -sx * px, -sx * py, sx];
        rows[2 * i + 1] = [0.0, 0.0, 0.0, px, py, 1.0, -sy * px, -sy * py, sy];
    }
    for column in 0..8 {
        let pivot = (column..8).max_by(|&a, &b| rows[a][column].abs().total_cmp(&rows[b][column].abs()));
        rows.swap(column, pivot.expect("there are rows left"));
        for row in 0..8 {
            if row != column {
                let (factor, from) = (rows[row][column] / rows[column][column], rows[column]);
                rows[row].iter_mut().zip(from).for_each(|(to, from)| *to -= factor * from);
            }
        }
    }
    std::array::from_fn(|i| rows[i][8] / rows[i][i])
}

impl FamilyCall for WarpCall {
    fn output_size(&self, input: Size) -> Size {
        match (self, self.effect(input)) {
            (WarpCall::Rotate { expand: true, .. }, Effect::Map { size, .. }) => size,
            _ => input,
        }
    }

    fn lower(&self, compiler: &mut Compiler) {
        match self.effect(compiler.gather().size()) {
            Effect::Nothing => {}
            Effect::HalfTurn => {
                compiler.gather().flip_horizontally();
                compiler.gather().flip_vertically();
            }
            Effect::Map { map, filter, size, fill } => compiler.warp(map, filter, size, fill),
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
            WarpCall::Perspective { startpoints, endpoints, interpolation, fill } => write!(
                f,
                "perspective(startpoints={startpoints:?}, endpoints={endpoints:?}, interpolation={interpolation}, \
                 fill={fill:?})"
            ),
            WarpCall::Transform { matrix, interpolation, fill } => {
                write!(f, "transform(matrix={matrix:?}, interpolation={interpolation}, fill={fill:?})")
            }
        }
    }
}
