//! Weighted sums of lines of numbers in single precision, and their rounding: the bodies.

/// Numbers that are summed together, so that the sums stay in registers.
const BLOCK: usize = 32;

/// Sums weighted lines: `out[i] = sum(weights[j] * numbers[starts[j] + i])`.
#[inline(always)]
pub(super) fn weigh_lines(weights: &[f32], numbers: &[f32], starts: &[usize], out: &mut [f32]) {
    let (blocks, rest) = out.as_chunks_mut::<BLOCK>();
    for (number, block) in blocks.iter_mut().enumerate() {
        let mut sums = [0.0; BLOCK];
        for (weight, start) in weights.iter().zip(starts) {
            let line: &[f32; BLOCK] = numbers[start + number * BLOCK..].first_chunk().expect("a line as long as `out`");
            for (sum, number) in sums.iter_mut().zip(line) {
                *sum += weight * number;
            }
        }
        *block = sums;
    }
    rest.fill(0.0);
    for (weight, start) in weights.iter().zip(starts) {
        let line = &numbers[start + blocks.len() * BLOCK..][..rest.len()];
        rest.iter_mut().zip(line).for_each(|(sum, number)| *sum += weight * number);
    }
}

/// Rounds numbers of 0 to 255. Says in `near` whether one of them is within `tolerance` of the middle of two bytes.
#[inline(always)]
pub(super) fn round_bytes(numbers: &[f32], tolerance: f32, out: &mut [u8], near: &mut bool) {
    // Numbers above it have no fraction: what is added to it is rounded.
    const WHOLE: f32 = (1 << 23) as f32;
    let mut furthest = 0.0_f32;
    for (out, &number) in out.iter_mut().zip(numbers) {
        let sum = number + WHOLE;
        let distance = (number - (sum - WHOLE)).abs();
        furthest = if distance > furthest { distance } else { furthest };
        // The byte stands in the lowest bits.
        *out = sum.to_bits() as u8;
    }
    *near = furthest > 0.5 - tolerance;
}
