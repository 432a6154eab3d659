//! Inverse DCTs to fewer samples: 4 x 4, 2 x 2 and 1 x 1 from a block of 8 x 8 (libjpeg, `jidctred.c`).
//!
//! They are the even and odd parts of the full transform with the high frequencies left out; constants are times 2^13.
//! The four ones of a group belong to the coefficients 1, 3, 5 and 7.

use crate::block::Block;

const ODD_OF_4: [[i32; 4]; 2] = [[20_995, 7373, -4926, -4176], [8697, -17_799, 11_893, -1730]];
const EVEN_OF_4: [i32; 2] = [15_137, -6270];
const ODD_OF_2: [i32; 4] = [29_692, -10_426, 6967, -5906];

/// Like [`crate::kernel::Idct`], for blocks of `size` x `size` samples.
pub(crate) fn idct(size: usize, blocks: &[Block], quant: &[i16; 64], out: &mut [u8], stride: usize) {
    for (index, block) in blocks.iter().enumerate() {
        let out = &mut out[index * size..];
        match size {
            4 => square::<4>(block, quant, out, stride, four),
            2 => square::<2>(block, quant, out, stride, two),
            _ => out[0] = wrapped((i32::from(block[0].wrapping_mul(quant[0])) + 4) >> 3),
        }
    }
}

/// Columns, then rows. `transform` takes eight values and the shift of the result.
fn square<const N: usize>(
    block: &Block,
    quant: &[i16; 64],
    out: &mut [u8],
    stride: usize,
    transform: fn([i32; 8], u32) -> [i32; N],
) {
    let mut columns = [[0; N]; 8];
    for (x, column) in columns.iter_mut().enumerate() {
        *column =
            transform(std::array::from_fn(|y| i32::from(block[y * 8 + x].wrapping_mul(quant[y * 8 + x]))), 13 - 2);
    }
    for y in 0..N {
        let row = transform(std::array::from_fn(|x| columns[x][y]), 13 + 2 + 3);
        for (out, value) in out[y * stride..][..N].iter_mut().zip(row) {
            *out = sample(value);
        }
    }
}

fn four(x: [i32; 8], shift: u32) -> [i32; 4] {
    let even = x[0] << 14;
    let turn = EVEN_OF_4[0].wrapping_mul(x[2]).wrapping_add(EVEN_OF_4[1].wrapping_mul(x[6]));
    let outer = even.wrapping_add(turn);
    let inner = even.wrapping_sub(turn);
    let [far, near] = ODD_OF_4.map(|constants| odd(constants, x));
    [outer.wrapping_add(far), inner.wrapping_add(near), inner.wrapping_sub(near), outer.wrapping_sub(far)]
        .map(|value| descale(value, shift + 1))
}

fn two(x: [i32; 8], shift: u32) -> [i32; 2] {
    let even = x[0] << 15;
    let odd = odd(ODD_OF_2, x);
    [even.wrapping_add(odd), even.wrapping_sub(odd)].map(|value| descale(value, shift + 2))
}

fn odd(constants: [i32; 4], x: [i32; 8]) -> i32 {
    let terms = constants.iter().zip([x[1], x[3], x[5], x[7]]);
    terms.fold(0, |sum, (&constant, value)| sum.wrapping_add(constant.wrapping_mul(value)))
}

fn descale(value: i32, shift: u32) -> i32 {
    value.wrapping_add(1 << (shift - 1)) >> shift
}

/// Only the lowest ten bits count (libjpeg's range limit table), which shows only where a file is damaged.
fn wrapped(value: i32) -> u8 {
    sample(value << 22 >> 22)
}

fn sample(value: i32) -> u8 {
    (value.clamp(-128, 127) + 128) as u8
}
