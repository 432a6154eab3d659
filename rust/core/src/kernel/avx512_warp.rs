//! Kernels of [`super::warp`] for AVX-512 with VBMI and VNNI.
//!
//! # Bicubic filter of RGB pixels
//!
//! The four rows of pixels around a place are the lanes of a register, in the order `r0 r1 r2 r3 g0 g1 g2 g3 b0 ...`. A
//! cubic has four coefficients, each a sum of pixels times -2 to 2. `vpdpbusd` makes one of them for all rows and
//! channels. They are integers; the rest is the arithmetic of [`super::avx2_warp`], for two rows or two places at a time.
//!
//! # Nearest pixels
//!
//! Sixteen of them are gathered, four bytes of each, and a permutation takes three of the four.

use std::arch::x86_64::{
    __m128i, __m512d, __m512i, _mm_set1_epi32, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_set1_pd,
    _mm512_add_epi32, _mm512_add_pd, _mm512_broadcast_i32x4, _mm512_castpd256_pd512, _mm512_castsi128_si512,
    _mm512_castsi512_si256, _mm512_cmple_epu32_mask, _mm512_cvtepi32_pd, _mm512_cvttpd_epi32, _mm512_dpbusd_epi32,
    _mm512_extracti64x4_epi64, _mm512_i32gather_epi32, _mm512_insertf64x4, _mm512_inserti32x4, _mm512_mask_storeu_epi8,
    _mm512_mul_pd, _mm512_mullo_epi32, _mm512_permutexvar_epi8, _mm512_set1_epi32, _mm512_set1_pd, _mm512_setr_epi32,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_shuffle_f64x2, _mm512_srai_epi32, _mm512_sub_pd,
};

use super::{
    avx2_memory,
    avx2_warp::{self, Middle, Places},
    avx512_rows::load,
    warp::{self, Source},
};

/// [`warp::bicubic`] of RGB pixels.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")]
pub(super) fn bicubic_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<4, 3, 16>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let Some(places) = middle.find(x, y) else {
            warp::bicubic::<3>(source, x, y, fill, out);
            continue;
        };
        let mut pixels = [_mm_set1_epi32(0); 4];
        for (pair, pixels) in pixels.as_chunks_mut::<2>().0.iter_mut().enumerate() {
            let ([a12, a34], [b12, b34]) = (filter_rows(&places, 2 * pair), filter_rows(&places, 2 * pair + 1));
            let dy = [places.dy[2 * pair], places.dy[2 * pair + 1]].map(|dy| _mm256_set1_pd(dy));
            let filtered = cubic_doubles(
                [
                    _mm512_shuffle_f64x2::<0x44>(a12, b12),
                    _mm512_shuffle_f64x2::<0xee>(a12, b12),
                    _mm512_shuffle_f64x2::<0x44>(a34, b34),
                    _mm512_shuffle_f64x2::<0xee>(a34, b34),
                ],
                _mm512_insertf64x4::<1>(_mm512_castpd256_pd512(dy[0]), dy[1]),
            );
            let cut = _mm512_cvttpd_epi32(filtered);
            *pixels = [_mm256_castsi256_si128(cut), _mm256_extracti128_si256::<1>(cut)];
        }
        *out = avx2_warp::rgb(pixels);
    }
    warp::bicubic::<3>(source, x, y, fill, out);
}

/// The first and the second, and the third and the fourth of the rows around place `i`, filtered.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")]
fn filter_rows(places: &Places<'_, 16>, i: usize) -> [__m512d; 2] {
    let rows = [0, 1, 2, 3].map(|row: usize| avx2_memory::load(places.load(i, row)));
    let order = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 128, 128, 128, 128];
    let pixels = _mm512_shuffle_epi8(four_lanes(rows), _mm512_broadcast_i32x4(avx2_memory::load(&order)));
    let sums = |factors: [i8; 4]| {
        let factors = _mm512_set1_epi32(i32::from_le_bytes(factors.map(|factor| factor as u8)));
        let sums = _mm512_dpbusd_epi32(_mm512_setzero_si512(), pixels, factors);
        [_mm512_castsi512_si256(sums), _mm512_extracti64x4_epi64::<1>(sums)]
    };
    let (v2, p2, p3, p4) = (sums([0, 1, 0, 0]), sums([-1, 0, 1, 0]), sums([2, -2, 1, -1]), sums([-1, 1, -1, 1]));
    let dx = _mm512_set1_pd(places.dx[i]);
    [0, 1].map(|half: usize| {
        let [v2, p2, p3, p4] = [v2[half], p2[half], p3[half], p4[half]].map(|sums| _mm512_cvtepi32_pd(sums));
        cubic(v2, p2, p3, p4, dx)
    })
}

/// Four filtered rows, filtered.
#[inline]
#[target_feature(enable = "avx512f")]
fn cubic_doubles([v1, v2, v3, v4]: [__m512d; 4], d: __m512d) -> __m512d {
    let v12 = _mm512_sub_pd(v1, v2);
    let p2 = _mm512_sub_pd(v3, v1);
    let p3 = _mm512_sub_pd(_mm512_add_pd(_mm512_add_pd(v12, v12), v3), v4);
    let p4 = _mm512_add_pd(_mm512_sub_pd(_mm512_sub_pd(v2, v1), v3), v4);
    cubic(v2, p2, p3, p4, d)
}

/// `v2 + d * (p2 + d * (p3 + d * p4))`.
#[inline]
#[target_feature(enable = "avx512f")]
fn cubic(v2: __m512d, p2: __m512d, p3: __m512d, p4: __m512d, d: __m512d) -> __m512d {
    let linear = |a, difference| _mm512_add_pd(a, _mm512_mul_pd(difference, d));
    linear(v2, linear(p2, linear(p3, p4)))
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn four_lanes([a, b, c, d]: [__m128i; 4]) -> __m512i {
    let first = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
    _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(first, c), d)
}

/// Pixels that are gathered together, and their bytes.
const PIXELS: usize = 16;
const BYTES: usize = 3 * PIXELS;

/// See [`super::NearestSteps`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn nearest_steps_rgb(data: &[u8], width: usize, at: [i64; 2], step: [i64; 2], out: &mut [u8]) {
    let small = |value: i64| i32::try_from(value).ok();
    let numbers = [at[0], at[1], step[0] * PIXELS as i64, step[1] * PIXELS as i64, 3 * width as i64, data.len() as i64];
    let [Some(x), Some(y), Some(far_x), Some(far_y), Some(stride), Some(len @ 4..)] = numbers.map(small) else {
        return warp::nearest_steps::<3>(data, width, at, step, out);
    };
    let counts = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let from = |start: i32, step: i64| {
        _mm512_add_epi32(_mm512_set1_epi32(start), _mm512_mullo_epi32(counts, _mm512_set1_epi32(step as i32)))
    };
    let (mut x, mut y) = (from(x, step[0]), from(y, step[1]));
    let (far_x, far_y) = (_mm512_set1_epi32(far_x), _mm512_set1_epi32(far_y));
    let (stride, three, last) = (_mm512_set1_epi32(stride), _mm512_set1_epi32(3), _mm512_set1_epi32(len - 4));
    let order = load(&THREE_OF_FOUR);
    let (blocks, rest) = out.as_chunks_mut::<BYTES>();
    let later = |pixel: usize| [0, 1].map(|i: usize| at[i] + step[i] * pixel as i64);
    let done = blocks.len() * PIXELS;
    for (i, out) in blocks.iter_mut().enumerate() {
        let (column, row) = (_mm512_srai_epi32::<16>(x), _mm512_srai_epi32::<16>(y));
        let offsets = _mm512_add_epi32(_mm512_mullo_epi32(row, stride), _mm512_mullo_epi32(column, three));
        if _mm512_cmple_epu32_mask(offsets, last) == u16::MAX {
            // SAFETY: four bytes of the data follow each offset, as was just seen; offsets are less than 2^31.
            let pixels = unsafe { _mm512_i32gather_epi32::<1>(offsets, data.as_ptr().cast()) };
            let packed = _mm512_permutexvar_epi8(order, pixels);
            // SAFETY: the mask is for the bytes of `out`.
            unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), (1 << BYTES) - 1, packed) };
        } else {
            // The last pixel of the data has no fourth byte.
            warp::nearest_steps::<3>(data, width, later(i * PIXELS), step, out);
        }
        (x, y) = (_mm512_add_epi32(x, far_x), _mm512_add_epi32(y, far_y));
    }
    warp::nearest_steps::<3>(data, width, later(done), step, rest);
}

/// The first three of every four bytes.
const THREE_OF_FOUR: [u8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < BYTES {
        order[i] = (i / 3 * 4 + i % 3) as u8;
        i += 1;
    }
    order
};
