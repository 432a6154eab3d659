//! Many normal numbers: the ziggurat.
//!
//! G. Marsaglia, W. W. Tsang, "The ziggurat method for generating random variables", J. Stat. Softw. 5 (2000).
//!
//! The area under `exp(-x^2 / 2)` is covered by 256 layers of equal area: rectangles between two heights, from 0 to the `x`
//! where the curve has the lower height. The lowest layer also has the tail beyond its `x`, where the others have nothing. A
//! random layer and a random place in it are a normal number where the place is below the curve. Nearly all places are left
//! of where the next layer ends, and so need no look at the curve.
//!
//! J. A. Doornik, "An improved ziggurat method to generate normal random samples" (2005), shows that the layer and the place
//! must not share bits. Here 8 bits of 32 are the layer, and the other 24 the place.
//!
//! The tables and the curve are made of additions, multiplications and divisions alone, so they have the same bits on all
//! machines, which those of a C library need not have.

use super::{Key, Stream};

const LAYERS: usize = 256;

/// Where the tail begins, and the area of a layer: section 3 of the paper, for 256 layers.
const TAIL: f64 = 3.654_152_885_361_009;
const AREA: f64 = 0.004_928_673_233_974_655;

/// Parts of half a layer: a place is one of these from the middle, in either direction.
const PARTS: f64 = (1u32 << 23) as f64;

/// The layers, from the lowest up.
struct Layers {
    /// The width of a part.
    width: [f32; LAYERS],
    /// So many parts lie below the next layer, and so below the curve.
    inner: [u32; LAYERS],
    /// The height of the curve at the end of each layer, and 1 at last. The end of the lowest is where the tail begins.
    height: [f64; LAYERS + 1],
}

static LAYERS_OF_NORMAL: Layers = Layers::new();

impl Layers {
    const fn new() -> Self {
        let (mut width, mut inner, mut height) = ([0.0; LAYERS], [0; LAYERS], [1.0; LAYERS + 1]);
        // As wide as a rectangle of that area would be, so that the tail has its share.
        let mut end = AREA / curve(TAIL);
        let mut next = TAIL;
        let mut i = 0;
        while i < LAYERS {
            width[i] = (end / PARTS) as f32;
            inner[i] = (next / end * PARTS) as u32;
            height[i] = curve(if i == 0 { TAIL } else { end });
            end = next;
            if i + 2 < LAYERS {
                // The next height is that of a rectangle of the same area.
                next = square_root(-2.0 * logarithm(AREA / end + curve(end)));
            } else {
                next = 0.0;
            }
            i += 1;
        }
        Self { width, inner, height }
    }
}

/// An endless sequence of standard normal numbers.
#[derive(Debug)]
pub struct Normals {
    stream: Stream,
}

impl Normals {
    /// The sequence of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { stream: Stream::new(Key { seed, index: 0, occurrence: 0 }, super::NORMALS) }
    }

    /// The next number.
    #[inline]
    pub fn draw(&mut self) -> f32 {
        let layers = &LAYERS_OF_NORMAL;
        loop {
            let bits = self.stream.bits();
            let (layer, place) = ((bits & 0xff) as usize, bits as i32 >> 8);
            let x = place as f32 * layers.width[layer];
            if place.unsigned_abs() < layers.inner[layer] {
                return x;
            }
            if let Some(x) = self.draw_outside(layer, x) {
                return x;
            }
        }
    }

    /// A number of the tail, or `x` if it is below the curve.
    #[cold]
    fn draw_outside(&mut self, layer: usize, x: f32) -> Option<f32> {
        if layer > 0 {
            let [low, high] = [LAYERS_OF_NORMAL.height[layer], LAYERS_OF_NORMAL.height[layer + 1]];
            return (self.stream.uniform(low, high) < curve(f64::from(x))).then_some(x);
        }
        // G. Marsaglia, "Generating a variable from the tail of the normal distribution", Technometrics 6 (1964).
        loop {
            // Never the logarithm of 0.
            let [first, second] = [(); 2].map(|()| -logarithm(1.0 - self.stream.unit()));
            let beyond = first / TAIL;
            if 2.0 * second > beyond * beyond {
                return Some((TAIL + beyond).copysign(f64::from(x)) as f32);
            }
        }
    }
}

/// `exp(-x^2 / 2)`, for `x` between -4 and 4: the series at a 1024th of the exponent, ten times squared.
const fn curve(x: f64) -> f64 {
    let at = -0.5 * x * x / 1024.0;
    let (mut sum, mut term, mut i) = (1.0, 1.0, 1);
    while i < 10 {
        term *= at / i as f64;
        sum += term;
        i += 1;
    }
    let mut squarings = 0;
    while squarings < 10 {
        sum *= sum;
        squarings += 1;
    }
    sum
}

/// The natural logarithm of a positive number: that of its power of two, and the series of the inverse hyperbolic tangent.
const fn logarithm(x: f64) -> f64 {
    let (mut mantissa, mut exponent) = (x, 0.0);
    while mantissa < std::f64::consts::FRAC_1_SQRT_2 {
        mantissa *= 2.0;
        exponent -= 1.0;
    }
    while mantissa > std::f64::consts::SQRT_2 {
        mantissa /= 2.0;
        exponent += 1.0;
    }
    let at = (mantissa - 1.0) / (mantissa + 1.0);
    let (mut sum, mut power, mut i) = (0.0, at, 1);
    // The ratio is below 0.18, so the terms that are left are below 1e-17.
    while i < 23 {
        sum += power / i as f64;
        power *= at * at;
        i += 2;
    }
    exponent * std::f64::consts::LN_2 + 2.0 * sum
}

/// The square root of a positive number that is not large, by Newton's method from above.
const fn square_root(x: f64) -> f64 {
    let (mut root, mut i) = (x + 1.0, 0);
    while i < 40 {
        root = 0.5 * (root + x / root);
        i += 1;
    }
    root
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_are_those_of_the_library() {
        for i in 0..=4000 {
            let x = f64::from(i) / 1000.0;
            let expected = (-0.5 * x * x).exp();
            assert!((curve(x) / expected - 1.0).abs() < 1e-12, "{x}");
            assert!((square_root(x + 1e-6) / (x + 1e-6).sqrt() - 1.0).abs() < 1e-15, "{x}");
        }
        for i in 1..=4000 {
            for x in [f64::from(i) / 1000.0, (1.0 / f64::from(i)).powi(5)] {
                assert!((logarithm(x) - x.ln()).abs() < 4e-15 * (1.0 + x.ln().abs()), "{x}");
            }
        }
    }

    /// The layers have equal areas, end at the top, and narrow towards it.
    #[test]
    fn layers_are_those_of_the_paper() {
        let Layers { width, inner, height } = &LAYERS_OF_NORMAL;
        // The end of a layer, and the last at 0.
        let end = |layer: usize| width.get(layer).map_or(0.0, |&width| f64::from(width) * PARTS);
        for layer in 1..LAYERS {
            let area = end(layer) * (height[layer + 1] - height[layer]);
            assert!((area / AREA - 1.0).abs() < 1e-6, "{layer}: {area}");
            let below = end(layer + 1) / end(layer) * PARTS;
            assert!((f64::from(inner[layer]) - below).abs() < 3.0, "{layer}");
        }
        assert!((end(1) - TAIL).abs() < 1e-6 && inner[LAYERS - 1] == 0 && height[LAYERS] == 1.0);
        // The lowest: its rectangle, and twice the tail beyond, which is an integral.
        let steps = 1_000_000;
        let tail: f64 = (0..steps).map(|i| (-0.5 * (TAIL + (f64::from(i) + 0.5) * 1e-5).powi(2)).exp() * 1e-5).sum();
        assert!(((TAIL * height[0] + tail) / AREA - 1.0).abs() < 1e-6, "{tail}");
    }

    /// The moments, the shares beyond some places, and that both signs are drawn there: of what the layers make, and of the
    /// tail.
    #[test]
    fn numbers_are_normal() {
        let mut normals = Normals::new(5);
        let count = 4_000_000;
        let drawn: Vec<f64> = (0..count).map(|_| f64::from(normals.draw())).collect();
        let mean = |f: &dyn Fn(f64) -> f64| drawn.iter().map(|&x| f(x)).sum::<f64>() / f64::from(count);
        let moments = [mean(&|x| x), mean(&|x| x * x) - 1.0, mean(&|x| x.powi(3)), mean(&|x| x.powi(4)) - 3.0];
        assert!(
            moments.iter().zip([0.002, 0.003, 0.008, 0.02]).all(|(moment, most)| moment.abs() < most),
            "{moments:?}"
        );
        // One of the two sides, from a table of the normal distribution.
        for (place, share) in
            [(1.0, 0.158_655), (2.0, 0.022_750), (3.0, 0.001_349_9), (TAIL, 0.000_129_0), (4.0, 3.167e-5)]
        {
            for sign in [-1.0, 1.0] {
                let beyond = mean(&|x| f64::from(u8::from(x * sign > place)));
                let deviation = (share / f64::from(count)).sqrt();
                assert!((beyond - share).abs() < 4.0 * deviation, "{place}: {beyond}");
            }
        }
    }

    /// Kolmogorov's and Smirnov's distance of a million numbers from the distribution.
    #[test]
    fn distribution_is_normal() {
        let mut normals = Normals::new(6);
        let mut drawn: Vec<f32> = (0..1_000_000).map(|_| normals.draw()).collect();
        drawn.sort_by(f32::total_cmp);
        // The distribution is the integral of the curve, here by the rule of Simpson over steps of 1/2000 from -6 on.
        let (step, mut below, mut at) = (5e-4, 9.866e-10, -6.0);
        let density = |x: f64| (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
        let (mut i, mut distance) = (0, 0.0_f64);
        while at < 6.0 {
            while i < drawn.len() && f64::from(drawn[i]) < at {
                i += 1;
            }
            distance = distance.max((i as f64 / drawn.len() as f64 - below).abs());
            below += step / 6.0 * (density(at) + 4.0 * density(at + step / 2.0) + density(at + step));
            at += step;
        }
        assert!((below - 1.0).abs() < 1e-6);
        // One of a thousand would be more.
        assert!(distance * (drawn.len() as f64).sqrt() < 1.95, "{distance}");
    }
}
