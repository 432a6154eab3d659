//! The matrices of maps, from places of the output to places of the input.

use std::fmt::{self, Write};

use crate::image::Size;

/// `_get_inverse_affine_matrix` of torchvision, operation by operation.
pub(super) fn affine(center: [f64; 2], angle: f64, translate: [f64; 2], scale: f64, shear: [f64; 2]) -> [f64; 6] {
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

/// What `PIL.Image.Image.rotate` does.
#[derive(Debug, PartialEq)]
pub(super) enum Rotation {
    /// Counter-clockwise turns by 90 degrees, which only move pixels.
    Turns(u8),
    /// A map to an image of a size.
    Map([f64; 6], Size),
}

/// The matrix of a rotation counter-clockwise of an image of size `input`, operation by operation.
pub(super) fn rotation(angle: f64, expand: bool, center: Option<[f64; 2]>, input: Size) -> Rotation {
    let mut angle = angle % 360.0;
    if angle < 0.0 {
        angle += 360.0;
    }
    if center.is_none() {
        let turns = (angle / 90.0) as u8;
        let is_whole = angle == f64::from(turns) * 90.0 && turns < 4;
        if is_whole && (turns.is_multiple_of(2) || expand || input.width == input.height) {
            return Rotation::Turns(turns);
        }
    }
    let (width, height) = (input.width as f64, input.height as f64);
    let [cx, cy] = center.unwrap_or([width / 2.0, height / 2.0]);
    let angle = -angle.to_radians();
    let mut m = [angle.cos(), angle.sin(), 0.0, -angle.sin(), angle.cos(), 0.0].map(round_to_15_digits);
    let apply = |m: &[f64; 6], x: f64, y: f64| (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]);
    (m[2], m[5]) = apply(&m, -cx, -cy);
    m[2] += cx;
    m[5] += cy;
    if !expand {
        return Rotation::Map(m, input);
    }
    let corners = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)].map(|(x, y)| apply(&m, x, y));
    let extent = |values: [f64; 4]| {
        let (low, high) = values.iter().fold((values[0], values[0]), |(low, high), &v| (low.min(v), high.max(v)));
        high.ceil() - low.floor()
    };
    let (new_width, new_height) = (extent(corners.map(|c| c.0)), extent(corners.map(|c| c.1)));
    (m[2], m[5]) = apply(&m, -(new_width - width) / 2.0, -(new_height - height) / 2.0);
    Rotation::Map(m, Size::new(new_height as usize, new_width as usize))
}

/// Python's `round(value, 15)`, of a sine or cosine.
fn round_to_15_digits(value: f64) -> f64 {
    let mut digits = Digits { text: [0; 32], len: 0 };
    write!(digits, "{value:.15}").expect("a sign, a digit, a point and 15 digits");
    let text = str::from_utf8(&digits.text[..digits.len]).expect("digits");
    text.parse().expect("digits are a number")
}

/// A short text that takes no memory.
struct Digits {
    text: [u8; 32],
    len: usize,
}

impl fmt::Write for Digits {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        let end = self.len + more.len();
        self.text.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(more.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// The map that takes each of the places `end` to the one of `start`: `(a x + b y + c) / (g x + h y + 1)` and
/// `(d x + e y + f) / (g x + h y + 1)`. There is none where three places of either are on a line,
/// or the horizon runs through the origin.
///
/// torchvision solves for the coefficients by least squares in doubles, and rounds them to floats. So do the floats here
/// come from doubles. They differ where a coefficient is 0: torchvision's is some 1e-16 then.
pub(super) fn perspective(start: [[f64; 2]; 4], end: [[f64; 2]; 4]) -> Option<[f64; 8]> {
    let (to, from) = (square_to(start)?, square_to(end)?);
    let adjugate: [[f64; 3]; 3] = std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            let ([r, s], [p, q]) = ([(j + 1) % 3, (j + 2) % 3], [(i + 1) % 3, (i + 2) % 3]);
            from[r][p] * from[s][q] - from[r][q] * from[s][p]
        })
    });
    let product: [[f64; 3]; 3] = std::array::from_fn(|i| {
        std::array::from_fn(|j| to[i][0] * adjugate[0][j] + to[i][1] * adjugate[1][j] + to[i][2] * adjugate[2][j])
    });
    let coefficients = std::array::from_fn(|i| f64::from((product[i / 3][i % 3] / product[2][2]) as f32));
    coefficients.iter().all(|each| each.is_finite()).then_some(coefficients)
}

/// A matrix that takes the corners of the unit square to four places, in the same order round it. It has whole entries
/// where the places have, so that those that are 0 are exactly 0.
///
/// P. S. Heckbert, "Fundamentals of texture mapping and image warping", 1989, section 2.2.3.
fn square_to([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: [[f64; 2]; 4]) -> Option<[[f64; 3]; 3]> {
    let (dx1, dy1, dx2, dy2) = (x1 - x2, y1 - y2, x3 - x2, y3 - y2);
    let (sx, sy) = (x0 - x1 + x2 - x3, y0 - y1 + y2 - y3);
    let unit = dx1 * dy2 - dx2 * dy1;
    let (g, h) = (sx * dy2 - dx2 * sy, dx1 * sy - sx * dy1);
    let matrix = [
        [unit * (x1 - x0) + g * x1, unit * (x3 - x0) + h * x3, unit * x0],
        [unit * (y1 - y0) + g * y1, unit * (y3 - y0) + h * y3, unit * y0],
        [g, h, unit],
    ];
    let cross =
        |[ax, ay]: [f64; 2], [bx, by]: [f64; 2], [cx, cy]: [f64; 2]| (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
    let corners = [[x0, y0], [x1, y1], [x2, y2], [x3, y3]];
    let is_flat = (0..4).any(|i| cross(corners[i], corners[(i + 1) % 4], corners[(i + 2) % 4]) == 0.0);
    (!is_flat).then_some(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quarters_of_a_turn_move_pixels() {
        let (square, wide) = (Size::new(4, 4), Size::new(4, 5));
        assert_eq!(rotation(-90.0, false, None, square), Rotation::Turns(3));
        assert_eq!(rotation(450.0, true, None, wide), Rotation::Turns(1));
        assert_eq!(rotation(540.0, false, None, wide), Rotation::Turns(2));
        assert!(matches!(rotation(90.0, false, None, wide), Rotation::Map(_, size) if size == wide));
        assert!(matches!(rotation(0.0, false, Some([0.0; 2]), wide), Rotation::Map(..)));
    }

    #[test]
    fn entries_are_rounded_as_python_rounds() {
        for at in -40_000..40_000 {
            let value = f64::from(at).sin();
            assert_eq!(round_to_15_digits(value).to_bits(), format!("{value:.15}").parse::<f64>().unwrap().to_bits());
        }
        // Python: round(0.1234567890123455, 15), of which the 16th digit is a little less than 5.
        assert_eq!(round_to_15_digits(0.123_456_789_012_345_5), 0.123_456_789_012_345);
        assert_eq!(round_to_15_digits(-1e-17).to_bits(), (-0.0_f64).to_bits());
    }

    #[test]
    fn flat_corners_have_no_perspective() {
        let start = [[0.0, 0.0], [9.0, 0.0], [9.0, 9.0], [0.0, 9.0]];
        assert_eq!(perspective(start, start), Some([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]));
        assert_eq!(perspective(start, [[0.0, 0.0], [4.0, 4.0], [9.0, 9.0], [0.0, 9.0]]), None);
    }
}
