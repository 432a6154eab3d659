//! The kernels in plain Rust. All other builds must equal them.

use crate::block::Block;

/// See [`super::Kernels`]. Eight bytes at a time, as long as none of them is 0xFF.
pub(super) fn unstuff(from: &[u8], to: &mut [u8]) -> (usize, usize) {
    let (mut read, mut written) = (0, 0);
    loop {
        while let (Some(source), Some(target)) = (from[read..].first_chunk::<8>(), to[written..].first_chunk_mut::<8>())
        {
            *target = *source;
            // A byte is 0xFF if its complement is zero: the usual test for a zero byte in a word.
            let word = !u64::from_le_bytes(*source);
            let zero = word.wrapping_sub(0x0101_0101_0101_0101) & !word & 0x8080_8080_8080_8080;
            let clean = zero.trailing_zeros() as usize / 8;
            read += clean;
            written += clean;
            if clean < 8 {
                break;
            }
        }
        while read < from.len() && from[read] != 0xFF && from.len() - read < 8 {
            to[written] = from[read];
            read += 1;
            written += 1;
        }
        match from[read..] {
            [0xFF, 0, ..] => {
                to[written] = 0xFF;
                read += 2;
                written += 1;
            }
            _ => return (read, written),
        }
    }
}

/// Two passes of [`transform`], with the scaling, the wrapping and the saturation of libjpeg-turbo's SIMD code
/// (`jidctint-avx2.asm`, `jidctint-sse2.asm`). For coefficients that an encoder can produce nothing wraps, and the result
/// is that of `jidctint.c`.
pub(super) fn idct(blocks: &[Block], last: &[u8], quant: &[i16; 64], out: &mut [u8], stride: usize) {
    for (index, (block, &last)) in blocks.iter().zip(last).enumerate() {
        let out = &mut out[index * 8..];
        if last == 0 {
            let sample = flat(block[0].wrapping_mul(quant[0]));
            for row in 0..8 {
                out[row * stride..][..8].fill(sample);
            }
            continue;
        }
        let mut columns = [[0_i16; 8]; 8];
        let only_first_row = block[8..].iter().all(|&coefficient| coefficient == 0);
        for (x, column) in columns.iter_mut().enumerate() {
            *column = match only_first_row {
                true => [block[x].wrapping_mul(quant[x]) << 2; 8],
                false => transform::<11>(std::array::from_fn(|y| block[y * 8 + x].wrapping_mul(quant[y * 8 + x]))),
            };
        }
        for y in 0..8 {
            let row = transform::<18>(std::array::from_fn(|x| columns[x][y]));
            for (sample, value) in out[y * stride..][..8].iter_mut().zip(row) {
                *sample = sample_of(value);
            }
        }
    }
}

/// A block of nothing but a DC coefficient: both passes in one.
pub(super) fn flat(dc: i16) -> u8 {
    sample_of(((i32::from(dc << 2) + 16) >> 5) as i16)
}

/// To unsigned, within range.
fn sample_of(value: i16) -> u8 {
    (value.clamp(-128, 127) + 128) as u8
}

/// One-dimensional inverse DCT of Loeffler, Ligtenberg and Moschytz (ICASSP 1989, figure 1), 12 multiplications, as in
/// `jidctint.c`: constants are scaled by 2^13, results by 2^(13 - SHIFT).
///
/// The rotations are written as sums of two products each (`pmaddwd`), from which the names of the constants follow.
fn transform<const SHIFT: u32>(x: [i16; 8]) -> [i16; 8] {
    let dot = |a: i16, ka: i32, b: i16, kb: i32| (i32::from(a) * ka).wrapping_add(i32::from(b) * kb);
    let even_2 = dot(x[2], super::C6, x[6], super::C6 - super::C2_PLUS_C6);
    let even_3 = dot(x[2], super::C6 + super::C2_MINUS_C6, x[6], super::C6);
    let even_0 = i32::from(x[0].wrapping_add(x[4])) << 13;
    let even_1 = i32::from(x[0].wrapping_sub(x[4])) << 13;
    let even = [
        even_0.wrapping_add(even_3),
        even_1.wrapping_add(even_2),
        even_1.wrapping_sub(even_2),
        even_0.wrapping_sub(even_3),
    ];
    let (z3, z4) = (x[7].wrapping_add(x[3]), x[5].wrapping_add(x[1]));
    let z3_rotated = dot(z3, super::ODD_Z[0], z4, super::ODD_Z[1]);
    let z4_rotated = dot(z3, super::ODD_Z[1], z4, super::ODD_Z[2]);
    let odd = [
        dot(x[1], super::ODD_1[0], x[7], super::ODD_1[1]).wrapping_add(z4_rotated),
        dot(x[3], super::ODD_3[0], x[5], super::ODD_3[1]).wrapping_add(z3_rotated),
        dot(x[5], super::ODD_5[0], x[3], super::ODD_5[1]).wrapping_add(z4_rotated),
        dot(x[7], super::ODD_7[0], x[1], super::ODD_7[1]).wrapping_add(z3_rotated),
    ];
    let scale = |value: i32| {
        let rounded = value.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
        rounded.clamp(i16::MIN.into(), i16::MAX.into()) as i16
    };
    std::array::from_fn(|index| match index {
        0..4 => scale(even[index].wrapping_add(odd[index])),
        _ => scale(even[7 - index].wrapping_sub(odd[7 - index])),
    })
}

/// See [`super::Kernels`].
#[inline(always)]
pub(super) fn blend(near: &[u8], far: &[u8], sum: &mut [u16]) {
    for ((sum, &near), &far) in sum.iter_mut().zip(near).zip(far) {
        *sum = 3 * u16::from(near) + u16::from(far);
    }
}

/// `h2v2_fancy_upsample` of `jdsample.c`: 9/16, 3/16, 3/16, 1/16, rounded up and down in turn.
#[inline(always)]
pub(super) fn widen_blended(sum: &[u16], out: &mut [u8]) {
    let count = out.len() / 2;
    let (before, here, after) = (&sum[..count], &sum[1..count + 1], &sum[2..count + 2]);
    for (((pair, before), here), after) in out.as_chunks_mut::<2>().0.iter_mut().zip(before).zip(here).zip(after) {
        *pair = [((3 * here + before + 8) >> 4) as u8, ((3 * here + after + 7) >> 4) as u8];
    }
}

/// `h2v1_fancy_upsample` of `jdsample.c`: 3/4, 1/4, rounded down and up in turn.
#[inline(always)]
pub(super) fn widen(row: &[u8], out: &mut [u8]) {
    let count = out.len() / 2;
    let (before, here, after) = (&row[..count], &row[1..count + 1], &row[2..count + 2]);
    for (((pair, &before), &here), &after) in out.as_chunks_mut::<2>().0.iter_mut().zip(before).zip(here).zip(after) {
        let here = 3 * u16::from(here);
        *pair = [((here + u16::from(before) + 1) >> 2) as u8, ((here + u16::from(after) + 2) >> 2) as u8];
    }
}

/// `h1v2_fancy_upsample` of `jdsample.c`.
#[inline(always)]
pub(super) fn deepen(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
    for ((out, &near), &far) in out.iter_mut().zip(near).zip(far) {
        *out = ((3 * u16::from(near) + u16::from(far) + bias) >> 2) as u8;
    }
}

/// JFIF's YCbCr in fixed point of 16 bits (`build_ycc_rgb_table` and `ycc_rgb_convert` of `jdcolor.c`).
#[inline(always)]
pub(super) fn rgb(luma: &[u8], blue: &[u8], red: &[u8], out: &mut [u8]) {
    for (((pixel, &y), &cb), &cr) in out.as_chunks_mut::<3>().0.iter_mut().zip(luma).zip(blue).zip(red) {
        let (y, cb, cr) = (i32::from(y), i32::from(cb) - 128, i32::from(cr) - 128);
        let clamp = |value: i32| value.clamp(0, 255) as u8;
        *pixel = [
            clamp(y + ((91_881 * cr + 32_768) >> 16)),
            clamp(y + ((-22_554 * cb - 46_802 * cr + 32_768) >> 16)),
            clamp(y + ((116_130 * cb + 32_768) >> 16)),
        ];
    }
}
