//! The pixels around places of an image, filtered as Pillow does it (`src/libImaging/Geometry.c`): in doubles, operation
//! by operation, and cut to bytes.
//!
//! A place is outside where it is less than 0 or not less than the image's size. Pixels are at halves, so around a place
//! near the edge some pixels are missing: those of the edge take their places.

use crate::image::{Rect, Size};

/// The part of an image that is in memory, packed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) rect: Rect,
    /// The size of the whole.
    pub(crate) size: Size,
}

/// The bilinear filter, at the places (`x`, `y`).
pub(super) fn bilinear<const C: usize>(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let fill = *fill.first_chunk().expect("a byte per channel");
    for ((&x, &y), out) in x.iter().zip(y).zip(out.as_chunks_mut::<C>().0) {
        *out = source.bilinear(x, y).unwrap_or(fill);
    }
}

/// The bicubic filter, at the places (`x`, `y`).
pub(super) fn bicubic<const C: usize>(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let fill = *fill.first_chunk().expect("a byte per channel");
    for ((&x, &y), out) in x.iter().zip(y).zip(out.as_chunks_mut::<C>().0) {
        *out = source.bicubic(x, y).unwrap_or(fill);
    }
}

impl Source<'_> {
    #[inline]
    pub(crate) fn pixel<const C: usize>(&self, x: usize, y: usize) -> [u8; C] {
        let at = ((y - self.rect.top) * self.rect.width + x - self.rect.left) * C;
        *self.data[at..].first_chunk().expect("the pixel is in memory")
    }

    /// Whether a place is outside. A place that is not a number is not, as comparisons with it are false.
    #[inline]
    fn is_outside(&self, x: f64, y: f64) -> bool {
        x < 0.0 || x >= self.size.width as f64 || y < 0.0 || y >= self.size.height as f64
    }

    /// The pixel at a place.
    #[inline]
    pub(crate) fn nearest<const C: usize>(&self, x: f64, y: f64) -> Option<[u8; C]> {
        (!x.is_nan() && !y.is_nan() && !self.is_outside(x, y)).then(|| self.pixel(x as usize, y as usize))
    }

    /// The four pixels around a place, weighted by their distances.
    #[inline]
    pub(super) fn bilinear<const C: usize>(&self, x: f64, y: f64) -> Option<[u8; C]> {
        self.filter::<C, 2>(x, y, |[a, b], d| a + (b - a) * d)
    }

    /// The sixteen pixels around a place, weighted by the cubic with a = -1.
    #[inline]
    pub(super) fn bicubic<const C: usize>(&self, x: f64, y: f64) -> Option<[u8; C]> {
        self.filter::<C, 4>(x, y, |[v1, v2, v3, v4], d| {
            let p2 = -v1 + v3;
            let p3 = 2.0 * (v1 - v2) + v3 - v4;
            let p4 = -v1 + v2 - v3 + v4;
            v2 + d * (p2 + d * (p3 + d * p4))
        })
    }

    /// Filters `N` x `N` pixels around a place, the rows first; `line` is the filter along one axis.
    #[inline(always)]
    fn filter<const C: usize, const N: usize>(
        &self,
        x: f64,
        y: f64,
        line: impl Fn([f64; N], f64) -> f64,
    ) -> Option<[u8; C]> {
        if self.is_outside(x, y) {
            return None;
        }
        if x.is_nan() || y.is_nan() {
            return Some([0; C]);
        }
        let ((left, dx), (top, dy)) = (around::<N>(x), around::<N>(y));
        let (right, bottom) = (left + N as isize, top + N as isize);
        let whole = left >= 0 && top >= 0 && right <= self.size.width as isize && bottom <= self.size.height as isize;
        let pixels: [[[u8; C]; N]; N] = if whole {
            let (stride, first) = (self.rect.width * C, (left as usize - self.rect.left) * C);
            let at = (top as usize - self.rect.top) * stride + first;
            std::array::from_fn(|row| {
                let pixels = self.data[at + row * stride..][..N * C].as_chunks().0;
                *pixels.first_chunk().expect("the length of the slice")
            })
        } else {
            let clamped = |at: isize, len: usize| at.clamp(0, len as isize - 1) as usize;
            let columns: [usize; N] = std::array::from_fn(|i| clamped(left + i as isize, self.size.width));
            let rows: [usize; N] = std::array::from_fn(|i| clamped(top + i as isize, self.size.height));
            rows.map(|row| columns.map(|column| self.pixel(column, row)))
        };
        // The cast cuts at 0 and 255.
        Some(std::array::from_fn(|c| line(pixels.map(|row| line(row.map(|pixel| f64::from(pixel[c])), dx)), dy) as u8))
    }
}

/// The first of the `N` positions around a place that is not negative, and how far the place is behind the middle one.
#[inline]
pub(super) fn around<const N: usize>(place: f64) -> (isize, f64) {
    let at = place - 0.5;
    // The floor, without a call. It is -1 where the cast is 0.
    let floor = if at < 0.0 { -1 } else { at as i64 };
    (floor as isize + 1 - N as isize / 2, at - floor as f64)
}
