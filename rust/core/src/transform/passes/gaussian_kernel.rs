//! The weights of `torchvision.transforms.functional.gaussian_blur`, in one direction.
//!
//! torchvision computes them in single precision by torch's functions, and v1 otherwise than v2 (`_get_gaussian_kernel1d`
//! of each). The sums here are torch's, order of additions included: that of a processor with AVX2 for `torch.sum`, and with
//! AVX-512 for `torch.softmax`. The exponential function of v2 is SLEEF's, as in torch. That of v1 is the math library's:
//! where it is not certain how such a library rounds, [`certain_sigma`] finds a standard deviation nearby.

/// `size` weights (an odd number) of a Gaussian with the standard deviation `sigma`: those of v2, if `is_softmax`.
#[must_use]
pub fn gaussian_kernel(size: usize, sigma: f64, is_softmax: bool) -> Vec<f32> {
    let sigma = sigma as f32;
    if is_softmax { softmax(size, sigma) } else { exponentials(size, sigma) }
}

/// A standard deviation next to `sigma`, between `low` and `high`, of which every weight that counts is certain.
///
/// A good exponential function of single precision errs by less than 0.57 units of the last place: its result is certain
/// where the exact one is not within 0.07 units of the middle of two numbers. (The largest distance of a result of Intel's
/// MKL that is not the nearest number is 0.063.)
pub(crate) fn certain_sigma(size: usize, sigma: f32, low: f64, high: f64) -> f32 {
    let is_certain = |sigma: f32| {
        let weights = (1..=size / 2).map(|at| exact_exponential(at as f32, sigma));
        weights.take_while(|&weight| weight > SMALLEST).all(|exact| {
            let nearest = f64::from(exact as f32);
            let unit = f64::from(f32::from_bits((exact as f32).to_bits() + 1)) - nearest;
            ((exact - nearest).abs() / unit - 0.5).abs() > UNCERTAIN
        })
    };
    // To the side where more of the range is.
    let step = if f64::from(sigma) < low.midpoint(high) { f32::next_up } else { f32::next_down };
    let nearby = std::iter::successors(Some(sigma), |&sigma| Some(step(sigma)));
    let mut possible = nearby.take(MOST_STEPS).take_while(|&sigma| (low..=high).contains(&f64::from(sigma)));
    possible.find(|&sigma| is_certain(sigma)).unwrap_or(sigma)
}

/// How near the middle of two numbers an exponential function may take either.
const UNCERTAIN: f64 = 0.07;

/// A weight, as a part of the largest, whose last bit does not reach any sum.
const SMALLEST: f64 = 1e-9;

/// How many standard deviations are tried. They are within a thousandth.
const MOST_STEPS: usize = 4096;

/// `exp(-0.5 * (x / sigma) ** 2)` for the whole numbers x around 0, divided by their sum.
fn exponentials(size: usize, sigma: f32) -> Vec<f32> {
    let half = (size / 2) as i64;
    let mut weights: Vec<f32> = (-half..=half).map(|x| exact_exponential(x as f32, sigma) as f32).collect();
    let sum = sum(&weights);
    weights.iter_mut().for_each(|weight| *weight /= sum);
    weights
}

/// An exponential before it is rounded to single precision.
fn exact_exponential(x: f32, sigma: f32) -> f64 {
    let ratio = x / sigma;
    f64::from(-0.5 * (ratio * ratio)).exp()
}

/// `torch.sum` (`row_sum` and `vectorized_inner_sum` of `SumKernel.cpp`).
fn sum(values: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (vectors, rest) = values.as_chunks::<LANES>();
    if vectors.is_empty() {
        let singles: Vec<[f32; 1]> = rest.iter().map(|&value| [value]).collect();
        return row_sum(&singles)[0];
    }
    let partials = row_sum(vectors);
    rest.iter().chain(&partials).fold(0.0, |sum, value| sum + value)
}

/// Sums vectors: every fourth, and then these four sums.
fn row_sum<const N: usize>(vectors: &[[f32; N]]) -> [f32; N] {
    let (fours, rest) = vectors.as_chunks::<4>();
    let mut sums = [[0.0; N]; 4];
    for four in fours {
        sums.iter_mut().zip(four).for_each(|(sum, vector)| *sum = add(*sum, *vector));
    }
    let [first, others @ ..] = sums;
    rest.iter().chain(&others).fold(first, |sum, vector| add(sum, *vector))
}

fn add<const N: usize>(left: [f32; N], right: [f32; N]) -> [f32; N] {
    std::array::from_fn(|lane| left[lane] + right[lane])
}

/// `softmax(-(x / sigma) ** 2)` for `size` numbers x that lie evenly between two ends (`vec_softmax_lastdim` of
/// `SoftMaxKernel.cpp`).
fn softmax(size: usize, sigma: f32) -> Vec<f32> {
    const LANES: usize = 16;
    let end = ((size - 1) as f64 / (2.0 * std::f64::consts::SQRT_2)) as f32;
    let step = if size > 1 { (end - -end) / (size - 1) as f32 } else { 0.0 };
    // `torch.linspace` counts from the nearer end.
    let x = |at: usize| {
        if at < size / 2 { step.mul_add(at as f32, -end) } else { (-step).mul_add((size - at - 1) as f32, end) }
    };
    let mut weights: Vec<f32> = (0..size).map(|at| x(at) / sigma).map(|ratio| -(ratio * ratio)).collect();
    let most = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    weights.iter_mut().for_each(|weight| *weight = sleef_exp(*weight - most));
    let (vectors, rest) = weights.as_chunks::<LANES>();
    let sum = match vectors {
        [] => rest.iter().copied().reduce(|sum, value| sum + value).unwrap_or(1.0),
        [first, others @ ..] => {
            let mut sums = others.iter().fold(*first, |sum, vector| add(sum, *vector));
            sums.iter_mut().zip(rest).for_each(|(sum, value)| *sum += value);
            let mut lanes = LANES;
            while lanes > 1 {
                lanes /= 2;
                (0..lanes).for_each(|lane| sums[lane] += sums[lane + lanes]);
            }
            sums[0]
        }
    };
    weights.iter_mut().for_each(|weight| *weight *= 1.0 / sum);
    weights
}

/// The exponential function of a number that is not positive, as in SLEEF 3 (`expf_u10`).
fn sleef_exp(x: f32) -> f32 {
    const LN_2: [f32; 2] = [0.693_145_75, 1.428_606_8e-6];
    const POLYNOMIAL: [f32; 5] = [0.001_393_043_5, 0.008_333_361, 0.041_666_485, 0.166_666_67, 0.5];
    if x < -104.0 {
        return 0.0;
    }
    let power = (x * std::f32::consts::LOG2_E).round_ties_even();
    let rest = LN_2.iter().fold(x, |rest, part| power.mul_add(-part, rest));
    let series = POLYNOMIAL.iter().fold(0.000_198_527_62_f32, |series, factor| series.mul_add(rest, *factor));
    let fraction = 1.0 + (rest * rest).mul_add(series, rest);
    // In two steps: the whole power may have no number.
    let half = (power as i32) >> 1;
    fraction * 2f32.powi(half) * 2f32.powi(power as i32 - half)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Size, standard deviation, whether it is v2's, and the bits.
    type Kernel = (usize, f64, bool, &'static [u32]);

    const EXPECTED: &[Kernel] = &[
        (1, 1.5, false, &[0x3f800000]),
        (1, 1.7, true, &[0x3f800000]),
        (3, 1.5, false, &[0x3e9d9823, 0x3ec4cfbb, 0x3e9d9823]),
        (3, 1.7, true, &[0x3ea08edb, 0x3ebee24c, 0x3ea08edb]),
        (7, 1.5, false, &[0x3d160c53, 0x3de3e72a, 0x3e5df27d, 0x3e8a96da, 0x3e5df27d, 0x3de3e72a, 0x3d160c53]),
        (7, 1.7, true, &[0x3d524afd, 0x3df9bc87, 0x3e51d410, 0x3e7975dd, 0x3e51d410, 0x3df9bc87, 0x3d524afd]),
        (
            9,
            1.5,
            false,
            &[
                0x3bf9825c, 0x3d13c359, 0x3de06eaa, 0x3e5a9135, 0x3e887a8d, 0x3e5a9135, 0x3de06eaa, 0x3d13c359,
                0x3bf9825c,
            ],
        ),
        (
            9,
            1.7,
            true,
            &[
                0x3c732130, 0x3d4c0d39, 0x3df25312, 0x3e4b99d3, 0x3e720e83, 0x3e4b99d3, 0x3df25312, 0x3d4c0d39,
                0x3c732130,
            ],
        ),
        (
            23,
            1.5,
            false,
            &[
                0x2b1d3d61, 0x2e82a2a2, 0x318b2d5a, 0x343e2533, 0x36a690b9, 0x38bb1bb4, 0x3a86c435, 0x3bf8f2f5,
                0x3d136e6c, 0x3ddfedac, 0x3e5a1396, 0x3e882c1c, 0x3e5a1396, 0x3ddfedac, 0x3d136e6c, 0x3bf8f2f5,
                0x3a86c435, 0x38bb1bb4, 0x36a690b9, 0x343e2533, 0x318b2d5a, 0x2e82a2a2, 0x2b1d3d61,
            ],
        ),
        (
            23,
            1.7,
            true,
            &[
                0x2f50f1af, 0x31f70a12, 0x344ea583, 0x367497dd, 0x384cd3a5, 0x39f2b51f, 0x3b4b78db, 0x3c715e85,
                0x3d4a92fd, 0x3df091e7, 0x3e4a206e, 0x3e704dd5, 0x3e4a206e, 0x3df091e7, 0x3d4a92fd, 0x3c715e85,
                0x3b4b78db, 0x39f2b51f, 0x384cd3a5, 0x367497dd, 0x344ea583, 0x31f70a12, 0x2f50f1af,
            ],
        ),
    ];

    /// Bits printed by torchvision 0.29 on torch 2.15, on a processor with AVX-512.
    #[test]
    fn kernels_are_torchvisions() {
        for (size, sigma, is_softmax, expected) in EXPECTED {
            let made: Vec<u32> =
                gaussian_kernel(*size, *sigma, *is_softmax).iter().map(|weight| weight.to_bits()).collect();
            assert_eq!(made, *expected, "{size} {sigma} {is_softmax}");
        }
    }

    #[test]
    fn certain_standard_deviations_are_near_and_inside() {
        for at in 0..2000_u16 {
            let sigma = 0.1 + f32::from(at) * 0.001;
            let certain = certain_sigma(23, sigma, 0.1, 2.1);
            assert!((certain - sigma).abs() < 1e-3 * sigma && (0.1..=2.1).contains(&f64::from(certain)), "{sigma}");
        }
        assert_eq!(certain_sigma(23, 1.25, 1.25, 1.25), 1.25);
    }
}
