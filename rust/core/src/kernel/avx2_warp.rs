//! Filters of [`super::warp`] for AVX2: the channels of a pixel side by side, as doubles in a register.
//!
//! A load takes the neighbours in a row, and some bytes more. Whatever is not in the middle of the image, or has no such
//! bytes behind it, is left to the portable body. Differences of bytes are exact, so they are made of integers.

use std::arch::x86_64::{
    __m256d, _mm_add_epi32, _mm_cvtepu8_epi32, _mm_cvtsi64_si128, _mm_cvtsi128_si32, _mm_packus_epi16,
    _mm_packus_epi32, _mm_slli_epi32, _mm_srli_si128, _mm_sub_epi32, _mm256_add_pd, _mm256_cvtepi32_pd,
    _mm256_cvttpd_epi32, _mm256_mul_pd, _mm256_set1_pd, _mm256_sub_pd,
};

use super::{
    avx2::load,
    warp::{Source, around},
};

/// [`super::warp::bilinear`] of RGB pixels.
#[target_feature(enable = "avx2")]
pub(super) fn bilinear_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    for ((&x, &y), out) in x.iter().zip(y).zip(out.as_chunks_mut().0) {
        *out = match middle::<2, 8>(source, x, y) {
            Some(([above, below], dx, dy)) => {
                let dx = _mm256_set1_pd(dx);
                let (above, below) = (linear(above, dx), linear(below, dx));
                let difference = _mm256_mul_pd(_mm256_sub_pd(below, above), _mm256_set1_pd(dy));
                bytes(_mm256_add_pd(above, difference))
            }
            None => source.bilinear(x, y).unwrap_or(fill),
        };
    }
}

/// [`super::warp::bicubic`] of RGB pixels.
#[target_feature(enable = "avx2")]
pub(super) fn bicubic_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    for ((&x, &y), out) in x.iter().zip(y).zip(out.as_chunks_mut().0) {
        *out = match middle::<4, 16>(source, x, y) {
            Some(([row1, row2, row3, row4], dx, dy)) => {
                let (dx, dy) = (_mm256_set1_pd(dx), _mm256_set1_pd(dy));
                let (v1, v2, v3, v4) =
                    (cubic_row(row1, dx), cubic_row(row2, dx), cubic_row(row3, dx), cubic_row(row4, dx));
                let v12 = _mm256_sub_pd(v1, v2);
                let p2 = _mm256_sub_pd(v3, v1);
                let p3 = _mm256_sub_pd(_mm256_add_pd(_mm256_add_pd(v12, v12), v3), v4);
                let p4 = _mm256_add_pd(_mm256_sub_pd(_mm256_sub_pd(v2, v1), v3), v4);
                bytes(cubic(v2, p2, p3, p4, dy))
            }
            None => source.bicubic(x, y).unwrap_or(fill),
        };
    }
}

/// Two pixels of a row, filtered.
#[inline]
#[target_feature(enable = "avx2")]
fn linear(row: &[u8; 8], d: __m256d) -> __m256d {
    let pixels = _mm_cvtsi64_si128(i64::from_le_bytes(*row));
    let (a, b) = (_mm_cvtepu8_epi32(pixels), _mm_cvtepu8_epi32(_mm_srli_si128::<3>(pixels)));
    let difference = _mm256_cvtepi32_pd(_mm_sub_epi32(b, a));
    _mm256_add_pd(_mm256_cvtepi32_pd(a), _mm256_mul_pd(difference, d))
}

/// Four pixels of a row, filtered.
#[inline]
#[target_feature(enable = "avx2")]
fn cubic_row(row: &[u8; 16], d: __m256d) -> __m256d {
    let pixels = load(row);
    let v1 = _mm_cvtepu8_epi32(pixels);
    let v2 = _mm_cvtepu8_epi32(_mm_srli_si128::<3>(pixels));
    let v3 = _mm_cvtepu8_epi32(_mm_srli_si128::<6>(pixels));
    let v4 = _mm_cvtepu8_epi32(_mm_srli_si128::<9>(pixels));
    let (v12, v34) = (_mm_sub_epi32(v1, v2), _mm_sub_epi32(v3, v4));
    let p2 = _mm_sub_epi32(v3, v1);
    let p3 = _mm_add_epi32(_mm_slli_epi32::<1>(v12), v34);
    // -v1 + v2 - v3 + v4
    let p4 = _mm_sub_epi32(_mm_sub_epi32(v2, v1), v34);
    cubic(_mm256_cvtepi32_pd(v2), _mm256_cvtepi32_pd(p2), _mm256_cvtepi32_pd(p3), _mm256_cvtepi32_pd(p4), d)
}

/// `v2 + d * (p2 + d * (p3 + d * p4))`.
#[inline]
#[target_feature(enable = "avx2")]
fn cubic(v2: __m256d, p2: __m256d, p3: __m256d, p4: __m256d, d: __m256d) -> __m256d {
    let inner = _mm256_add_pd(p3, _mm256_mul_pd(d, p4));
    let inner = _mm256_add_pd(p2, _mm256_mul_pd(d, inner));
    _mm256_add_pd(v2, _mm256_mul_pd(d, inner))
}

/// The `N` rows of pixels around a place, `LOAD` bytes each, and how far the place is behind their middle. There are none
/// where some of the pixels are missing.
#[inline]
#[target_feature(enable = "avx2")]
fn middle<'a, const N: usize, const LOAD: usize>(
    source: &Source<'a>,
    x: f64,
    y: f64,
) -> Option<([&'a [u8; LOAD]; N], f64, f64)> {
    let (low, high) = (N as f64 / 2.0 - 0.5, N as f64 / 2.0);
    // Where one of them is not a number, comparisons are false.
    let is_middle =
        x >= low && y >= low && x < source.size.width as f64 - high + 0.5 && y < source.size.height as f64 - high + 0.5;
    if !is_middle {
        return None;
    }
    let ((left, dx), (top, dy)) = (around::<N>(x), around::<N>(y));
    let stride = source.rect.width * 3;
    let at = (top as usize).wrapping_sub(source.rect.top).wrapping_mul(stride);
    let at = at.wrapping_add((left as usize).wrapping_sub(source.rect.left).wrapping_mul(3));
    let all = source.data.get(at..at.checked_add((N - 1) * stride + LOAD)?)?;
    let mut rows = [all.first_chunk()?; N];
    for (row, bytes) in rows.iter_mut().enumerate() {
        *bytes = all[row * stride..].first_chunk()?;
    }
    Some((rows, dx, dy))
}

/// The first three lanes, without their fractions, cut at 0 and 255.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(values: __m256d) -> [u8; 3] {
    let words = _mm256_cvttpd_epi32(values);
    let words = _mm_packus_epi32(words, words);
    let [r, g, b, _] = _mm_cvtsi128_si32(_mm_packus_epi16(words, words)).to_le_bytes();
    [r, g, b]
}
