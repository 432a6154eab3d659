//! The filters of [`super::warp`] for AVX2, four places at a time.
//!
//! Where all pixels around four places are there, the doubles of a register are the channels of one place for RGB, and
//! the four places for gray. Other places are left to the portable body. Additions and multiplications are the same, in
//! the same order; differences of bytes are exact, so they are made of integers.

use std::arch::x86_64::{
    __m128i, __m256d, _CMP_GE_OQ, _CMP_LE_OQ, _mm_add_epi32, _mm_and_si128, _mm_cvtepu8_epi32, _mm_cvtsi64_si128,
    _mm_cvtsi128_si32, _mm_packus_epi16, _mm_packus_epi32, _mm_set1_epi32, _mm_setr_epi8, _mm_setr_epi32,
    _mm_shuffle_epi8, _mm_slli_epi32, _mm_srli_epi32, _mm_srli_si128, _mm_sub_epi32, _mm256_add_pd, _mm256_and_pd,
    _mm256_cmp_pd, _mm256_cvtepi32_pd, _mm256_cvttpd_epi32, _mm256_floor_pd, _mm256_movemask_pd, _mm256_mul_pd,
    _mm256_set1_pd, _mm256_setr_pd, _mm256_storeu_pd, _mm256_sub_pd,
};

use super::{
    avx2_memory::{load, store},
    warp::{self, Source},
};

/// Places that are done together.
const PLACES: usize = 4;

/// [`warp::bilinear`] of RGB pixels.
#[target_feature(enable = "avx2")]
pub(super) fn bilinear_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<2, 3, 8>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let Some(places) = middle.find(x, y) else {
            warp::bilinear::<3>(source, x, y, fill, out);
            continue;
        };
        let mut pixels = [_mm_set1_epi32(0); PLACES];
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let dx = _mm256_set1_pd(places.dx[i]);
            let (above, below) = (places.load(i, 0), places.load(i, 1));
            let (above, below) = (linear_rgb(above, dx), linear_rgb(below, dx));
            *pixel = _mm256_cvttpd_epi32(linear(above, _mm256_sub_pd(below, above), _mm256_set1_pd(places.dy[i])));
        }
        *out = rgb(pixels);
    }
    warp::bilinear::<3>(source, x, y, fill, out);
}

/// [`warp::bilinear`] of a single channel.
#[target_feature(enable = "avx2")]
pub(super) fn bilinear_gray(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<2, 1, 2>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let Some(places) = middle.find(x, y) else {
            warp::bilinear::<1>(source, x, y, fill, out);
            continue;
        };
        let (dx, dy) = (doubles(places.dx), doubles(places.dy));
        let (above, below) = (linear_gray(&places, 0, dx), linear_gray(&places, 1, dx));
        *out = gray(_mm256_cvttpd_epi32(linear(above, _mm256_sub_pd(below, above), dy)));
    }
    warp::bilinear::<1>(source, x, y, fill, out);
}

/// [`warp::bicubic`] of RGB pixels.
#[target_feature(enable = "avx2")]
pub(super) fn bicubic_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<4, 3, 16>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let Some(places) = middle.find(x, y) else {
            warp::bicubic::<3>(source, x, y, fill, out);
            continue;
        };
        let mut pixels = [_mm_set1_epi32(0); PLACES];
        for (i, pixel) in pixels.iter_mut().enumerate() {
            let dx = _mm256_set1_pd(places.dx[i]);
            let mut rows = [dx; 4];
            for (row, filtered) in rows.iter_mut().enumerate() {
                let pixels = load(places.load(i, row));
                *filtered = cubic_bytes(
                    _mm_cvtepu8_epi32(pixels),
                    _mm_cvtepu8_epi32(_mm_srli_si128::<3>(pixels)),
                    _mm_cvtepu8_epi32(_mm_srli_si128::<6>(pixels)),
                    _mm_cvtepu8_epi32(_mm_srli_si128::<9>(pixels)),
                    dx,
                );
            }
            *pixel = _mm256_cvttpd_epi32(cubic_doubles(rows, _mm256_set1_pd(places.dy[i])));
        }
        *out = rgb(pixels);
    }
    warp::bicubic::<3>(source, x, y, fill, out);
}

/// [`warp::bicubic`] of a single channel.
#[target_feature(enable = "avx2")]
pub(super) fn bicubic_gray(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<4, 1, 4>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let Some(places) = middle.find(x, y) else {
            warp::bicubic::<1>(source, x, y, fill, out);
            continue;
        };
        let (dx, dy) = (doubles(places.dx), doubles(places.dy));
        let mut rows = [dx; 4];
        for (row, filtered) in rows.iter_mut().enumerate() {
            let four = |i| i32::from_le_bytes(*places.load(i, row));
            let pixels = _mm_setr_epi32(four(0), four(1), four(2), four(3));
            let byte = _mm_set1_epi32(0xff);
            *filtered = cubic_bytes(
                _mm_and_si128(pixels, byte),
                _mm_and_si128(_mm_srli_epi32::<8>(pixels), byte),
                _mm_and_si128(_mm_srli_epi32::<16>(pixels), byte),
                _mm_srli_epi32::<24>(pixels),
                dx,
            );
        }
        *out = gray(_mm256_cvttpd_epi32(cubic_doubles(rows, dy)));
    }
    warp::bicubic::<1>(source, x, y, fill, out);
}

/// `a + difference * d`.
#[inline]
#[target_feature(enable = "avx2")]
fn linear(a: __m256d, difference: __m256d, d: __m256d) -> __m256d {
    _mm256_add_pd(a, _mm256_mul_pd(difference, d))
}

/// Two RGB pixels of a row, filtered.
#[inline]
#[target_feature(enable = "avx2")]
fn linear_rgb(pixels: &[u8; 8], d: __m256d) -> __m256d {
    let pixels = _mm_cvtsi64_si128(i64::from_le_bytes(*pixels));
    let (a, b) = (_mm_cvtepu8_epi32(pixels), _mm_cvtepu8_epi32(_mm_srli_si128::<3>(pixels)));
    linear(_mm256_cvtepi32_pd(a), _mm256_cvtepi32_pd(_mm_sub_epi32(b, a)), d)
}

/// Two gray pixels of a row at each of the places, filtered.
#[inline]
#[target_feature(enable = "avx2")]
fn linear_gray(places: &Places<'_, 2>, row: usize, d: __m256d) -> __m256d {
    let two = |i| i32::from(u16::from_le_bytes(*places.load(i, row)));
    let pixels = _mm_setr_epi32(two(0), two(1), two(2), two(3));
    let (a, b) = (_mm_and_si128(pixels, _mm_set1_epi32(0xff)), _mm_srli_epi32::<8>(pixels));
    linear(_mm256_cvtepi32_pd(a), _mm256_cvtepi32_pd(_mm_sub_epi32(b, a)), d)
}

/// Four bytes, filtered.
#[inline]
#[target_feature(enable = "avx2")]
fn cubic_bytes(v1: __m128i, v2: __m128i, v3: __m128i, v4: __m128i, d: __m256d) -> __m256d {
    let (v12, v34) = (_mm_sub_epi32(v1, v2), _mm_sub_epi32(v3, v4));
    let p2 = _mm256_cvtepi32_pd(_mm_sub_epi32(v3, v1));
    let p3 = _mm256_cvtepi32_pd(_mm_add_epi32(_mm_slli_epi32::<1>(v12), v34));
    let p4 = _mm256_cvtepi32_pd(_mm_sub_epi32(_mm_sub_epi32(v2, v1), v34));
    cubic(_mm256_cvtepi32_pd(v2), p2, p3, p4, d)
}

/// Four filtered rows, filtered.
#[inline]
#[target_feature(enable = "avx2")]
fn cubic_doubles([v1, v2, v3, v4]: [__m256d; 4], d: __m256d) -> __m256d {
    let v12 = _mm256_sub_pd(v1, v2);
    let p2 = _mm256_sub_pd(v3, v1);
    let p3 = _mm256_sub_pd(_mm256_add_pd(_mm256_add_pd(v12, v12), v3), v4);
    let p4 = _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(v2, v1), v3), v4);
    cubic(v2, p2, p3, p4, d)
}

/// `v2 + d * (p2 + d * (p3 + d * p4))`.
#[inline]
#[target_feature(enable = "avx2")]
fn cubic(v2: __m256d, p2: __m256d, p3: __m256d, p4: __m256d, d: __m256d) -> __m256d {
    linear(v2, linear(p2, linear(p3, p4, d), d), d)
}

/// Where a source has all `N` x `N` pixels of `C` channels around a place, and `LOAD` bytes from the first of each row on.
pub(super) struct Middle<'a, const N: usize, const C: usize, const LOAD: usize> {
    data: &'a [u8],
    stride: usize,
    /// The last first column and row.
    last: [__m256d; 2],
    /// The first column and row that are in memory.
    corner: [__m256d; 2],
    /// The last byte from which the rows are in memory.
    end: __m256d,
}

/// Places in the middle.
pub(super) struct Places<'a, const LOAD: usize> {
    data: &'a [u8],
    stride: usize,
    /// Where the pixels around each place begin. The rows of all of them are in `data`.
    at: [i32; PLACES],
    /// How far each place is behind the middle pixel.
    pub(super) dx: [f64; PLACES],
    pub(super) dy: [f64; PLACES],
}

impl<'a, const N: usize, const C: usize, const LOAD: usize> Middle<'a, N, C, LOAD> {
    #[target_feature(enable = "avx2")]
    pub(super) fn new(source: &Source<'a>) -> Self {
        let (data, rect, stride) = (source.data, source.rect, source.rect.width * C);
        let last = |len: usize| _mm256_set1_pd(len as f64 - N as f64);
        let corner = |at: usize| _mm256_set1_pd(at as f64);
        let end = (data.len() as f64 - ((N - 1) * stride + LOAD) as f64).min(f64::from(i32::MAX));
        Self {
            data,
            stride,
            last: [last(source.size.width), last(source.size.height)],
            corner: [corner(rect.left), corner(rect.top)],
            end: _mm256_set1_pd(end),
        }
    }

    /// The places, if all are in the middle.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn find(&self, x: &[f64; PLACES], y: &[f64; PLACES]) -> Option<Places<'a, LOAD>> {
        let half = _mm256_set1_pd(0.5);
        let (x, y) = (_mm256_sub_pd(doubles(*x), half), _mm256_sub_pd(doubles(*y), half));
        let (floor_x, floor_y) = (_mm256_floor_pd(x), _mm256_floor_pd(y));
        let before = _mm256_set1_pd((N / 2 - 1) as f64);
        let (left, top) = (_mm256_sub_pd(floor_x, before), _mm256_sub_pd(floor_y, before));
        let column = _mm256_sub_pd(left, self.corner[0]);
        let row = _mm256_sub_pd(top, self.corner[1]);
        // Whole numbers below 2^53, or not in the middle.
        let at = _mm256_add_pd(
            _mm256_mul_pd(row, _mm256_set1_pd(self.stride as f64)),
            _mm256_mul_pd(column, _mm256_set1_pd(C as f64)),
        );
        // Comparisons are false where a place is not a number.
        let zero = _mm256_set1_pd(0.0);
        let within = |value, low, high| {
            _mm256_and_pd(_mm256_cmp_pd::<_CMP_GE_OQ>(value, low), _mm256_cmp_pd::<_CMP_LE_OQ>(value, high))
        };
        let is_middle = _mm256_and_pd(
            _mm256_and_pd(within(left, zero, self.last[0]), within(top, zero, self.last[1])),
            within(at, zero, self.end),
        );
        if _mm256_movemask_pd(is_middle) != (1 << PLACES) - 1 {
            return None;
        }
        Some(Places {
            data: self.data,
            stride: self.stride,
            at: integers(_mm256_cvttpd_epi32(at)),
            dx: lanes(_mm256_sub_pd(x, floor_x)),
            dy: lanes(_mm256_sub_pd(y, floor_y)),
        })
    }
}

impl<'a, const LOAD: usize> Places<'a, LOAD> {
    /// The pixels in a row around place `i`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(super) fn load(&self, i: usize, row: usize) -> &'a [u8; LOAD] {
        let at = self.at[i] as usize + row * self.stride;
        debug_assert!(at + LOAD <= self.data.len());
        // SAFETY: `Middle::find` made sure that the rows lie in the data.
        unsafe { &*self.data.as_ptr().add(at).cast() }
    }
}

#[inline]
#[target_feature(enable = "avx2")]
fn doubles([a, b, c, d]: [f64; 4]) -> __m256d {
    _mm256_setr_pd(a, b, c, d)
}

#[inline]
#[target_feature(enable = "avx2")]
fn lanes(values: __m256d) -> [f64; 4] {
    let mut lanes = [0.0; 4];
    // SAFETY: the reference is to four writable doubles, and the store needs no alignment.
    unsafe { _mm256_storeu_pd(lanes.as_mut_ptr(), values) };
    lanes
}

#[inline]
#[target_feature(enable = "avx2")]
fn integers(values: __m128i) -> [i32; 4] {
    let bytes = store(values);
    std::array::from_fn(|i| i32::from_le_bytes([bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]]))
}

/// The first three lanes of each pixel, cut at 0 and 255.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn rgb([a, b, c, d]: [__m128i; PLACES]) -> [u8; 3 * PLACES] {
    let bytes = _mm_packus_epi16(_mm_packus_epi32(a, b), _mm_packus_epi32(c, d));
    let order = _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1);
    *store(_mm_shuffle_epi8(bytes, order)).first_chunk().expect("twelve of sixteen")
}

/// The lanes, cut at 0 and 255.
#[inline]
#[target_feature(enable = "avx2")]
fn gray(values: __m128i) -> [u8; PLACES] {
    let words = _mm_packus_epi32(values, values);
    _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes()
}
