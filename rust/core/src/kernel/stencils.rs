//! Bytes from the bytes around them: the bodies of sharpening and blurs.

/// The weights of a box blur, in 24 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BoxWeights {
    /// Of a pixel that is wholly in the box.
    pub(crate) whole: u32,
    /// Of the next pixel at each end.
    pub(crate) end: u32,
}

/// Moves the sums of boxes on by a line and writes the means. Of `lines`, the first leaves the boxes and is then the pixel
/// before them, the second enters them, and the third is the pixel behind them.
#[inline(always)]
pub(super) fn blur_line(weights: BoxWeights, lines: [&[u8]; 3], sums: &mut [u32], out: &mut [u8]) {
    let [before, entering, after] = lines;
    for ((((sum, out), &before), &entering), &after) in sums.iter_mut().zip(out).zip(before).zip(entering).zip(after) {
        // `map` of an array would be a call here.
        let (before, entering, after) = (u32::from(before), u32::from(entering), u32::from(after));
        *sum = sum.wrapping_add(entering).wrapping_sub(before);
        let mean = sum.wrapping_mul(weights.whole).wrapping_add((before + after).wrapping_mul(weights.end));
        *out = (mean.wrapping_add(1 << 23) >> 24) as u8;
    }
}

/// Blends the bytes of the middle row with the smoothed ones. The rows begin `channels` bytes before `out`, and end as many
/// behind it.
#[inline(always)]
pub(super) fn sharpen_row(rows: [&[u8]; 3], channels: usize, factor: f32, out: &mut [u8]) {
    let [above, row, below] = rows;
    let len = out.len();
    let (left, middle, right) = (&row[..len], &row[channels..][..len], &row[2 * channels..][..len]);
    let (above_left, above, above_right) = (&above[..len], &above[channels..][..len], &above[2 * channels..][..len]);
    let (below_left, below, below_right) = (&below[..len], &below[channels..][..len], &below[2 * channels..][..len]);
    for i in 0..len {
        let above = u16::from(above_left[i]) + u16::from(above[i]) + u16::from(above_right[i]);
        let beside = u16::from(left[i]) + 5 * u16::from(middle[i]) + u16::from(right[i]);
        let below = u16::from(below_left[i]) + u16::from(below[i]) + u16::from(below_right[i]);
        out[i] = blend(smooth(above + beside + below), middle[i], factor);
    }
}

/// A thirteenth of the `sum` of eight neighbours and five times the pixel, rounded.
///
/// Pillow adds products with `1 / 13` and `5 / 13` in single precision, then 0.5, and truncates. Its errors are below 1e-3.
/// The sum is an integer, so its thirteenth is never nearer to a half than 1/26: Pillow's bits are those of the exact
/// quotient, whatever the order of additions.
#[inline(always)]
fn smooth(sum: u16) -> u8 {
    ((2 * sum + 13) / 26) as u8
}

/// Pillow's blend from `smoothed` to `byte`, clipped and truncated. Where `factor` is between 0 and 1, nothing is clipped.
#[inline(always)]
fn blend(smoothed: u8, byte: u8, factor: f32) -> u8 {
    let difference = f32::from(i16::from(byte) - i16::from(smoothed));
    let blended = f32::from(smoothed) + factor * difference;
    // Two selects are two instructions, and not a number becomes 0.
    let blended = if blended > 0.0 { blended } else { 0.0 };
    let blended = if blended < 255.0 { blended } else { 255.0 };
    // SAFETY: the value is a number from 0 to 255. (A conversion that checks it would go value by value.)
    unsafe { blended.to_int_unchecked::<i32>() as u8 }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Kernels, *};

    #[test]
    fn a_thirteenth_is_rounded() {
        for sum in 0..=13 * 255 {
            assert_eq!(f64::from(smooth(sum)), (f64::from(sum) / 13.0).round());
        }
    }

    proptest! {
        /// What each build makes of lines, against the portable one.
        #[test]
        fn builds_agree(
            channels in prop::sample::select(&[1usize, 3][..]),
            lines in prop::collection::vec(prop::array::uniform3(any::<u8>()), 8..200),
            factor in -2.0f32..4.0,
            radius in 0.0f32..40.0,
            len in 0usize..190,
        ) {
            let rows = [0, 1, 2].map(|i| lines.iter().map(|line| line[i]).collect::<Vec<_>>());
            let rows = [&rows[0][..], &rows[1], &rows[2]];
            let len = len.min(lines.len() - 2 * channels);
            let weights = BoxWeights { whole: (16_777_216.0 / (2.0 * radius + 1.0)) as u32, end: 12_345 };
            let run = |kernels: Kernels| {
                let (mut out, mut blurred, mut sums) = (vec![0; len], vec![0; len], vec![255 * 40; len]);
                (kernels.sharpen_row)(rows, channels, factor, &mut out);
                (kernels.blur_line)(weights, rows, &mut sums, &mut blurred);
                (out, blurred, sums)
            };
            for kernels in Kernels::all() {
                prop_assert_eq!(run(kernels), run(Kernels::portable()));
            }
        }
    }
}
