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
    kernel::{self, Source},
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

    /// The places of a row of pixels from (`left`, `y`) on.
    fn places(&self, left: usize, y: usize, xs: &mut [f64], ys: &mut [f64]) {
        for (i, (to_x, to_y)) in xs.iter_mut().zip(ys).enumerate() {
            (*to_x, *to_y) = self.place(left + i, y);
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
        let source = Source { data: image.data, rect: image.rect, size: self.input };
        let steps = match self.map {
            Map::Affine(matrix) if self.filter == Filter::Nearest => Some(Steps::new(&matrix, self.size)),
            _ => None,
        };
        let mut pace = Pace::new();
        for (y, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * image.channels)) {
            if pace.after(line.len() * WORK) {
                break;
            }
            match (&steps, image.channels) {
                (Some(steps), 1) => steps.row::<1>(&source, y, rect.left, self.fill, line),
                (Some(steps), _) => steps.row::<3>(&source, y, rect.left, self.fill, line),
                (None, channels) => self.row(&source, y, rect.left, channels, line),
            }
        }
        Ok(())
    }

    /// Writes row `y` of the output from column `left` on.
    fn row(&self, source: &Source<'_>, y: usize, left: usize, channels: usize, line: &mut [u8]) {
        let (mut xs, mut ys) = ([0.0; PLACES], [0.0; PLACES]);
        for (block, out) in line.chunks_mut(PLACES * channels).enumerate() {
            let first = left + block * PLACES;
            self.map.places(first, y, &mut xs, &mut ys);
            let count = out.len() / channels;
            let (xs, ys) = (&xs[..count], &ys[..count]);
            match self.filter {
                Filter::Nearest if channels == 1 => nearest::<1>(source, xs, ys, self.fill, out),
                Filter::Nearest => nearest::<3>(source, xs, ys, self.fill, out),
                Filter::Bilinear => kernel::bilinear(source, channels, xs, ys, self.fill, out),
                _ => kernel::bicubic(source, channels, xs, ys, self.fill, out),
            }
        }
    }
}

/// Places of a row that are worked out together.
const PLACES: usize = 64;

/// Bytes of other loops that take as long as one of this.
const WORK: usize = 8;

/// The pixels at the places (`x`, `y`).
fn nearest<const C: usize>(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let fill = *fill.first_chunk().expect("a byte per channel");
    for ((&x, &y), out) in x.iter().zip(y).zip(out.as_chunks_mut::<C>().0) {
        *out = source.nearest(x, y).unwrap_or(fill);
    }
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
    fn row<const C: usize>(&self, source: &Source<'_>, y: usize, left: usize, fill: [u8; 3], line: &mut [u8]) {
        let (fill, line) = (*fill.first_chunk().expect("a byte per channel"), line.as_chunks_mut::<C>().0);
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
