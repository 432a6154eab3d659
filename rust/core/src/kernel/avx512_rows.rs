//! Kernels for AVX-512 with VBMI that move bytes.
//!
//! A row of up to 64 bytes fits a register. `vpermb` mirrors it and shifts it to its columns; its mask leaves the fill
//! where nothing is moved to. Rows are stored whole and in order: what a store writes behind its row, the next overwrites.
//!
//! `vpermt2b` picks bytes from two registers. Two of them make a register of pixels from those of three colours: the
//! first picks what comes from red and green, the second puts blue between.

use std::arch::x86_64::{
    __m512i, _mm512_loadu_si512, _mm512_mask_permutexvar_epi8, _mm512_mask_storeu_epi8, _mm512_maskz_loadu_epi8,
    _mm512_permutex2var_epi8, _mm512_set1_epi8, _mm512_storeu_si512,
};

use super::rows::{self, Columns, Rows};

/// Bytes of a register.
pub(super) const BLOCK: usize = 64;

/// Copies rows of up to 64 bytes, and fills the bytes beside the columns. See [`super::move_rows`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn move_rows(rows: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8]) {
    let Columns { left, len, stride } = columns;
    if len == 0 || stride > BLOCK {
        return rows::move_rows(rows, columns, fill, out);
    }
    assert!(left + len <= stride, "columns beside the row");
    let first = |count: usize| u64::MAX >> (BLOCK - count);
    let order: [u8; BLOCK] = std::array::from_fn(|x| {
        let at = x.wrapping_sub(left);
        (if rows.reversed { len.wrapping_sub(1).wrapping_sub(at) } else { at }) as u8
    });
    let (order, fill) = (load(&order), _mm512_set1_epi8(fill as i8));
    for y in 0..out.len() / stride {
        let from = rows.get(y, len);
        // SAFETY: the mask is for the first `len` bytes, all of which are in `from`.
        let row = unsafe { _mm512_maskz_loadu_epi8(first(len), from.as_ptr().cast()) };
        let row = _mm512_mask_permutexvar_epi8(fill, first(len) << left, order, row);
        let to = &mut out[y * stride..];
        match to.first_chunk_mut() {
            Some(to) => store(to, row),
            None => {
                let to = &mut to[..stride];
                // SAFETY: the mask is for the first `stride` bytes, all of which are in `to`.
                unsafe { _mm512_mask_storeu_epi8(to.as_mut_ptr().cast(), first(stride), row) };
            }
        }
    }
}

/// Writes three planes of values of `N` bytes, 1, 2, 4 or 8, pixel by pixel. See [`super::rows::interleave`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn interleave<const N: usize>(planes: [&[[u8; N]]; 3], out: &mut [[u8; N]]) {
    let orders = Orders::<N>::ALL.each_ref().map(|[first, second]| [load(first), load(second)]);
    let bytes = planes.map(<[_]>::as_flattened);
    let blocks = bytes.map(|plane| plane.as_chunks::<BLOCK>().0);
    let done = blocks[0].len() * (BLOCK / N);
    let (pixels, _) = out.as_flattened_mut().as_chunks_mut::<BLOCK>();
    for (((red, green), blue), out) in blocks[0].iter().zip(blocks[1]).zip(blocks[2]).zip(pixels.as_chunks_mut::<3>().0)
    {
        let [red, green, blue] = [red, green, blue].map(|block| load(block));
        for ([first, second], out) in orders.iter().zip(out) {
            store(out, _mm512_permutex2var_epi8(_mm512_permutex2var_epi8(red, *first, green), *second, blue));
        }
    }
    rows::interleave(planes.map(|plane| &plane[done..]), &mut out[done * 3..]);
}

/// The bytes that the two permutations pick for each of three registers of pixels.
struct Orders<const N: usize>;

impl<const N: usize> Orders<N> {
    const ALL: [[[u8; BLOCK]; 2]; 3] = {
        let mut orders = [[[0; BLOCK]; 2]; 3];
        let mut at = 0;
        while at < 3 * BLOCK {
            let (value, byte) = (at / N, at % N);
            let (pixel, color) = (value / 3, value % 3);
            let from = (pixel * N + byte) as u8;
            let (register, i) = (at / BLOCK, at % BLOCK);
            // Numbers from 64 on pick from the second register.
            orders[register][0][i] = if color == 1 { BLOCK as u8 + from } else { from };
            orders[register][1][i] = if color == 2 { BLOCK as u8 + from } else { i as u8 };
            at += 1;
        }
        orders
    };
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn load(bytes: &[u8; 64]) -> __m512i {
    // SAFETY: the reference is to 64 readable bytes, and the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
pub(super) fn store(bytes: &mut [u8; 64], value: __m512i) {
    // SAFETY: the reference is to 64 writable bytes, and the store needs no alignment.
    unsafe { _mm512_storeu_si512(bytes.as_mut_ptr().cast(), value) };
}
