//! Pillow's `Image.transform` and what torchvision does with it, pixel by pixel.

use torchfeed_core::{
    image::Size,
    transform::{Filter, Perspective, WarpCall},
};

use super::Image;

pub(super) fn warp(image: Image, call: &WarpCall) -> Image {
    let (width, height) = (image.size.width as f64, image.size.height as f64);
    let middle = |center: Option<[f64; 2]>| center.unwrap_or([width / 2.0, height / 2.0]);
    match *call {
        WarpCall::Affine { angle, translate: [tx, ty], scale, shear: [sx, sy], interpolation, fill, center } => {
            let [cx, cy] = middle(center);
            let (rot, sx, sy) = (angle.to_radians(), sx.to_radians(), sy.to_radians());
            let (cos, sin) = ((rot - sy).cos(), (rot - sy).sin());
            let (a, b) = (cos / sy.cos(), -cos * sx.tan() / sy.cos() - rot.sin());
            let (c, d) = (sin / sy.cos(), -sin * sx.tan() / sy.cos() + rot.cos());
            let [a, b, c, d] = [d, -b, -c, a].map(|each| each / scale);
            let place = |u: f64, v: f64, at: f64| u * (-cx - tx) + v * (-cy - ty) + at;
            let matrix = [a, b, place(a, b, cx), c, d, place(c, d, cy)];
            affine(&image, matrix, interpolation, image.size, fill)
        }
        WarpCall::Rotate { angle, interpolation, expand, center, fill } => {
            let turn = angle.rem_euclid(360.0);
            let square = expand || image.size.width == image.size.height;
            if center.is_none() && turn % 90.0 == 0.0 && (square || turn % 180.0 == 0.0) {
                return (0..(turn / 90.0) as usize).fold(image, |image, _| quarter_turn(&image));
            }
            let digits = |value: f64| format!("{value:.15}").parse::<f64>().unwrap();
            let radians = -turn.to_radians();
            let (cos, sin) = (digits(radians.cos()), digits(radians.sin()));
            let [cx, cy] = middle(center);
            let mut matrix = [cos, sin, cos * -cx + sin * -cy + 0.0 + cx, -sin, cos, -sin * -cx + cos * -cy + 0.0 + cy];
            let mut size = image.size;
            if expand {
                let at = |row: usize, x: f64, y: f64| matrix[row] * x + matrix[row + 1] * y + matrix[row + 2];
                let extent = |row: usize| {
                    let all = [at(row, 0.0, 0.0), at(row, width, 0.0), at(row, width, height), at(row, 0.0, height)];
                    let (low, high) =
                        (all.into_iter().fold(f64::MAX, f64::min), all.into_iter().fold(f64::MIN, f64::max));
                    high.ceil() - low.floor()
                };
                let (wide, tall) = (extent(0), extent(3));
                let (dx, dy) = (-(wide - width) / 2.0, -(tall - height) / 2.0);
                (matrix[2], matrix[5]) = (at(0, dx, dy), at(3, dx, dy));
                size = Size::new(tall as usize, wide as usize);
            }
            affine(&image, matrix, interpolation, size, fill)
        }
        WarpCall::Transform { matrix, interpolation, fill } => affine(&image, matrix, interpolation, image.size, fill),
        WarpCall::Perspective(Perspective { coefficients: m, interpolation, fill }) => {
            map(&image, interpolation, image.size, fill, |x, y| {
                let divisor = m[6] * x + m[7] * y + 1.0;
                ((m[0] * x + m[1] * y + m[2]) / divisor, (m[3] * x + m[4] * y + m[5]) / divisor)
            })
        }
    }
}

/// Counter-clockwise.
fn quarter_turn(image: &Image) -> Image {
    let size = Size::new(image.size.width, image.size.height);
    Image::make(size, image.channels, |y, x, c| image.get(x, image.size.width - 1 - y, c))
}

fn affine(image: &Image, m: [f64; 6], filter: Filter, size: Size, fill: [u8; 3]) -> Image {
    if filter != Filter::Nearest {
        return map(image, filter, size, fill, |x, y| (m[0] * x + m[1] * y + m[2], m[3] * x + m[4] * y + m[5]));
    }
    // Sums of steps: in doubles for a scale, else in units of 1/65536.
    let is_scale = m[1] == 0.0 && m[3] == 0.0;
    let fixed = |value: f64| if is_scale { value } else { (value * 65536.0 + 0.5).floor() };
    let step = [m[0], m[1], m[3], m[4]].map(fixed);
    let (mut x, mut y) = if is_scale {
        (m[2] + m[0] * 0.5, m[5] + m[4] * 0.5)
    } else {
        (fixed(m[2] + m[0] * 0.5 + m[1] * 0.5), fixed(m[5] + m[3] * 0.5 + m[4] * 0.5))
    };
    let unit = if is_scale { 1.0 } else { 65536.0 };
    let mut rows = Vec::new();
    for _ in 0..size.height {
        let mut row = Vec::new();
        let (mut u, mut v) = (x, y);
        for _ in 0..size.width {
            row.push(((u / unit).floor(), (v / unit).floor()));
            (u, v) = (u + step[0], v + step[2]);
        }
        rows.push(row);
        (x, y) = (x + step[1], y + step[3]);
    }
    Image::make(size, image.channels, |y, x, c| at(image, rows[y][x].0, rows[y][x].1, c).unwrap_or(fill[c]))
}

fn at(image: &Image, x: f64, y: f64, c: usize) -> Option<u8> {
    let inside = x >= 0.0 && y >= 0.0 && x < image.size.width as f64 && y < image.size.height as f64;
    inside.then(|| image.get(y as usize, x as usize, c))
}

/// Filters the pixels around the place that each pixel's centre comes from.
fn map(image: &Image, filter: Filter, size: Size, fill: [u8; 3], place: impl Fn(f64, f64) -> (f64, f64)) -> Image {
    Image::make(size, image.channels, |y, x, c| {
        let (x, y) = place(x as f64 + 0.5, y as f64 + 0.5);
        let Some(nearest) = at(image, x, y, c) else { return fill[c] };
        let (left, top) = ((x - 0.5).floor(), (y - 0.5).floor());
        let (dx, dy) = (x - 0.5 - left, y - 0.5 - top);
        let clamped = |x: f64, y: f64| {
            let (x, y) = (x.clamp(0.0, image.size.width as f64 - 1.0), y.clamp(0.0, image.size.height as f64 - 1.0));
            f64::from(image.get(y as usize, x as usize, c))
        };
        let value = match filter {
            Filter::Nearest => return nearest,
            Filter::Bilinear => {
                let line = |y: f64| {
                    let (a, b) = (clamped(left, y), clamped(left + 1.0, y));
                    a + (b - a) * dx
                };
                line(top) + (line(top + 1.0) - line(top)) * dy
            }
            _ => {
                let cubic = |v: [f64; 4], d: f64| {
                    let (p2, p3) = (-v[0] + v[2], 2.0 * (v[0] - v[1]) + v[2] - v[3]);
                    v[1] + d * (p2 + d * (p3 + d * (-v[0] + v[1] - v[2] + v[3])))
                };
                let line = |y: f64| cubic([-1.0, 0.0, 1.0, 2.0].map(|i| clamped(left + i, y)), dx);
                cubic([-1.0, 0.0, 1.0, 2.0].map(|i| line(top + i)), dy)
            }
        };
        value.clamp(0.0, 255.0) as u8
    })
}
