//! Resampling for AVX-512 with VBMI and VNNI.
//!
//! `vpdpbusd` multiplies four bytes without a sign with four that have one, and adds the products to a sum of 32 bits. The
//! pixels are such bytes. A weight has 24 bits, so it is cut into three digits from -128 to 127 in base 256. The bytes of
//! `weight + 0x808080` are the digits plus 128, and so the digits themselves once their upper bits are inverted. Each digit
//! has a sum of its own, and `(high << 16) + (middle << 8) + low` is exact: all arithmetic is modulo 2^32, and the result is
//! that of the portable body.
//!
//! # Columns
//!
//! The bytes of four rows are interleaved, first by bytes and then by pairs, so that four bytes of a column lie side by
//! side. This works within 128-bit lanes, and so does the narrowing of the sums, which brings the columns back in order.
//!
//! # Rows of RGB pixels
//!
//! Four output pixels are made together, one in each 128-bit lane. They read neighbouring pixels, which mostly lie within
//! 64 bytes: `vpermb` brings `r0 r1 r2 r3 g0 g1 g2 g3 b0 b1 b2 b3 - - - -` into each lane, counted from the first pixel
//! of its own output pixel. A lane ends up with a whole pixel, `r g b -`, and nothing has to be added across lanes. Four
//! rows are done together: they share the weights, and fill a register when they are narrowed to bytes. A last permutation
//! sorts its bytes by rows: twelve of each count.

use std::arch::x86_64::{
    __m128i, __m512i, _mm_loadu_si128, _mm512_add_epi8, _mm512_add_epi32, _mm512_broadcast_i32x4, _mm512_dpbusd_epi32,
    _mm512_extracti32x4_epi32, _mm512_loadu_si512, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_packs_epi32, _mm512_packus_epi16, _mm512_permutexvar_epi8, _mm512_set1_epi32, _mm512_setzero_si512,
    _mm512_shuffle_epi8, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_unpackhi_epi8, _mm512_unpackhi_epi16,
    _mm512_unpacklo_epi8, _mm512_unpacklo_epi16, _mm512_xor_si512,
};

use super::{
    avx2, avx2_memory,
    avx512_rows::{load, store},
    avx512_warp::four_lanes,
    coefficients::{Coefficients, DIGIT_BIAS, GROUP, PRECISION_BITS, three_digits},
    scalar,
};

/// Bytes of a register.
const BLOCK: usize = 64;

/// Digits of a weight.
const DIGITS: usize = 3;

/// The most groups of weights of a column: the digits of more are not kept at hand.
const MOST_GROUPS: usize = 32;

/// Sums of each digit.
type Sums = [__m512i; DIGITS];

#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn zero_sums() -> Sums {
    [_mm512_set1_epi32(scalar::HALF), _mm512_setzero_si512(), _mm512_setzero_si512()]
}

/// Adds the products of four bytes with each digit of their weights.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn add(sums: &mut Sums, bytes: __m512i, digits: [__m512i; DIGITS]) {
    for (sum, digits) in sums.iter_mut().zip(digits) {
        *sum = _mm512_dpbusd_epi32(*sum, bytes, digits);
    }
}

/// The whole sums, rounded.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn whole([low, middle, high]: Sums) -> __m512i {
    let upper = _mm512_add_epi32(_mm512_slli_epi32::<16>(high), _mm512_slli_epi32::<8>(middle));
    _mm512_srai_epi32::<PRECISION_BITS>(_mm512_add_epi32(upper, low))
}

/// See [`super::resample_column`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
pub(super) fn resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    let groups = weights.len().div_ceil(GROUP);
    if !(1..=MOST_GROUPS).contains(&groups) || !weights.iter().copied().all(three_digits) {
        return avx2::resample_column(rows, stride, weights, out);
    }
    assert!(rows.len() >= (weights.len() - 1) * stride + out.len(), "a whole last row");
    let mut digits = [[0i32; DIGITS]; MOST_GROUPS];
    for (digits, weights) in digits.iter_mut().zip(weights.chunks(GROUP)) {
        let mut bytes = [[0; GROUP]; DIGITS];
        for (i, &weight) in weights.iter().enumerate() {
            let of_weight = ((weight + DIGIT_BIAS) ^ DIGIT_BIAS).to_le_bytes();
            for (bytes, digit) in bytes.iter_mut().zip(of_weight) {
                bytes[i] = digit;
            }
        }
        *digits = bytes.map(i32::from_le_bytes);
    }
    let digits = &digits[..groups];
    let mut blocks = out.chunks_exact_mut(BLOCK);
    let mut at = 0;
    for out in &mut blocks {
        let column = columns(digits, weights.len(), |row| {
            // SAFETY: BLOCK bytes follow `at` in the row, as there are so many in `out`, and `row` is less than the number
            // of weights: the assertion says that rows have them.
            unsafe { _mm512_loadu_si512(rows.as_ptr().add(row * stride + at).cast()) }
        });
        store(out.first_chunk_mut().expect("a whole block"), column);
        at += BLOCK;
    }
    let rest = blocks.into_remainder();
    if !rest.is_empty() {
        let mask = u64::MAX >> (BLOCK - rest.len());
        let column = columns(digits, weights.len(), |row| {
            // SAFETY: the mask is for as many bytes as are left of `out`; the rest as above.
            unsafe { _mm512_maskz_loadu_epi8(mask, rows.as_ptr().add(row * stride + at).cast()) }
        });
        // SAFETY: the mask is for the bytes of `rest`.
        unsafe { _mm512_mask_storeu_epi8(rest.as_mut_ptr().cast(), mask, column) };
    }
}

/// 64 columns of as many rows as there are `weights`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn columns(digits: &[[i32; DIGITS]], weights: usize, row: impl Fn(usize) -> __m512i) -> __m512i {
    let mut sums = [zero_sums(), zero_sums(), zero_sums(), zero_sums()];
    for (group, digits) in digits.iter().enumerate() {
        // Weights that fill the last group are 0, whatever their rows.
        let [a, b, c, d] = [0, 1, 2, 3].map(|i| row((group * GROUP + i).min(weights - 1)));
        let digits = [_mm512_set1_epi32(digits[0]), _mm512_set1_epi32(digits[1]), _mm512_set1_epi32(digits[2])];
        let (first, second) = (_mm512_unpacklo_epi8(a, b), _mm512_unpacklo_epi8(c, d));
        add(&mut sums[0], _mm512_unpacklo_epi16(first, second), digits);
        add(&mut sums[1], _mm512_unpackhi_epi16(first, second), digits);
        let (first, second) = (_mm512_unpackhi_epi8(a, b), _mm512_unpackhi_epi8(c, d));
        add(&mut sums[2], _mm512_unpacklo_epi16(first, second), digits);
        add(&mut sums[3], _mm512_unpackhi_epi16(first, second), digits);
    }
    let words =
        [_mm512_packs_epi32(whole(sums[0]), whole(sums[1])), _mm512_packs_epi32(whole(sums[2]), whole(sums[3]))];
    _mm512_packus_epi16(words[0], words[1])
}

/// Rows that are resampled together, and pixels of each.
const ROWS: usize = 4;
const PIXELS: usize = 4;

/// See [`super::ResampleRows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
pub(super) fn resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    let width = out_stride / 3;
    let Some(last) = width.checked_sub(PIXELS).filter(|_| table.has_three_digits()) else {
        return scalar::resample_rows_rgb(rows, stride, table, out, out_stride);
    };
    for (y, out) in out.chunks_mut(ROWS * out_stride).enumerate() {
        let rows = &rows[y * ROWS * stride..];
        // Of fewer than four rows, the last is done again and not kept.
        let count = out.len() / out_stride;
        let starts = [0, 1, 2, 3].map(|y: usize| y.min(count - 1) * stride);
        let mut x = 0;
        loop {
            if let Some(pixels) = resample_pixels(rows, starts, table, x) {
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
}

/// Where the bytes of a lane lie, counted from its first pixel. What becomes of the last four does not count.
const BY_COLOUR: [u8; 16] = [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, 0, 0, 0, 0];

/// Four pixels from `x` on of each of four rows, 12 bytes each; `None` where `rows` ends too early for whole loads.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vnni")]
fn resample_pixels(rows: &[u8], starts: [usize; ROWS], table: &Coefficients, x: usize) -> Option<[[u8; 16]; ROWS]> {
    let bounds: &[(usize, usize); PIXELS] = table.bounds[x..].first_chunk()?;
    let (weights, per_pixel) = table.all_weights();
    let weights = &weights[x * per_pixel..][..PIXELS * per_pixel];
    let taps = bounds.iter().fold(0, |most, &(_, taps)| most.max(taps));
    let groups = taps.div_ceil(GROUP).min(per_pixel);
    let nearest = bounds.iter().fold(usize::MAX, |least, &(first, _)| least.min(first)) * 3;
    let furthest = bounds.iter().fold(0, |most, &(first, _)| most.max(first)) * 3;
    let offsets = bounds.map(|(first, _)| first * 3 - nearest);
    let left = rows.len().checked_sub(starts[ROWS - 1] + groups * 12)?;
    let bias = _mm512_set1_epi32(DIGIT_BIAS);
    let [low, middle, high] = [0, 1, 2].map(|i: u8| {
        let of_group = [i, i + 4, i + 8, i + 12];
        lanes(std::array::from_fn(|at| if at < 12 { of_group[at % 4] } else { 128 }))
    });
    let digits = |group: usize| {
        let weights = four_lanes([0, 1, 2, 3].map(|i| load_weights(&weights[i * per_pixel + group])));
        let bytes = _mm512_xor_si512(_mm512_add_epi32(weights, bias), bias);
        [_mm512_shuffle_epi8(bytes, low), _mm512_shuffle_epi8(bytes, middle), _mm512_shuffle_epi8(bytes, high)]
    };
    let by_colour = lanes(BY_COLOUR);
    let mut sums = [zero_sums(), zero_sums(), zero_sums(), zero_sums()];
    if furthest - nearest + 12 <= BLOCK && left + 12 >= nearest + BLOCK {
        let shifts = offsets.map(|offset| offset as u8);
        let shifts = _mm512_shuffle_epi8(_mm512_set1_epi32(i32::from_le_bytes(shifts)), load(&EACH_LANE));
        let order = _mm512_add_epi8(by_colour, shifts);
        for group in 0..groups {
            let digits = digits(group);
            for (sums, start) in sums.iter_mut().zip(starts) {
                let at = start + nearest + group * 12;
                // SAFETY: BLOCK bytes follow the largest `at`, starts[ROWS - 1] + nearest + (groups - 1) * 12, as was
                // checked above; the load needs no alignment.
                let pixels = unsafe { _mm512_loadu_si512(rows.as_ptr().add(at).cast()) };
                add(sums, _mm512_permutexvar_epi8(order, pixels), digits);
            }
        }
    } else if left >= furthest + 4 {
        for group in 0..groups {
            let digits = digits(group);
            for (sums, start) in sums.iter_mut().zip(starts) {
                let pixels = four_lanes(offsets.map(|offset| {
                    let at = start + nearest + offset + group * 12;
                    // SAFETY: 16 bytes follow the largest `at`, starts[ROWS - 1] + furthest + (groups - 1) * 12, as was
                    // checked above; the load needs no alignment.
                    unsafe { _mm_loadu_si128(rows.as_ptr().add(at).cast()) }
                }));
                add(sums, _mm512_shuffle_epi8(pixels, by_colour), digits);
            }
        }
    } else {
        return None;
    }
    let words =
        [_mm512_packs_epi32(whole(sums[0]), whole(sums[1])), _mm512_packs_epi32(whole(sums[2]), whole(sums[3]))];
    let sorted = _mm512_permutexvar_epi8(load(&BY_ROWS), _mm512_packus_epi16(words[0], words[1]));
    Some([
        avx2_memory::store(_mm512_extracti32x4_epi32::<0>(sorted)),
        avx2_memory::store(_mm512_extracti32x4_epi32::<1>(sorted)),
        avx2_memory::store(_mm512_extracti32x4_epi32::<2>(sorted)),
        avx2_memory::store(_mm512_extracti32x4_epi32::<3>(sorted)),
    ])
}

/// The first byte to all of the first lane, the second to the second lane, and so on.
const EACH_LANE: [u8; BLOCK] = {
    let mut order = [0; BLOCK];
    let mut i = 0;
    while i < BLOCK {
        order[i] = (i / 16) as u8;
        i += 1;
    }
    order
};

/// From `r g b -` of the four rows in each lane, one lane for each pixel, to the pixels of a row in each lane.
const BY_ROWS: [u8; BLOCK] = {
    let mut order = [0; BLOCK];
    let mut i = 0;
    while i < ROWS * PIXELS * 3 {
        let (row, pixel, color) = (i / (PIXELS * 3), i / 3 % PIXELS, i % 3);
        order[row * 16 + pixel * 3 + color] = (pixel * 16 + row * 4 + color) as u8;
        i += 1;
    }
    order
};

/// The same bytes in all lanes.
#[inline]
#[target_feature(enable = "avx512f")]
fn lanes(bytes: [u8; 16]) -> __m512i {
    _mm512_broadcast_i32x4(avx2_memory::load(&bytes))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_weights(weights: &[i32; GROUP]) -> __m128i {
    // SAFETY: the reference is to 16 readable bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(weights.as_ptr().cast()) }
}
