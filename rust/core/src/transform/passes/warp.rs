//! `Warp`: Pillow's `Image.transform` (`src/libImaging/Geometry.c`), affine and perspective.
//!
//! A map leads from the centre of an output pixel back into the input. The filter then reads the pixels around that
//! place. A place outside the input has the colour `fill`. All arithmetic is Pillow's, operation by operation.

use std::fmt;

use super::{
    filter::Filter,
    steps::{Steps, are_fixed},
};
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

/// Pixels around the place of a map that are counted as read: those of the bicubic filter, and some for what doubles and
/// fixed-point numbers are rounded by.
const MARGIN: f64 = 4.0;

/// The largest terms of a perspective, and the smallest divisor, with which a place is as good as exact.
const SMALL: f64 = 1e6;
const DIVISOR: f64 = 1e-2;

/// The most steps that are exact to a pixel, each to half of 1/65536.
const STEPS: usize = 1 << 16;

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

    /// Whether the places of the corners of `rect` tell those of all its pixels, as lines stay lines.
    fn is_bounded(&self, rect: Rect) -> bool {
        let Map::Perspective(a) = self else { return true };
        let terms = a.iter().zip([rect.right(), rect.bottom(), 1].into_iter().cycle());
        // The horizon does not come near.
        let divisor = |x: usize, y: usize| a[6] * (x as f64 + 0.5) + a[7] * (y as f64 + 0.5) + 1.0;
        let corners = [(rect.left, rect.top), (rect.right(), rect.bottom())];
        terms.into_iter().all(|(term, edge)| term.abs() * (edge as f64) < SMALL)
            && corners.iter().all(|&(x, _)| corners.iter().all(|&(_, y)| divisor(x, y) > DIVISOR))
    }
}

impl Warp {
    /// The rectangle of the input that `rect` of the output reads, or a larger one.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        let nothing = Rect { top: 0, left: 0, height: 0, width: 0 };
        if rect.height == 0 || rect.width == 0 {
            return nothing;
        }
        let is_exact = match self.map {
            Map::Affine(matrix) if self.filter == Filter::Nearest => {
                are_fixed(&matrix, self.size) && rect.right().max(rect.bottom()) <= STEPS
            }
            _ => self.map.is_bounded(rect),
        };
        if !is_exact {
            return Rect::all(self.input);
        }
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for x in [rect.left, rect.right() - 1] {
            for y in [rect.top, rect.bottom() - 1] {
                let place = self.map.place(x, y);
                if !place.0.is_finite() || !place.1.is_finite() {
                    return Rect::all(self.input);
                }
                low = [low[0].min(place.0), low[1].min(place.1)];
                high = [high[0].max(place.0), high[1].max(place.1)];
            }
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
        let mut steps = match self.map {
            Map::Affine(matrix) if self.filter == Filter::Nearest => Some(Steps::new(&matrix, self.size, rect.top)),
            _ => None,
        };
        let mut pace = Pace::new();
        for (y, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * image.channels)) {
            if pace.after(line.len() * WORK) {
                break;
            }
            match (&mut steps, image.channels) {
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

impl fmt::Display for Warp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { map, filter, size, .. } = self;
        write!(f, "warp to {} x {} by {map:?} ({filter:?})", size.height, size.width)
    }
}
