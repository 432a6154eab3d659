//! The kernels for x86-64 machines with AVX2 and BMI2.

use std::arch::x86_64::*;

use super::{Kernels, Task, scalar};
use crate::block::Block;

/// Proof that the machine has AVX2, BMI1, BMI2 and LZCNT.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token(());

impl Token {
    pub(super) fn detect() -> Option<Self> {
        let can = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt");
        can.then_some(Self(()))
    }
}

/// The functions below with "avx2" in their features. The token is the reason that they may be called: the pointers
/// exist nowhere else.
pub(super) fn kernels(token: Token) -> Kernels {
    Kernels {
        // SAFETY: in all of these the machine has AVX2, see above.
        unstuff: |from, to| unsafe { unstuff(from, to) },
        // SAFETY: as above.
        idct: |blocks, last, quant, out, stride| unsafe { idct(blocks, last, quant, out, stride) },
        // SAFETY: as above.
        blend: |near, far, sum| unsafe { blend(near, far, sum) },
        // SAFETY: as above.
        widen_blended: |sum, out| unsafe { widen_blended(sum, out) },
        // SAFETY: as above.
        widen: |row, out| unsafe { widen(row, out) },
        // SAFETY: as above.
        deepen: |near, far, bias, out| unsafe { deepen(near, far, bias, out) },
        // SAFETY: as above.
        rgb: |luma, blue, red, out| unsafe { rgb(luma, blue, red, out) },
        avx2: Some(token),
    }
}

/// See [`Kernels::with_bmi2`].
pub(super) fn run<T: Task>(_: Token, task: T) {
    #[target_feature(enable = "avx2,bmi1,bmi2,lzcnt")]
    fn compiled<T: Task>(task: T) {
        task.run();
    }
    // SAFETY: the token proves that the machine has all of these.
    unsafe { compiled(task) }
}

#[inline(always)]
fn load(from: &[u8; 32]) -> __m256i {
    // SAFETY: 32 bytes of any alignment may be read from there, and any bits are a value.
    unsafe { std::ptr::from_ref(from).cast::<__m256i>().read_unaligned() }
}

#[inline(always)]
fn load_row(from: &[i16; 8]) -> __m128i {
    // SAFETY: 16 bytes of any alignment may be read from there, and any bits are a value.
    unsafe { std::ptr::from_ref(from).cast::<__m128i>().read_unaligned() }
}

#[inline(always)]
fn store(to: &mut [u8; 32], value: __m256i) {
    // SAFETY: 32 bytes of any alignment may be written there, and any bits are bytes.
    unsafe { std::ptr::from_mut(to).cast::<__m256i>().write_unaligned(value) }
}

#[inline(always)]
fn store_half(to: &mut [u8; 16], value: __m128i) {
    // SAFETY: 16 bytes of any alignment may be written there, and any bits are bytes.
    unsafe { std::ptr::from_mut(to).cast::<__m128i>().write_unaligned(value) }
}

/// Copies 32 bytes at a time. Where one of them is 0xFF (one time in eight), all 32 are written all the same, but only
/// those before it count.
#[target_feature(enable = "avx2,bmi1")]
fn unstuff(from: &[u8], to: &mut [u8]) -> (usize, usize) {
    let ones = _mm256_set1_epi8(-1);
    let (mut read, mut written) = (0, 0);
    while let (Some(source), Some(target)) = (from[read..].first_chunk::<32>(), to[written..].first_chunk_mut::<32>()) {
        let bytes = load(source);
        store(target, bytes);
        let found = _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, ones)) as u32;
        let clean = found.trailing_zeros() as usize;
        if clean == 32 {
            read += 32;
            written += 32;
            continue;
        }
        if from.get(read + clean + 1) != Some(&0) {
            return (read + clean, written + clean);
        }
        read += clean + 2;
        written += clean + 1;
    }
    let (more_read, more_written) = scalar::unstuff(&from[read..], &mut to[written..]);
    (read + more_read, written + more_written)
}

#[target_feature(enable = "avx2")]
fn blend(near: &[u8], far: &[u8], sum: &mut [u16]) {
    scalar::blend(near, far, sum);
}

#[target_feature(enable = "avx2")]
fn widen_blended(sum: &[u16], out: &mut [u8]) {
    scalar::widen_blended(sum, out);
}

#[target_feature(enable = "avx2")]
fn widen(row: &[u8], out: &mut [u8]) {
    scalar::widen(row, out);
}

#[target_feature(enable = "avx2")]
fn deepen(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
    scalar::deepen(near, far, bias, out);
}

/// 32 pixels at a time, in words. With cb and cr less 128, and `high(a * b)` the upper half of a product of words:
///
/// - red: 1.402 = 1 + 0.402, so it is `y + cr + round(0.402 cr)`, where rounding is `(high(2 cr * 26345) + 1) >> 1`;
/// - blue: 1.772 = 2 - 0.228, likewise;
/// - green: -0.71414 = -1 + 0.28586, so that both constants fit in words: `y - cr + round(-0.34414 cb + 0.28586 cr)`,
///   the sum of products in 32 bits.
///
/// This is how libjpeg-turbo does it (`jdcolext-sse2.asm`), and it equals the tables of `jdcolor.c`. Then bytes are
/// packed and interleaved: each 16 bytes of output take bytes from all three colours, by one shuffle of each.
#[target_feature(enable = "avx2")]
fn rgb(luma: &[u8], blue: &[u8], red: &[u8], out: &mut [u8]) {
    let (lumas, rest) = luma.as_chunks::<32>();
    let (blues, reds) = (blue.as_chunks::<32>().0, red.as_chunks::<32>().0);
    let (pixels, _) = out.as_chunks_mut::<96>();
    for (((pixels, luma), blue), red) in pixels.iter_mut().zip(lumas).zip(blues).zip(reds) {
        rgb_32(load(luma), load(blue), load(red), pixels);
    }
    let done = luma.len() - rest.len();
    if rest.is_empty() {
        return;
    }
    // The last pixels go through buffers of their own.
    let mut tail = [[0; 32]; 3];
    for (tail, whole) in tail.iter_mut().zip([luma, blue, red]) {
        tail[..rest.len()].copy_from_slice(&whole[done..luma.len()]);
    }
    let mut pixels = [0; 96];
    rgb_32(load(&tail[0]), load(&tail[1]), load(&tail[2]), &mut pixels);
    out[3 * done..3 * luma.len()].copy_from_slice(&pixels[..3 * rest.len()]);
}

#[inline]
#[target_feature(enable = "avx2")]
fn rgb_32(luma: __m256i, blue: __m256i, red: __m256i, out: &mut [u8; 96]) {
    let zero = _mm256_setzero_si256();
    let center = _mm256_set1_epi16(128);
    let one = _mm256_set1_epi16(1);
    // Words in each half of the register: pixels 0 to 7 and 16 to 23, then 8 to 15 and 24 to 31. Packing undoes it.
    let halves = [
        [luma, blue, red].map(|bytes| _mm256_unpacklo_epi8(bytes, zero)),
        [luma, blue, red].map(|bytes| _mm256_unpackhi_epi8(bytes, zero)),
    ];
    let converted = halves.map(|[y, cb, cr]| {
        let (cb, cr) = (_mm256_sub_epi16(cb, center), _mm256_sub_epi16(cr, center));
        let rounded = |value: __m256i, constant: i16| {
            let high = _mm256_mulhi_epi16(_mm256_add_epi16(value, value), _mm256_set1_epi16(constant));
            _mm256_srai_epi16::<1>(_mm256_add_epi16(high, one))
        };
        let r = _mm256_add_epi16(_mm256_add_epi16(y, cr), rounded(cr, 26_345));
        let b = _mm256_add_epi16(_mm256_add_epi16(y, _mm256_add_epi16(cb, cb)), rounded(cb, -14_942));
        // Pairs of words (-22554, 18734).
        let constants = _mm256_set1_epi32(18_734 << 16 | (-22_554_i32 & 0xFFFF));
        let half = _mm256_set1_epi32(32_768);
        let sum = |pairs: __m256i| _mm256_srai_epi32::<16>(_mm256_add_epi32(_mm256_madd_epi16(pairs, constants), half));
        let g = _mm256_packs_epi32(sum(_mm256_unpacklo_epi16(cb, cr)), sum(_mm256_unpackhi_epi16(cb, cr)));
        let g = _mm256_add_epi16(_mm256_sub_epi16(y, cr), g);
        [r, g, b]
    });
    let [low, high] = converted;
    let r = _mm256_packus_epi16(low[0], high[0]);
    let g = _mm256_packus_epi16(low[1], high[1]);
    let b = _mm256_packus_epi16(low[2], high[2]);
    // For the first, second and third 16 bytes of 16 pixels: where each byte comes from in its colour (-1: from another).
    const fn source(part: usize, color: usize) -> [i8; 16] {
        let mut table = [-1; 16];
        let mut index = 0;
        while index < 16 {
            let byte = part * 16 + index;
            if byte % 3 == color {
                table[index] = (byte / 3) as i8;
            }
            index += 1;
        }
        table
    }
    const SOURCES: [[[i8; 16]; 3]; 3] = {
        let mut tables = [[[0; 16]; 3]; 3];
        let mut part = 0;
        while part < 3 {
            let mut color = 0;
            while color < 3 {
                tables[part][color] = source(part, color);
                color += 1;
            }
            part += 1;
        }
        tables
    };
    let parts: [__m256i; 3] = std::array::from_fn(|part| {
        let pick = |color: usize, bytes: __m256i| {
            let table = SOURCES[part][color];
            let order: [u8; 16] = table.map(|index| index as u8);
            let mut twice = [0; 32];
            twice[..16].copy_from_slice(&order);
            twice[16..].copy_from_slice(&order);
            _mm256_shuffle_epi8(bytes, load(&twice))
        };
        _mm256_or_si256(_mm256_or_si256(pick(0, r), pick(1, g)), pick(2, b))
    });
    // Pixels 0 to 15 are in the low halves of the three parts, 16 to 31 in the high.
    let [a, b, c] = parts;
    let (whole, _) = out.as_chunks_mut::<32>();
    store(&mut whole[0], _mm256_permute2x128_si256::<0x20>(a, b));
    store(&mut whole[1], _mm256_permute2x128_si256::<0x30>(c, a));
    store(&mut whole[2], _mm256_permute2x128_si256::<0x31>(b, c));
}

/// Two neighbouring blocks at a time, one in each half of the registers: a register holds the same row of both, and no
/// instruction ever mixes the halves. The steps are those of [`scalar::idct`]:
///
/// 1. eight rows times their factors;
/// 2. [`transform`] of all columns at once: register y then holds row y of the intermediate result;
/// 3. transpose, so that register x holds column x;
/// 4. [`transform`] again: register x holds column x of the samples, which are packed to bytes and transposed back.
///
/// Where both blocks have but a DC coefficient there is nothing to transform; where both have none but the first ten, half
/// of the inputs of either transform are zero.
#[target_feature(enable = "avx2")]
fn idct(blocks: &[Block], last: &[u8], quant: &[i16; 64], out: &mut [u8], stride: usize) {
    let (rows_of_quant, _) = quant.as_chunks::<8>();
    let mut x = 0;
    let (pairs, single) = blocks.as_chunks::<2>();
    for ([a, b], last) in pairs.iter().zip(last.as_chunks::<2>().0) {
        if *last == [0, 0] {
            let mut row = [scalar::flat(a[0].wrapping_mul(quant[0])); 16];
            row[8..].fill(scalar::flat(b[0].wrapping_mul(quant[0])));
            for y in 0..8 {
                out[y * stride + x..][..16].copy_from_slice(&row);
            }
        } else {
            let (rows_a, rows_b) = (a.as_chunks::<8>().0, b.as_chunks::<8>().0);
            let rows: [__m256i; 8] = std::array::from_fn(|y| {
                let factors = _mm256_broadcastsi128_si256(load_row(&rows_of_quant[y]));
                _mm256_mullo_epi16(_mm256_set_m128i(load_row(&rows_b[y]), load_row(&rows_a[y])), factors)
            });
            // libjpeg-turbo treats blocks with nothing but a first row in another way, which shows only if that row is
            // far beyond what an encoder writes.
            let huge = _mm256_cmpgt_epi16(_mm256_abs_epi16(rows[0]), _mm256_set1_epi16(8191));
            let lowest = _mm256_cmpeq_epi16(rows[0], _mm256_set1_epi16(i16::MIN));
            if _mm256_movemask_epi8(_mm256_or_si256(huge, lowest)) != 0 {
                scalar::idct(&[*a, *b], last, quant, &mut out[x..], stride);
            } else {
                let columns = match last[0] < 10 && last[1] < 10 {
                    true => transform::<18, true>(transpose(transform::<11, true>(rows))),
                    false => transform::<18, false>(transpose(transform::<11, false>(rows))),
                };
                let samples = transpose_samples(columns);
                for (y, samples) in samples.into_iter().enumerate() {
                    // Rows 2y of both blocks, then rows 2y + 1.
                    let ordered = _mm256_permute4x64_epi64::<0b11_01_10_00>(samples);
                    let row = &mut out[2 * y * stride + x..];
                    if let Some(row) = row.first_chunk_mut() {
                        store_half(row, _mm256_castsi256_si128(ordered));
                    }
                    if let Some(row) = row[stride..].first_chunk_mut() {
                        store_half(row, _mm256_extracti128_si256::<1>(ordered));
                    }
                }
            }
        }
        x += 16;
    }
    if let [block] = single {
        let Some(&last) = last.last() else { return };
        if last == 0 {
            return scalar::idct(&[*block], &[last], quant, &mut out[x..], stride);
        }
        // A pair of its own, of which one is thrown away.
        let mut samples = [0; 128];
        idct(&[*block, [0; 64]], &[last, 1], quant, &mut samples, 16);
        for (y, row) in samples.as_chunks::<16>().0.iter().enumerate() {
            out[y * stride + x..][..8].copy_from_slice(&row[..8]);
        }
    }
}

/// [`scalar`]'s `transform` of 16 columns. Products of two words each are summed by one instruction, which wants its
/// operands interleaved; so the low and the high half of the columns are computed one after the other, in 32 bits, and
/// packed in the end. If `FEW`, the last four inputs are zero.
#[inline]
#[target_feature(enable = "avx2")]
fn transform<const SHIFT: i32, const FEW: bool>(x: [__m256i; 8]) -> [__m256i; 8] {
    let low = transform_half::<SHIFT, FEW>(x, |a, b| _mm256_unpacklo_epi16(a, b));
    let high = transform_half::<SHIFT, FEW>(x, |a, b| _mm256_unpackhi_epi16(a, b));
    std::array::from_fn(|index| _mm256_packs_epi32(low[index], high[index]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn transform_half<const SHIFT: i32, const FEW: bool>(
    x: [__m256i; 8],
    interleave: impl Fn(__m256i, __m256i) -> __m256i,
) -> [__m256i; 8] {
    let dot = |pairs: __m256i, ka: i32, kb: i32| _mm256_madd_epi16(pairs, _mm256_set1_epi32(kb << 16 | (ka & 0xFFFF)));
    let (add, sub) = (|a, b| _mm256_add_epi32(a, b), |a, b| _mm256_sub_epi32(a, b));
    // Words times 2^13, as double words: into the upper half, and back by three.
    let zero = _mm256_setzero_si256();
    let shifted = |value: __m256i| _mm256_srai_epi32::<3>(interleave(zero, value));
    let x = if FEW { [x[0], x[1], x[2], x[3], zero, zero, zero, zero] } else { x };

    let pairs_26 = interleave(x[2], x[6]);
    let even_2 = dot(pairs_26, super::C6, super::C6 - super::C2_PLUS_C6);
    let even_3 = dot(pairs_26, super::C6 + super::C2_MINUS_C6, super::C6);
    // What is rounded off in the end is put in here, once for all.
    let half = _mm256_set1_epi32(1 << (SHIFT - 1));
    let (even_0, even_1) = match FEW {
        true => {
            let both = add(shifted(x[0]), half);
            (both, both)
        }
        false => (add(shifted(_mm256_add_epi16(x[0], x[4])), half), add(shifted(_mm256_sub_epi16(x[0], x[4])), half)),
    };
    let even = [add(even_0, even_3), add(even_1, even_2), sub(even_1, even_2), sub(even_0, even_3)];

    let odd = if FEW {
        // z3 is x[3] and z4 is x[1]: the sums of constants can be made beforehand.
        let pairs = interleave(x[1], x[3]);
        [
            dot(pairs, super::ODD_1[0] + super::ODD_Z[2], super::ODD_Z[1]),
            dot(pairs, super::ODD_Z[1], super::ODD_3[0] + super::ODD_Z[0]),
            dot(pairs, super::ODD_Z[2], super::ODD_5[1] + super::ODD_Z[1]),
            dot(pairs, super::ODD_7[1] + super::ODD_Z[1], super::ODD_Z[0]),
        ]
    } else {
        let pairs_z = interleave(_mm256_add_epi16(x[7], x[3]), _mm256_add_epi16(x[5], x[1]));
        let z3 = dot(pairs_z, super::ODD_Z[0], super::ODD_Z[1]);
        let z4 = dot(pairs_z, super::ODD_Z[1], super::ODD_Z[2]);
        let (pairs_71, pairs_53) = (interleave(x[7], x[1]), interleave(x[5], x[3]));
        [
            add(dot(pairs_71, super::ODD_1[1], super::ODD_1[0]), z4),
            add(dot(pairs_53, super::ODD_3[1], super::ODD_3[0]), z3),
            add(dot(pairs_53, super::ODD_5[0], super::ODD_5[1]), z4),
            add(dot(pairs_71, super::ODD_7[0], super::ODD_7[1]), z3),
        ]
    };
    std::array::from_fn(|index| match index {
        0..4 => _mm256_srai_epi32::<SHIFT>(add(even[index], odd[index])),
        _ => _mm256_srai_epi32::<SHIFT>(sub(even[7 - index], odd[7 - index])),
    })
}

/// Transposes the 8 x 8 words in each half.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose(r: [__m256i; 8]) -> [__m256i; 8] {
    let a: [__m256i; 4] = std::array::from_fn(|i| _mm256_unpacklo_epi16(r[2 * i], r[2 * i + 1]));
    let b: [__m256i; 4] = std::array::from_fn(|i| _mm256_unpackhi_epi16(r[2 * i], r[2 * i + 1]));
    let halves = [a, b].map(|q| {
        let low = [_mm256_unpacklo_epi32(q[0], q[1]), _mm256_unpacklo_epi32(q[2], q[3])];
        let high = [_mm256_unpackhi_epi32(q[0], q[1]), _mm256_unpackhi_epi32(q[2], q[3])];
        [low, high].map(|[p, q]| [_mm256_unpacklo_epi64(p, q), _mm256_unpackhi_epi64(p, q)])
    });
    let [[[c0, c1], [c2, c3]], [[c4, c5], [c6, c7]]] = halves;
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Columns of words to rows of unsigned bytes: register y holds rows 2y and 2y + 1 in each half.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_samples(c: [__m256i; 8]) -> [__m256i; 4] {
    // Bytes of columns (0, 4), (1, 5), (2, 6), (3, 7).
    let p: [__m256i; 4] = std::array::from_fn(|i| _mm256_packs_epi16(c[i], c[i + 4]));
    let pairs = |a: __m256i, b: __m256i| [_mm256_unpacklo_epi8(a, b), _mm256_unpackhi_epi8(a, b)];
    let ([c01, c45], [c23, c67]) = (pairs(p[0], p[1]), pairs(p[2], p[3]));
    let quads = |a: __m256i, b: __m256i| [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)];
    let (left, right) = (quads(c01, c23), quads(c45, c67));
    let center = _mm256_set1_epi8(-128);
    [
        _mm256_unpacklo_epi32(left[0], right[0]),
        _mm256_unpackhi_epi32(left[0], right[0]),
        _mm256_unpacklo_epi32(left[1], right[1]),
        _mm256_unpackhi_epi32(left[1], right[1]),
    ]
    .map(|rows| _mm256_add_epi8(rows, center))
}
