//! The table look-up for AVX-512 with VBMI.
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
    __m512i, _mm512_loadu_si512, _mm512_mask_blend_epi8, _mm512_movepi8_mask, _mm512_permutex2var_epi8,
    _mm512_permutexvar_epi32, _mm512_permutexvar_epi64, _mm512_setr_epi32, _mm512_setr_epi64, _mm512_storeu_si512,
    _mm512_unpackhi_epi8, _mm512_unpackhi_epi16, _mm512_unpacklo_epi8, _mm512_unpacklo_epi16,
};

/// Whether this CPU can run the kernel.
pub(super) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512vbmi")
}

/// Bytes that are looked up together.
const BLOCK: usize = 64;

/// The values of `bytes`; `planes[n]` has byte `n` of all 256 values. `N` is 1, 2 or 4.
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn values<const N: usize>(bytes: &[u8], planes: &[[u8; 256]; N], out: &mut [[u8; N]]) {
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

#[inline]
#[target_feature(enable = "avx512f")]
fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn store(bytes: &mut [u8; 64], value: __m512i) {
    // SAFETY: the reference is to 64 writable bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) };
}
