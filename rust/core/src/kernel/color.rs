//! Functions of RGB pixels, many pixels at a time.
//!
//! Pixels are split into planes, changed and put together again. What changes them is a loop without branches over the
//! planes, so that the compiler puts many pixels into its registers. [`crate::color`] has the same functions for one pixel,
//! as Pillow writes them; tests compare the two for every colour.

use crate::color;

/// Pixels that are changed together. A loop over fewer would be unrolled, and then not vectorized.
const LANES: usize = 64;

type Planes = [[u8; LANES]; 3];

/// A function of pixels. It is a trait, as a closure would not be compiled with its caller's instructions.
trait Change {
    fn change(&self, planes: &mut Planes);
}

#[inline(always)]
fn each(pixels: &[u8], out: &mut [u8], change: impl Change) {
    const BYTES: usize = 3 * LANES;
    let mut planes = [[0; LANES]; 3];
    let (blocks, rest) = pixels.as_chunks::<BYTES>();
    let (out_blocks, out_rest) = out.as_chunks_mut::<BYTES>();
    for (pixels, out) in blocks.iter().zip(out_blocks) {
        split(pixels, &mut planes);
        change.change(&mut planes);
        join(&planes, out);
    }
    if !rest.is_empty() {
        let mut last = [0; BYTES];
        last[..rest.len()].copy_from_slice(rest);
        split(&last, &mut planes);
        change.change(&mut planes);
        join(&planes, &mut last);
        out_rest.copy_from_slice(&last[..rest.len()]);
    }
}

#[inline(always)]
fn split(pixels: &[u8; 3 * LANES], [red, green, blue]: &mut Planes) {
    for i in 0..LANES {
        [red[i], green[i], blue[i]] = [pixels[3 * i], pixels[3 * i + 1], pixels[3 * i + 2]];
    }
}

#[inline(always)]
fn join([red, green, blue]: &Planes, out: &mut [u8; 3 * LANES]) {
    for i in 0..LANES {
        [out[3 * i], out[3 * i + 1], out[3 * i + 2]] = [red[i], green[i], blue[i]];
    }
}

/// The integer part of a number of 0 to 256. A cast that looks at what it casts would cost as much as the rest.
#[inline(always)]
fn cut(number: f32) -> i32 {
    debug_assert!((0.0..=256.0).contains(&number));
    // SAFETY: the number is finite, and its integer part is an `i32`.
    unsafe { number.to_int_unchecked() }
}

struct Gray;

impl Change for Gray {
    #[inline(always)]
    fn change(&self, [red, green, blue]: &mut Planes) {
        for i in 0..LANES {
            let gray = color::lightness([red[i], green[i], blue[i]]);
            [red[i], green[i], blue[i]] = [gray; 3];
        }
    }
}

struct Saturation {
    factor: f32,
}

impl Saturation {
    #[inline(always)]
    #[allow(clippy::manual_clamp, reason = "clamp hands on what is not a number")]
    fn blend(&self, gray: f32, byte: u8) -> u8 {
        let blended = gray + self.factor * (f32::from(byte) - gray);
        cut(blended.max(0.0).min(255.0)) as u8
    }
}

impl Change for Saturation {
    #[inline(always)]
    fn change(&self, [red, green, blue]: &mut Planes) {
        for i in 0..LANES {
            let gray = f32::from(color::lightness([red[i], green[i], blue[i]]));
            [red[i], green[i], blue[i]] = [red[i], green[i], blue[i]].map(|byte| self.blend(gray, byte));
        }
    }
}

struct Hue {
    turn: u8,
}

/// One of two values, without a branch.
#[inline(always)]
fn select<T>(condition: bool, yes: T, no: T) -> T {
    if condition { yes } else { no }
}

/// Hue and saturation: what [`color::to_hsv`] makes of a pixel, except for the hue of a gray one, which does not show.
///
/// Pillow has the ratio of each channel, `(most - channel) / range`. The greatest channel's is 0 and the least one's is 1,
/// so its hues in sixths are `1 - x`, `x - 1`, `1 + x` and so on for the ratio `x` of the one between. Its last steps in
/// double precision may be in single precision: the exact values are fractions with small denominators, and tests go
/// through all of them.
#[inline(always)]
fn hue_and_saturation([red, green, blue]: [i32; 3]) -> [i32; 2] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let between = red + green + blue - most - least;
    let range = most - least;
    let ratio = (most - between) as f32 / range.max(1) as f32;
    let of_red = select(green < blue, ratio - 1.0, 1.0 - ratio);
    let of_green = select(red < blue, 3.0 - ratio, 1.0 + ratio);
    let of_blue = select(red < green, 3.0 + ratio, 5.0 - ratio);
    let turns = select(red == most, of_red, select(green == most, of_green, of_blue)) / 6.0;
    let hue = turns + select(turns < 0.0, 1.0, 0.0);
    [cut(hue * 255.0), cut((range * 255) as f32 / most.max(1) as f32)]
}

/// The colour of hue, saturation and value: [`color::from_hsv`].
///
/// A channel is `value * (1 - saturation * depth)`, where `depth` is 0 in the two sixths of the circle around the channel's
/// own hue, 1 in the two across, and rises and falls between. The quotients that Pillow rounds are never as near to a half
/// as its errors are large, nor as these here are: tests go through all of them.
#[inline(always)]
fn colour([hue, saturation, value]: [i32; 3]) -> [i32; 3] {
    // Sixths of the circle in 255ths.
    let sixths = hue * 6;
    let [red, green, blue] = [510 - (sixths - 765).abs(), (sixths - 510).abs() - 255, (sixths - 1020).abs() - 255];
    let chroma = (value * saturation) as f32 * (1.0 / (255.0 * 255.0));
    let rounding = value as f32 + 0.5;
    // `map` of an array would be a call here.
    let channel = |depth: i32| cut(rounding - chroma * depth.clamp(0, 255) as f32);
    [channel(red), channel(green), channel(blue)]
}

impl Change for Hue {
    #[inline(always)]
    fn change(&self, [red, green, blue]: &mut Planes) {
        for i in 0..LANES {
            let pixel = [i32::from(red[i]), i32::from(green[i]), i32::from(blue[i])];
            let value = pixel[0].max(pixel[1]).max(pixel[2]);
            let [hue, saturation] = hue_and_saturation(pixel);
            let turned = colour([(hue + i32::from(self.turn)) & 255, saturation, value]);
            [red[i], green[i], blue[i]] = [turned[0] as u8, turned[1] as u8, turned[2] as u8];
        }
    }
}

/// See [`color::lightness`].
#[inline(always)]
pub(super) fn gray(pixels: &[u8], out: &mut [u8]) {
    each(pixels, out, Gray);
}

/// Blends the lightness with the pixel: see [`color::blend`].
#[inline(always)]
pub(super) fn saturate(pixels: &[u8], factor: f32, out: &mut [u8]) {
    each(pixels, out, Saturation { factor });
}

/// Turns the hue: see [`color::to_hsv`] and [`color::from_hsv`].
#[inline(always)]
pub(super) fn turn_hue(pixels: &[u8], turn: u8, out: &mut [u8]) {
    each(pixels, out, Hue { turn });
}

/// Adds the lightness of all pixels to `sum`.
#[inline(always)]
pub(super) fn sum_lightness(pixels: &[u8], sum: &mut u64) {
    let mut planes = [[0; LANES]; 3];
    let (blocks, rest) = pixels.as_chunks();
    for block in blocks {
        split(block, &mut planes);
        let [red, green, blue] = &planes;
        let mut of_block = 0;
        for i in 0..LANES {
            of_block += u32::from(color::lightness([red[i], green[i], blue[i]]));
        }
        *sum += u64::from(of_block);
    }
    for pixel in rest.as_chunks().0 {
        *sum += u64::from(color::lightness(*pixel));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every colour, and every hue, saturation and value.
    #[test]
    fn conversions_are_those_of_pillow() {
        for colour in 0..1 << 24 {
            let pixel = [colour >> 16 & 255, colour >> 8 & 255, colour & 255];
            let bytes = pixel.map(|channel| channel as u8);
            let [hue, saturation] = hue_and_saturation(pixel).map(|part| part as u8);
            let expected = color::to_hsv(bytes);
            assert!(saturation == expected[1] && (hue == expected[0] || saturation == 0), "{pixel:?}");
            assert_eq!(super::colour(pixel).map(|channel| channel as u8), color::from_hsv(bytes), "{pixel:?}");
        }
    }
}
