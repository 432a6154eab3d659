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

/// The pixels at places `step` after `step`, from `at` on, of rows of `width` pixels. See [`super::NearestSteps`].
#[inline]
pub(super) fn nearest_steps<const C: usize>(
    data: &[u8],
    width: usize,
    [mut x, mut y]: [i64; 2],
    [step_x, step_y]: [i64; 2],
    out: &mut [u8],
) {
    let pixels = data.as_chunks::<C>().0;
    for out in out.as_chunks_mut::<C>().0 {
        *out = pixels[(y >> 16) as usize * width + (x >> 16) as usize];
        (x, y) = (x + step_x, y + step_y);
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
        let ((columns, dx), (rows, dy)) = (around::<2>(x), around::<2>(y));
        self.filter(x, y, columns, rows, |pixels: &[[[u8; C]; 2]; 2], c| {
            let [above, below] = [0, 1].map(|row: usize| {
                let [a, b] = [0, 1].map(|column: usize| i32::from(pixels[row][column][c]));
                f64::from(a) + f64::from(b - a) * dx
            });
            above + (below - above) * dy
        })
    }

    /// The sixteen pixels around a place, weighted by the cubic with a = -1.
    #[inline]
    pub(super) fn bicubic<const C: usize>(&self, x: f64, y: f64) -> Option<[u8; C]> {
        let ((columns, dx), (rows, dy)) = (around::<4>(x), around::<4>(y));
        let cubic = |v2: f64, p2: f64, p3: f64, p4: f64, d: f64| v2 + d * (p2 + d * (p3 + d * p4));
        self.filter(x, y, columns, rows, |pixels: &[[[u8; C]; 4]; 4], c| {
            let [v1, v2, v3, v4] = [0, 1, 2, 3].map(|row: usize| {
                // The sums of bytes are exact in any order.
                let [v1, v2, v3, v4] = [0, 1, 2, 3].map(|column: usize| i32::from(pixels[row][column][c]));
                let (p2, p3, p4) = (v3 - v1, 2 * (v1 - v2) + v3 - v4, v2 - v1 - v3 + v4);
                cubic(f64::from(v2), f64::from(p2), f64::from(p3), f64::from(p4), dx)
            });
            cubic(v2, -v1 + v3, 2.0 * (v1 - v2) + v3 - v4, -v1 + v2 - v3 + v4, dy)
        })
    }

    /// Filters `N` x `N` pixels around the place (`x`, `y`), the first of which is at (`left`, `top`).
    #[inline(always)]
    fn filter<const C: usize, const N: usize>(
        &self,
        x: f64,
        y: f64,
        left: isize,
        top: isize,
        channel: impl Fn(&[[[u8; C]; N]; N], usize) -> f64,
    ) -> Option<[u8; C]> {
        if self.is_outside(x, y) {
            return None;
        }
        if x.is_nan() || y.is_nan() {
            return Some([0; C]);
        }
        let (right, bottom) = (left + N as isize, top + N as isize);
        let whole = left >= 0 && top >= 0 && right <= self.size.width as isize && bottom <= self.size.height as isize;
        let mut pixels = [[[0; C]; N]; N];
        if whole {
            let (stride, first) = (self.rect.width * C, (left as usize - self.rect.left) * C);
            let at = (top as usize - self.rect.top) * stride + first;
            for (row, to) in pixels.iter_mut().enumerate() {
                to.as_flattened_mut().copy_from_slice(&self.data[at + row * stride..][..N * C]);
            }
        } else {
            let clamped = |at: isize, len: usize| at.clamp(0, len as isize - 1) as usize;
            for (row, to) in (top..).zip(&mut pixels) {
                let row = clamped(row, self.size.height);
                for (column, to) in (left..).zip(to) {
                    *to = self.pixel(clamped(column, self.size.width), row);
                }
            }
        }
        // The cast cuts at 0 and 255.
        let mut filtered = [0; C];
        for (c, to) in filtered.iter_mut().enumerate() {
            *to = channel(&pixels, c) as u8;
        }
        Some(filtered)
    }
}

/// The first of the `N` positions around a place that is not negative, and how far the place is behind the middle one.
#[inline]
pub(super) fn around<const N: usize>(place: f64) -> (isize, f64) {
    let at = place - 0.5;
    // The floor, without a call. It is -1 where the cast is 0.
    let floor = if at < 0.0 { -1 } else { at as i64 };
    ((floor as isize).saturating_add(1 - N as isize / 2), at - floor as f64)
}
