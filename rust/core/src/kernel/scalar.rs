//! The bodies of all kernels.

use super::coefficients::{Coefficients, PRECISION_BITS};

/// The sum starts at one half, so that the final shift rounds.
pub(super) const HALF: i32 = 1 << (PRECISION_BITS - 1);

#[inline(always)]
fn clip(sum: i32) -> u8 {
    (sum >> PRECISION_BITS).clamp(0, 255) as u8
}

#[inline(always)]
fn resample_rows<const C: usize>(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    for (y, out) in out.chunks_exact_mut(out_stride).enumerate() {
        let row = &rows[y * stride..];
        for (x, out) in out.as_chunks_mut::<C>().0.iter_mut().enumerate() {
            *out = resample_pixel(row, table, x);
        }
    }
}

/// One pixel of a horizontal pass.
#[inline(always)]
pub(super) fn resample_pixel<const C: usize>(row: &[u8], table: &Coefficients, x: usize) -> [u8; C] {
    let (pixels, _) = row.as_chunks::<C>();
    let mut sums = [HALF; C];
    for (pixel, &weight) in pixels[table.bounds[x].0..].iter().zip(table.weights(x)) {
        for c in 0..C {
            sums[c] = sums[c].wrapping_add(i32::from(pixel[c]).wrapping_mul(weight));
        }
    }
    sums.map(clip)
}

#[inline(always)]
pub(super) fn resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    resample_rows::<3>(rows, stride, table, out, out_stride);
}

#[inline(always)]
pub(super) fn resample_rows_gray(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    resample_rows::<1>(rows, stride, table, out, out_stride);
}

/// Bytes that are summed together, so that the sums stay in registers over all taps.
const CHUNK: usize = 32;

#[inline(always)]
pub(super) fn resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
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
