//! The nearest pixels of an affine map, which Pillow finds by adding steps (`affine_fixed`, `ImagingTransformAffine` and
//! `ImagingScaleAffine` of `Geometry.c`).

use crate::{
    image::Size,
    kernel::{self, Source},
};

/// Where a map leads to, from row to row.
#[derive(Debug)]
pub(super) enum Steps {
    /// In units of 1/65536 pixel.
    Fixed {
        /// The places of column 0 and row 0.
        origin: [i64; 2],
        /// To the next column.
        right: [i64; 2],
        /// To the next row.
        down: [i64; 2],
    },
    /// In doubles, where a corner is too far away for the former. Sums of doubles depend on their order.
    Double {
        /// The place of column 0 in the next row.
        start: [f64; 2],
        right: [f64; 2],
        down: [f64; 2],
    },
}

impl Steps {
    /// The steps of the matrix `a`, from row `top` of an output of `size` on.
    pub(super) fn new(a: &[f64; 6], size: Size, top: usize) -> Self {
        if are_fixed(a, size) {
            let fixed = |value: f64| (value * 65536.0 + 0.5).floor() as i64;
            let origin = [a[2] + a[0] * 0.5 + a[1] * 0.5, a[5] + a[3] * 0.5 + a[4] * 0.5];
            let (right, down) = ([a[0], a[3]], [a[1], a[4]]);
            return Steps::Fixed { origin: origin.map(fixed), right: right.map(fixed), down: down.map(fixed) };
        }
        let (right, down) = ([a[0], a[3]], [a[1], a[4]]);
        let mut start = [a[2] + a[1] * 0.5 + a[0] * 0.5, a[5] + a[4] * 0.5 + a[3] * 0.5];
        (0..top).for_each(|_| start = add(start, down));
        Steps::Double { start, right, down }
    }

    /// Writes row `y` of the output from column `left` on. Rows are asked for in order.
    pub(super) fn row<const C: usize>(
        &mut self,
        source: &Source<'_>,
        y: usize,
        left: usize,
        fill: [u8; 3],
        line: &mut [u8],
    ) {
        let (fill, line) = (*fill.first_chunk().expect("a byte per channel"), line.as_chunks_mut::<C>().0);
        match self {
            Steps::Fixed { origin, right, down } => {
                let place = |i: usize| origin[i] + down[i] * y as i64 + right[i] * left as i64;
                fixed_row(source, [place(0), place(1)], *right, fill, line);
            }
            Steps::Double { start, right, down } => {
                let mut place = *start;
                (0..left).for_each(|_| place = add(place, *right));
                for out in line {
                    *out = source.nearest(place[0], place[1]).unwrap_or(fill);
                    place = add(place, *right);
                }
                *start = add(*start, *down);
            }
        }
    }
}

/// Whether Pillow counts in units of 1/65536 pixel: the corners of the output are near enough.
pub(super) fn are_fixed(a: &[f64; 6], size: Size) -> bool {
    let (width, height) = (size.width as f64, size.height as f64);
    [(0.0, 0.0), (width, height), (0.0, height), (width, 0.0)]
        .into_iter()
        .all(|(x, y)| (x * a[0] + y * a[1] + a[2]).abs() < 32768.0 && (x * a[3] + y * a[4] + a[5]).abs() < 32768.0)
}

fn add([x, y]: [f64; 2], [dx, dy]: [f64; 2]) -> [f64; 2] {
    [x + dx, y + dy]
}

/// Writes the pixels at `place`, one step further, and so on.
fn fixed_row<const C: usize>(
    source: &Source<'_>,
    [x, y]: [i64; 2],
    [step_x, step_y]: [i64; 2],
    fill: [u8; C],
    line: &mut [[u8; C]],
) {
    let columns = inside(x, step_x, source.size.width, line.len());
    let rows = inside(y, step_y, source.size.height, line.len());
    let (first, end) = (columns.0.max(rows.0), columns.1.min(rows.1));
    let end = end.max(first);
    line[..first].fill(fill);
    line[end..].fill(fill);
    let rect = source.rect;
    let place = |at: i64, step: i64, corner: usize| at + step * first as i64 - ((corner as i64) << 16);
    let start = [place(x, step_x, rect.left), place(y, step_y, rect.top)];
    let out = line[first..end].as_flattened_mut();
    kernel::nearest_steps(source.data, C, rect.width, start, [step_x, step_y], out);
}

/// The first and the end of the steps, of `count`, that lead from `at` into an axis of `len` pixels.
fn inside(at: i64, step: i64, len: usize, count: usize) -> (usize, usize) {
    let limit = (len as i64) << 16;
    let ceil = |value: i64, by: i64| -(-value).div_euclid(by);
    let (first, end) = match step {
        0 if (0..limit).contains(&at) => (0, i64::MAX),
        0 => (0, 0),
        1.. => (ceil(-at, step), ceil(limit - at, step)),
        _ => ((at - limit).div_euclid(-step) + 1, at.div_euclid(-step) + 1),
    };
    (first.clamp(0, count as i64) as usize, end.clamp(0, count as i64) as usize)
}

/// For each of `len` positions the input position that a map without a filter shows, which keeps rows and columns apart.
pub(crate) fn scale(len: usize, input: usize, step: f64, offset: f64) -> Vec<Option<usize>> {
    let mut at = offset + step * 0.5;
    let mut next = || {
        let here = at;
        at += step;
        (here >= 0.0 && here < input as f64).then_some(here as usize)
    };
    (0..len).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn steps_inside_are_those_that_lead_inside(
            at in -9_000_000_i64..9_000_000,
            step in prop_oneof![-300_000_i64..300_000, -2_i64..3],
            len in 1usize..90,
            count in 0usize..200,
        ) {
            let (first, end) = inside(at, step, len, count);
            for i in 0..count {
                let is_inside = (0..len as i64).contains(&((at + step * i as i64) >> 16));
                prop_assert_eq!(is_inside, (first..end).contains(&i));
            }
        }
    }
}
