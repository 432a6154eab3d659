//! Kernels for AVX-512 with VBMI and VNNI.
//!
//! # Table look-up
//!
//! `vpermi2b` looks 64 bytes up in a table of 128, by their lower seven bits. Two of them look up in both halves of 256,
//! and the upper bit chooses between the results. A value of `N` bytes takes that `N` times, once for each of its bytes,
//! and the results are interleaved: with two interleavings of bytes for values of two bytes, and then two of pairs for
//! four. These work within 128-bit lanes, each of which should end up with values that follow each other; so the bytes
//! are put in order before they are looked up, where that takes a single instruction.
//!
//! The tables fill sixteen registers for values of four bytes. That is four times as fast as looking the values up one
//! by one: 64 of them take about 14 cycles.
//!
//! # RGB pixels of a horizontal pass
//!
//! The sums are those of [`super::avx2`], with the same weights in two parts, but four output pixels are made together,
//! one in each 128-bit lane. A lane has four pixels of the input, the weights of which belong to its own output pixel; a
//! shuffle makes `r0 r1 g0 g1 b0 b1 - -` of them, another `r2 r3 g2 g3 b2 b3 - -`. `vpdpwssd` multiplies and adds them up
//! to `r g b -`, so that a lane ends up with a whole pixel and nothing has to be added across lanes. Four rows are done
//! together: they share the weights, and fill a register when they are narrowed to bytes. A last permutation sorts its
//! bytes by rows: twelve of each count.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_castsi128_si512,
    _mm512_dpwssd_epi32, _mm512_extracti32x4_epi32, _mm512_inserti32x4, _mm512_mask_blend_epi8, _mm512_movepi8_mask,
    _mm512_packs_epi32, _mm512_packus_epi16, _mm512_permutex2var_epi8, _mm512_permutexvar_epi8,
    _mm512_permutexvar_epi32, _mm512_permutexvar_epi64, _mm512_set1_epi32, _mm512_setr_epi32, _mm512_setr_epi64,
    _mm512_setzero_si512, _mm512_shuffle_epi8, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_unpackhi_epi8,
    _mm512_unpackhi_epi16, _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
};

use super::{
    Kernels, avx2, avx2_memory,
    avx512_rows::{self, load, store},
    coefficients::{Coefficients, PRECISION_BITS, SplitWeights},
    scalar,
};

/// Proof that the CPU has AVX-512 F, BW, VBMI and VNNI, and AVX2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512Token(avx2::Avx2Token);

impl Avx512Token {
    pub(super) fn detect() -> Option<Self> {
        let can = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vbmi")
            // Cannon Lake has VBMI and no VNNI.
            && is_x86_feature_detected!("avx512vnni");
        avx2::Avx2Token::detect().filter(|_| can).map(Self)
    }

    /// The values of `bytes`; `planes[n]` has byte `n` of all 256 values. `N` is 1, 2 or 4.
    #[inline]
    pub(super) fn values<const N: usize>(self, bytes: &[u8], planes: &[[u8; 256]; N], out: &mut [[u8; N]]) {
        // SAFETY: the token proves that the CPU has what the kernel is compiled for.
        unsafe { values(bytes, planes, out) }
    }

    /// Writes three planes of values of `N` bytes, 1, 2, 4 or 8, pixel by pixel. See [`super::rows::interleave`].
    #[inline]
    pub(super) fn interleave<const N: usize>(self, planes: [&[[u8; N]]; 3], out: &mut [[u8; N]]) {
        // SAFETY: the token proves that the CPU has what the kernel is compiled for.
        unsafe { avx512_rows::interleave(planes, out) }
    }
}

/// The build for AVX-512. Kernels that are not in this file are those of AVX2.
pub(super) fn kernels(token: Avx512Token) -> Kernels {
    Kernels {
        // SAFETY: the token proves that the CPU has what the kernel is compiled for; the pointer exists nowhere else.
        resample_rows_rgb: |rows, stride, table, out, out_stride| unsafe {
            resample_rows_rgb(rows, stride, table, out, out_stride);
        },
        move_rows: |rows, columns, fill, out| match columns.stride <= avx512_rows::BLOCK {
            // SAFETY: as above.
            true => unsafe { avx512_rows::move_rows(rows, columns, fill, out) },
            // SAFETY: the token holds that for AVX2.
            false => unsafe { avx2::move_rows(rows, columns, fill, out) },
        },
        avx512: Some(token),
        ..avx2::kernels(token.0)
    }
}

/// Bytes that are looked up together.
const BLOCK: usize = 64;

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn values<const N: usize>(bytes: &[u8], planes: &[[u8; 256]; N], out: &mut [[u8; N]]) {
    let tables = planes.each_ref().map(|plane| {
        let quarters = plane.as_chunks::<BLOCK>().0;
        [load(&quarters[0]), load(&quarters[1]), load(&quarters[2]), load(&quarters[3])]
    });
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (out, out_rest) = out.as_chunks_mut::<BLOCK>();
    for (block, out) in blocks.iter().zip(out) {
        look_up(block, &tables, out);
    }
    if !rest.is_empty() {
        let (mut block, mut values) = ([0; BLOCK], [[0; N]; BLOCK]);
        block[..rest.len()].copy_from_slice(rest);
        look_up(&block, &tables, &mut values);
        out_rest.copy_from_slice(&values[..rest.len()]);
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up<const N: usize>(block: &[u8; BLOCK], tables: &[[__m512i; 4]; N], out: &mut [[u8; N]; BLOCK]) {
    let block = load(block);
    // Of values of two bytes, eight go into a lane, of four bytes four: so many bytes are moved together.
    let ordered = match N {
        2 => _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7), block),
        4 => {
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            _mm512_permutexvar_epi32(order, block)
        }
        _ => block,
    };
    let upper = _mm512_movepi8_mask(ordered);
    let bytes = tables.each_ref().map(|table| {
        let low = _mm512_permutex2var_epi8(table[0], ordered, table[1]);
        let high = _mm512_permutex2var_epi8(table[2], ordered, table[3]);
        _mm512_mask_blend_epi8(upper, low, high)
    });
    let (out, _) = out.as_flattened_mut().as_chunks_mut::<64>();
    match bytes[..] {
        [a] => store(&mut out[0], a),
        [a, b] => {
            store(&mut out[0], _mm512_unpacklo_epi8(a, b));
            store(&mut out[1], _mm512_unpackhi_epi8(a, b));
        }
        [a, b, c, d] => {
            let (low, high) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
            store(&mut out[0], _mm512_unpacklo_epi16(low, high));
            store(&mut out[1], _mm512_unpackhi_epi16(low, high));
            let (low, high) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
            store(&mut out[2], _mm512_unpacklo_epi16(low, high));
            store(&mut out[3], _mm512_unpackhi_epi16(low, high));
        }
        _ => unreachable!("values of {N} bytes"),
    }
}

/// Rows that are resampled together, and pixels of each.
const ROWS: usize = 4;
const PIXELS: usize = 4;

/// See [`super::ResampleRows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    let width = out_stride / 3;
    let Some(last) = width.checked_sub(PIXELS) else {
        return scalar::resample_rows_rgb(rows, stride, table, out, out_stride);
    };
    let done = out.len() / out_stride / ROWS * ROWS;
    for (y, out) in out.chunks_exact_mut(ROWS * out_stride).enumerate() {
        let rows = &rows[y * ROWS * stride..];
        let mut x = 0;
        loop {
            if let Some(pixels) = resample_pixels(rows, stride, table, x) {
                for (pixels, out) in pixels.iter().zip(out.chunks_exact_mut(out_stride)) {
                    let out = &mut out[x * 3..];
                    // Four bytes more than count, where the next pixels will be written.
                    match out.first_chunk_mut() {
                        Some(out) => *out = *pixels,
                        None => out[..PIXELS * 3].copy_from_slice(&pixels[..PIXELS * 3]),
                    }
                }
            } else {
                for (y, out) in out.chunks_exact_mut(out_stride).enumerate() {
                    for (i, out) in out[x * 3..].as_chunks_mut().0.iter_mut().enumerate().take(PIXELS) {
                        *out = scalar::resample_pixel::<3>(&rows[y * stride..], table, x + i);
                    }
                }
            }
            if x == last {
                break;
            }
            x = (x + PIXELS).min(last);
        }
    }
    let rest = &mut out[done * out_stride..];
    if !rest.is_empty() {
        scalar::resample_rows_rgb(&rows[done * stride..], stride, table, rest, out_stride);
    }
}

/// Four pixels from `x` on of each of four rows, 12 bytes each; `None` where `rows` ends too early for whole loads.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn resample_pixels(rows: &[u8], stride: usize, table: &Coefficients, x: usize) -> Option<[[u8; 16]; ROWS]> {
    let bounds: &[(usize, usize); PIXELS] = table.bounds[x..].first_chunk()?;
    let (weights, per_pixel) = table.all_split_weights();
    let weights = &weights[x * per_pixel..][..PIXELS * per_pixel];
    let taps = bounds.iter().fold(0, |most, &(_, taps)| most.max(taps));
    let groups = taps.div_ceil(4).min(per_pixel);
    let furthest = bounds.iter().fold(0, |most, &(first, _)| most.max(first)) * 3;
    if rows.len() < (ROWS - 1) * stride + furthest + groups * 12 + 4 {
        return None;
    }
    let pairs = |order: [i8; 16]| _mm512_broadcast_i32x4(avx2_memory::load(&order.map(|i| i as u8)));
    let [first, second] = [
        pairs([0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1]),
        pairs([6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1]),
    ];
    let spread = [0, 4, 8, 12]
        .map(|i: i8| pairs([i, i + 1, i + 2, i + 3, i, i + 1, i + 2, i + 3, i, i + 1, i + 2, i + 3, -1, -1, -1, -1]));
    let mut high = [_mm512_setzero_si512(); ROWS];
    let mut low = [_mm512_set1_epi32(scalar::HALF); ROWS];
    for group in 0..groups {
        let all = four_lanes([0, 1, 2, 3].map(|i| avx2::load_weights(&weights[i * per_pixel + group])));
        let [high_1, high_2, low_1, low_2] = spread.map(|order| _mm512_shuffle_epi8(all, order));
        for y in 0..ROWS {
            let lanes = bounds.map(|(start, _)| {
                let at = y * stride + start * 3 + group * 12;
                // SAFETY: `at` is at most (ROWS - 1) * stride + furthest + (groups - 1) * 12, after which 16 bytes follow,
                // as was checked above; the load needs no alignment.
                unsafe { _mm_loadu_si128(rows.as_ptr().add(at).cast()) }
            });
            let pixels = four_lanes(lanes);
            let (pairs_1, pairs_2) = (_mm512_shuffle_epi8(pixels, first), _mm512_shuffle_epi8(pixels, second));
            high[y] = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(high[y], pairs_1, high_1), pairs_2, high_2);
            low[y] = _mm512_dpwssd_epi32(_mm512_dpwssd_epi32(low[y], pairs_1, low_1), pairs_2, low_2);
        }
    }
    let rounded = |y: usize| {
        let sum = _mm512_add_epi32(_mm512_slli_epi32::<{ SplitWeights::LOW_BITS }>(high[y]), low[y]);
        _mm512_srai_epi32::<PRECISION_BITS>(sum)
    };
    let words = [_mm512_packs_epi32(rounded(0), rounded(1)), _mm512_packs_epi32(rounded(2), rounded(3))];
    let sorted = _mm512_permutexvar_epi8(load(&BY_ROWS), _mm512_packus_epi16(words[0], words[1]));
    Some([
        avx2_memory::store(_mm512_extracti32x4_epi32::<0>(sorted)),
        avx2_memory::store(_mm512_extracti32x4_epi32::<1>(sorted)),
        avx2_memory::store(_mm512_extracti32x4_epi32::<2>(sorted)),
        avx2_memory::store(_mm512_extracti32x4_epi32::<3>(sorted)),
    ])
}

/// From `r g b -` of the four rows in each lane, one lane for each pixel, to the pixels of a row in each lane.
const BY_ROWS: [u8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < ROWS * PIXELS * 3 {
        let (row, pixel, color) = (i / (PIXELS * 3), i / 3 % PIXELS, i % 3);
        order[row * 16 + pixel * 3 + color] = (pixel * 16 + row * 4 + color) as u8;
        i += 1;
    }
    order
};

#[inline]
#[target_feature(enable = "avx512f")]
fn four_lanes([a, b, c, d]: [__m128i; 4]) -> __m512i {
    let first = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
    _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(first, c), d)
}
