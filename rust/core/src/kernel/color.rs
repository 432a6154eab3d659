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

/// The integer part of a number of 0 to 255. A cast that looks at what it casts would cost as much as the rest.
#[inline(always)]
fn cut(number: f64) -> i32 {
    debug_assert!((0.0..256.0).contains(&number));
    // SAFETY: the number is finite, and its integer part is an `i32`.
    unsafe { number.to_int_unchecked() }
}

/// The nearest integer to a number of 0 to 255; a half is rounded up.
#[inline(always)]
fn rounded(number: f64) -> i32 {
    let whole = cut(number);
    whole + i32::from(number - f64::from(whole) >= 0.5)
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
        cut(f64::from(blended.max(0.0).min(255.0))) as u8
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

impl Change for Hue {
    #[inline(always)]
    fn change(&self, [red, green, blue]: &mut Planes) {
        let (mut hues, mut saturations, mut values) = ([0; LANES], [0; LANES], [0; LANES]);
        for i in 0..LANES {
            let [red, green, blue] = [red[i], green[i], blue[i]].map(i32::from);
            let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
            // A gray pixel divides by 1; its saturation is 0, and so it comes back as it is.
            let (range, divisor) = (most - least, (most - least).max(1) as f32);
            let [r, g, b] = [red, green, blue].map(|channel| (most - channel) as f32 / divisor);
            let from_green = (2.0 + f64::from(r) - f64::from(b)) as f32;
            let from_blue = (4.0 + f64::from(g) - f64::from(r)) as f32;
            let hue = select(red == most, b - g, select(green == most, from_green, from_blue));
            let turned = f64::from(hue) / 6.0 + 1.0;
            let hue = (turned - select(turned >= 1.0, 1.0, 0.0)) as f32;
            hues[i] = (cut(f64::from(hue) * 255.0) + i32::from(self.turn)) & 255;
            saturations[i] = cut(f64::from(range as f32 / most.max(1) as f32) * 255.0);
            values[i] = most;
        }
        for i in 0..LANES {
            let (value, saturation) = (values[i], saturations[i]);
            let sixth = f64::from(hues[i]) * 6.0 / 255.0;
            let sector = cut(sixth);
            let within = (sixth - f64::from(sector)) as f32;
            let share = saturation as f32 / 255.0;
            let exact = f64::from(value);
            let low = rounded(exact * (1.0 - f64::from(share)));
            let falls = rounded(exact * (1.0 - f64::from(share * within)));
            let rises = rounded(exact * (1.0 - f64::from(share) * (1.0 - f64::from(within))));
            // A hue of 255 is that of 0. Without saturation no sector counts.
            let sector = select(saturation == 0, 7, select(sector == 6, 0, sector));
            let gray = sector == 7;
            let side =
                |rising: i32, falling: i32| select(sector == rising, rises, select(sector == falling, falls, low));
            red[i] = select((sector == 0) | (sector == 5) | gray, value, side(4, 1)) as u8;
            green[i] = select((sector == 1) | (sector == 2) | gray, value, side(0, 3)) as u8;
            blue[i] = select((sector == 3) | (sector == 4) | gray, value, side(2, 5)) as u8;
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
