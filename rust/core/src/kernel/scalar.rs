//! The bodies of all kernels.

use crate::transform::filter::PRECISION_BITS;

/// The sum starts at one half, so that the final shift rounds.
const HALF: i32 = 1 << (PRECISION_BITS - 1);

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[inline(always)]
fn resample_row<const C: usize>(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8]) {
    let (pixels, _) = row.as_chunks::<C>();
    let (out, _) = out.as_chunks_mut::<C>();
    for ((out, &(first, count)), weights) in out.iter_mut().zip(bounds).zip(weights.chunks_exact(taps)) {
        let mut sums = [HALF; C];
        for (pixel, &weight) in pixels[first..first + count].iter().zip(weights) {
            for c in 0..C {
                sums[c] = sums[c].wrapping_add(i32::from(pixel[c]).wrapping_mul(weight));
            }
        }
        *out = sums.map(clip);
    }
}

#[inline(always)]
pub(crate) fn resample_row_rgb(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8]) {
    resample_row::<3>(row, bounds, weights, taps, out);
}

#[inline(always)]
pub(crate) fn resample_row_gray(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8]) {
    resample_row::<1>(row, bounds, weights, taps, out);
}

/// Bytes that are summed together, so that the sums stay in registers over all taps.
const CHUNK: usize = 32;

#[inline(always)]
pub(crate) fn resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    let mut at = 0;
    let (chunks, rest) = out.as_chunks_mut::<CHUNK>();
    for chunk in chunks {
        let mut sums = [HALF; CHUNK];
        for (i, &weight) in weights.iter().enumerate() {
            let pixels: &[u8; CHUNK] = rows[i * stride + at..][..CHUNK].try_into().expect("CHUNK bytes");
            for (sum, &pixel) in sums.iter_mut().zip(pixels) {
                *sum = sum.wrapping_add(i32::from(pixel).wrapping_mul(weight));
            }
        }
        *chunk = sums.map(clip);
        at += CHUNK;
    }
    for byte in rest {
        let mut sum = HALF;
        for (i, &weight) in weights.iter().enumerate() {
            sum = sum.wrapping_add(i32::from(rows[i * stride + at]).wrapping_mul(weight));
        }
        *byte = clip(sum);
        at += 1;
    }
}
