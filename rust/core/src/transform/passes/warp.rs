//! `Warp`: Pillow's `Image.transform` (`src/libImaging/Geometry.c`), affine and perspective.
//!
//! A map leads from the centre of an output pixel back into the input. The filter then reads the pixels around that
//! place. A place outside the input has the colour `fill`. All arithmetic is Pillow's, operation by operation.

use std::fmt;

use super::filter::Filter;
use crate::{
    Result,
    image::{Rect, Size, View, Window},
    interrupt::Pace,
};

/// The map from places of the output to places of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Map {
    /// `(a0 x + a1 y + a2, a3 x + a4 y + a5)`.
    Affine([f64; 6]),
    /// The same over `a6 x + a7 y + 1`.
    Perspective([f64; 8]),
}

/// An image that is mapped to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Warp {
    pub(crate) map: Map,
    /// Nearest, bilinear or bicubic.
    pub(crate) filter: Filter,
    pub(crate) fill: [u8; 3],
    /// The size of the input.
    pub(crate) input: Size,
    /// The size of the output.
    pub(crate) size: Size,
}

/// Pixels around the place of the map that are counted as read: those of the bicubic filter, and one for the rounding
/// of fixed-point numbers.
const MARGIN: f64 = 4.0;

impl Map {
    /// The place that the centre of output pixel (`x`, `y`) comes from.
    #[inline]
    fn place(&self, x: usize, y: usize) -> (f64, f64) {
        let (x, y) = (x as f64 + 0.5, y as f64 + 0.5);
        match self {
            Map::Affine(a) => (a[0] * x + a[1] * y + a[2], a[3] * x + a[4] * y + a[5]),
            Map::Perspective(a) => (
                (a[0] * x + a[1] * y + a[2]) / (a[6] * x + a[7] * y + 1.0),
                (a[3] * x + a[4] * y + a[5]) / (a[6] * x + a[7] * y + 1.0),
            ),
        }
    }

    /// What the map divides by at the centre of output pixel (`x`, `y`).
    fn divisor(&self, x: usize, y: usize) -> f64 {
        match self {
            Map::Affine(_) => 1.0,
            Map::Perspective(a) => a[6] * (x as f64 + 0.5) + a[7] * (y as f64 + 0.5) + 1.0,
        }
    }
}

impl Warp {
    /// The rectangle of the input that `rect` of the output reads, or a larger one.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        let nothing = Rect { top: 0, left: 0, height: 0, width: 0 };
        if rect.height == 0 || rect.width == 0 {
            return nothing;
        }
        let corners = [(rect.left, rect.top), (rect.right() - 1, rect.top)];
        let corners = corners.into_iter().flat_map(|(x, y)| [(x, y), (x, rect.bottom() - 1)]);
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for (x, y) in corners {
            let (place, divisor) = (self.map.place(x, y), self.map.divisor(x, y));
            // Lines stay lines, so the corners bound the rest, unless the horizon runs between them.
            if divisor.is_nan() || divisor < 1e-6 || !place.0.is_finite() || !place.1.is_finite() {
                return Rect::all(self.input);
            }
            low = [low[0].min(place.0), low[1].min(place.1)];
            high = [high[0].max(place.0), high[1].max(place.1)];
        }
        let span = |low: f64, high: f64, len: usize| {
            let first = (low - MARGIN).clamp(0.0, len as f64) as usize;
            let end = (high + MARGIN).clamp(0.0, len as f64) as usize;
            (first, end.saturating_sub(first))
        };
        let (left, width) = span(low[0], high[0], self.input.width);
        let (top, height) = span(low[1], high[1], self.input.height);
        if width == 0 || height == 0 { nothing } else { Rect { top, left, height, width } }
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(&self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        out.try_reset(self.size, rect, image.channels)?;
        if image.channels == 1 {
            self.run_of::<1>(image, rect, out);
        } else {
            self.run_of::<3>(image, rect, out);
        }
        Ok(())
    }

    fn run_of<const C: usize>(&self, image: View<'_>, rect: Rect, out: &mut Window) {
        let source = Source::<C> { image, size: self.input };
        let fill = *self.fill.first_chunk().expect("a byte per channel");
        let fixed = match self.map {
            Map::Affine(matrix) if self.filter == Filter::Nearest => Some(Steps::new(&matrix, self.size)),
            _ => None,
        };
        let mut pace = Pace::new();
        for (y, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * C)) {
            if pace.after(line.len() * 8) {
                break;
            }
            let line = line.as_chunks_mut::<C>().0;
            match &fixed {
                Some(steps) => steps.row(&source, y, rect.left, fill, line),
                None => {
                    for (x, out) in (rect.left..).zip(line) {
                        let (x, y) = self.map.place(x, y);
                        let pixel = match self.filter {
                            Filter::Nearest => source.nearest(x, y),
                            Filter::Bilinear => source.bilinear(x, y),
                            _ => source.bicubic(x, y),
                        };
                        *out = pixel.unwrap_or(fill);
                    }
                }
            }
        }
    }
}

/// The input, of which a part is in memory.
struct Source<'a, const C: usize> {
    image: View<'a>,
    /// The size of the whole.
    size: Size,
}

impl<const C: usize> Source<'_, C> {
    #[inline]
    fn pixel(&self, x: usize, y: usize) -> [u8; C] {
        let rect = self.image.rect;
        let at = ((y - rect.top) * rect.width + x - rect.left) * C;
        *self.image.data[at..].first_chunk().expect("the pixel is in memory")
    }

    /// Whether a place is outside. A place that is not a number is not, as comparisons with it are false.
    #[inline]
    fn is_outside(&self, x: f64, y: f64) -> bool {
        x < 0.0 || x >= self.size.width as f64 || y < 0.0 || y >= self.size.height as f64
    }

    #[inline]
    fn nearest(&self, x: f64, y: f64) -> Option<[u8; C]> {
        (!x.is_nan() && !y.is_nan() && !self.is_outside(x, y)).then(|| self.pixel(x as usize, y as usize))
    }

    #[inline]
    fn bilinear(&self, x: f64, y: f64) -> Option<[u8; C]> {
        if self.is_outside(x, y) {
            return None;
        }
        if x.is_nan() || y.is_nan() {
            return Some([0; C]);
        }
        let (columns, dx) = around::<2>(x, self.size.width);
        let (rows, dy) = around::<2>(y, self.size.height);
        let pixels = rows.map(|row| columns.map(|column| self.pixel(column, row)));
        Some(std::array::from_fn(|c| {
            let [above, below] = pixels.map(|line| linear(line.map(|pixel| f64::from(pixel[c])), dx));
            linear([above, below], dy) as u8
        }))
    }

    #[inline]
    fn bicubic(&self, x: f64, y: f64) -> Option<[u8; C]> {
        if self.is_outside(x, y) {
            return None;
        }
        if x.is_nan() || y.is_nan() {
            return Some([0; C]);
        }
        let (columns, dx) = around::<4>(x, self.size.width);
        let (rows, dy) = around::<4>(y, self.size.height);
        let pixels = rows.map(|row| columns.map(|column| self.pixel(column, row)));
        Some(std::array::from_fn(|c| {
            let lines = pixels.map(|line| cubic(line.map(|pixel| f64::from(pixel[c])), dx));
            // The cast cuts at 0 and 255.
            cubic(lines, dy) as u8
        }))
    }
}

/// The `N` positions around the place `at` of an axis of `len` positions, which end at its edges, and how far the place
/// is behind the middle one.
#[inline]
fn around<const N: usize>(at: f64, len: usize) -> ([usize; N], f64) {
    let at = at - 0.5;
    let floor = at.floor();
    let first = floor as isize + 1 - N as isize / 2;
    (std::array::from_fn(|i| (first + i as isize).clamp(0, len as isize - 1) as usize), at - floor)
}

#[inline]
fn linear([a, b]: [f64; 2], d: f64) -> f64 {
    a + (b - a) * d
}

/// The cubic with a = -1.
#[inline]
fn cubic([v1, v2, v3, v4]: [f64; 4], d: f64) -> f64 {
    let p2 = -v1 + v3;
    let p3 = 2.0 * (v1 - v2) + v3 - v4;
    let p4 = -v1 + v2 - v3 + v4;
    v2 + d * (p2 + d * (p3 + d * p4))
}

/// The nearest pixels of an affine map, which Pillow finds by adding steps.
enum Steps {
    /// In units of 1/65536 pixel.
    Fixed([i32; 6]),
    /// In doubles, where a corner is too far away for the former.
    Double([f64; 6]),
}

impl Steps {
    fn new(a: &[f64; 6], size: Size) -> Self {
        let fits = |x: f64, y: f64| {
            (x * a[0] + y * a[1] + a[2]).abs() < 32768.0 && (x * a[3] + y * a[4] + a[5]).abs() < 32768.0
        };
        let (width, height) = (size.width as f64, size.height as f64);
        if fits(0.0, 0.0) && fits(width, height) && fits(0.0, height) && fits(width, 0.0) {
            let x = a[2] + a[0] * 0.5 + a[1] * 0.5;
            let y = a[5] + a[3] * 0.5 + a[4] * 0.5;
            Steps::Fixed([a[0], a[1], x, a[3], a[4], y].map(|v| (v * 65536.0 + 0.5).floor() as i32))
        } else {
            let x = a[2] + a[1] * 0.5 + a[0] * 0.5;
            let y = a[5] + a[4] * 0.5 + a[3] * 0.5;
            Steps::Double([a[0], a[1], x, a[3], a[4], y])
        }
    }

    /// Writes row `y` of the output from column `left` on.
    fn row<const C: usize>(&self, source: &Source<'_, C>, y: usize, left: usize, fill: [u8; C], line: &mut [[u8; C]]) {
        match self {
            Steps::Fixed(a) => {
                let start = |origin: i32, down: i32, across: i32| {
                    origin.wrapping_add(down.wrapping_mul(y as i32)).wrapping_add(across.wrapping_mul(left as i32))
                };
                let (mut xx, mut yy) = (start(a[2], a[1], a[0]), start(a[5], a[4], a[3]));
                for out in line {
                    let (x, y) = ((xx >> 16) as usize, (yy >> 16) as usize);
                    let inside = x < source.size.width && y < source.size.height;
                    *out = if inside { source.pixel(x, y) } else { fill };
                    (xx, yy) = (xx.wrapping_add(a[0]), yy.wrapping_add(a[3]));
                }
            }
            Steps::Double(a) => {
                // Sums of doubles depend on their order, so every step is made.
                let (mut xx, mut yy) = (a[2], a[5]);
                (0..y).for_each(|_| (xx, yy) = (xx + a[1], yy + a[4]));
                (0..left).for_each(|_| (xx, yy) = (xx + a[0], yy + a[3]));
                for out in line {
                    *out = source.nearest(xx, yy).unwrap_or(fill);
                    (xx, yy) = (xx + a[0], yy + a[3]);
                }
            }
        }
    }
}

/// For each of `len` positions the input position that a scale without a filter shows, if it is inside.
pub(crate) fn scale(len: usize, input: usize, step: f64, offset: f64) -> Vec<Option<usize>> {
    let mut at = offset + step * 0.5;
    let mut next = || {
        let here = at;
        at += step;
        (here >= 0.0 && here < input as f64).then_some(here as usize)
    };
    (0..len).map(|_| next()).collect()
}

impl fmt::Display for Warp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { map, filter, size, .. } = self;
        write!(f, "warp to {} x {} by {map:?} ({filter:?})", size.height, size.width)
    }
}
