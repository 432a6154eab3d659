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

use std::arch::x86_64::{
    __m512i, _mm512_mask_blend_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8, _mm512_permutexvar_epi32,
    _mm512_permutexvar_epi64, _mm512_setr_epi32, _mm512_setr_epi64, _mm512_unpackhi_epi8, _mm512_unpackhi_epi16,
    _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
};

use super::{
    Kernels, avx2, avx512_resize,
    avx512_rows::{self, load, store},
    avx512_warp, color,
    stencils::{self, BoxWeights},
};

/// Proof that the CPU has AVX-512 F, BW, DQ, VL, VBMI and VNNI, and AVX2.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512Token(avx2::Avx2Token);

impl Avx512Token {
    pub(super) fn detect() -> Option<Self> {
        let can = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
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

    /// The bytes that RGB pixels become by a table for each channel.
    #[inline]
    pub(super) fn pixels(self, bytes: &[u8], tables: &[[u8; 256]; 3], out: &mut [u8]) {
        // SAFETY: the token proves that the CPU has what the kernel is compiled for.
        unsafe { pixels(bytes, tables, out) }
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
            avx512_resize::resample_rows_rgb(rows, stride, table, out, out_stride);
        },
        // SAFETY: as above.
        resample_column: |rows, stride, weights, out| unsafe {
            avx512_resize::resample_column(rows, stride, weights, out);
        },
        move_rows: |rows, columns, fill, out| match columns.stride <= avx512_rows::BLOCK {
            // SAFETY: as above.
            true => unsafe { avx512_rows::move_rows(rows, columns, fill, out) },
            // SAFETY: the token holds that for AVX2.
            false => unsafe { avx2::move_rows(rows, columns, fill, out) },
        },
        // SAFETY: as above.
        gray: |pixels, out| unsafe { gray(pixels, out) },
        // SAFETY: as above.
        sum_lightness: |pixels, sum| unsafe { sum_lightness(pixels, sum) },
        // SAFETY: as above.
        saturate: |pixels, factor, out| unsafe { saturate(pixels, factor, out) },
        // SAFETY: as above.
        turn_hue: |pixels, turn, out| unsafe { turn_hue(pixels, turn, out) },
        // SAFETY: as above.
        sharpen_row: |rows, channels, factor, out| unsafe { sharpen_row(rows, channels, factor, out) },
        // SAFETY: as above.
        blur_line: |weights, lines, sums, out| unsafe { blur_line(weights, lines, sums, out) },
        // SAFETY: as above.
        bicubic_rgb: |source, x, y, fill, out| unsafe { avx512_warp::bicubic_rgb(source, x, y, fill, out) },
        // SAFETY: as above.
        nearest_steps_rgb: |data, width, at, step, out| unsafe {
            avx512_warp::nearest_steps_rgb(data, width, at, step, out);
        },
        avx512: Some(token),
        ..avx2::kernels(token.0)
    }
}

macro_rules! with_avx512 {
    ($($module:ident::$name:ident($($arg:ident: $type:ty),*);)*) => {$(
        #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi")]
        fn $name($($arg: $type),*) {
            $module::$name($($arg),*);
        }
    )*};
}

with_avx512! {
    color::gray(pixels: &[u8], out: &mut [u8]);
    color::sum_lightness(pixels: &[u8], sum: &mut u64);
    color::saturate(pixels: &[u8], factor: f32, out: &mut [u8]);
    color::turn_hue(pixels: &[u8], turn: u8, out: &mut [u8]);
    stencils::sharpen_row(rows: [&[u8]; 3], channels: usize, factor: f32, out: &mut [u8]);
    stencils::blur_line(weights: BoxWeights, lines: [&[u8]; 3], sums: &mut [u32], out: &mut [u8]);
}

/// Bytes that are looked up together.
const BLOCK: usize = 64;

/// A table in four registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn quarters(table: &[u8; 256]) -> [__m512i; 4] {
    let quarters = table.as_chunks::<BLOCK>().0;
    [load(&quarters[0]), load(&quarters[1]), load(&quarters[2]), load(&quarters[3])]
}

/// Which bytes of a block belong to the channel that begins at byte `first`.
const fn every_third(first: usize) -> u64 {
    let (mut mask, mut i) = (0, first);
    while i < BLOCK {
        mask |= 1 << i;
        i += 3;
    }
    mask
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn pixels(bytes: &[u8], tables: &[[u8; 256]; 3], out: &mut [u8]) {
    let tables = tables.each_ref().map(|table| quarters(table));
    let block_of = |block: &[u8; BLOCK], phase: usize, out: &mut [u8; BLOCK]| {
        let block = load(block);
        let upper = _mm512_movepi8_mask(block);
        // A block begins with the channel `phase`.
        let [first, second, third] = [0, 1, 2].map(|i: usize| look_up_bytes(block, upper, &tables[(phase + i) % 3]));
        let made = _mm512_mask_blend_epi8(const { every_third(1) }, first, second);
        store(out, _mm512_mask_blend_epi8(const { every_third(2) }, made, third));
    };
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (out, out_rest) = out.as_chunks_mut::<BLOCK>();
    for (i, (block, out)) in blocks.iter().zip(out).enumerate() {
        // 64 bytes are 21 pixels and a channel.
        block_of(block, i % 3, out);
    }
    if !rest.is_empty() {
        let (mut block, mut made) = ([0; BLOCK], [0; BLOCK]);
        block[..rest.len()].copy_from_slice(rest);
        block_of(&block, blocks.len() % 3, &mut made);
        out_rest.copy_from_slice(&made[..rest.len()]);
    }
}

/// The bytes of a table; the bits of `upper` are those of the bytes from 128 on.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn look_up_bytes(bytes: __m512i, upper: u64, table: &[__m512i; 4]) -> __m512i {
    let low = _mm512_permutex2var_epi8(table[0], bytes, table[1]);
    let high = _mm512_permutex2var_epi8(table[2], bytes, table[3]);
    _mm512_mask_blend_epi8(upper, low, high)
}

#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
fn values<const N: usize>(bytes: &[u8], planes: &[[u8; 256]; N], out: &mut [[u8; N]]) {
    let tables = planes.each_ref().map(|plane| quarters(plane));
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
    let bytes = tables.each_ref().map(|table| look_up_bytes(ordered, upper, table));
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
