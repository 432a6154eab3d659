//! Sharpening and blurs, from Pillow's definitions.

use torchfeed_core::transform::{PadMode, gaussian_kernel};

use super::{Image, source};

/// `Image.blend(image.filter(SMOOTH), image, factor)`, with Pillow's order of additions in single precision.
pub(super) fn sharpen(image: &Image, factor: f32) -> Image {
    let (height, width) = (image.size.height, image.size.width);
    Image::make(image.size, image.channels, |y, x, c| {
        let byte = image.get(y, x, c);
        if y == 0 || x == 0 || y + 1 == height || x + 1 == width {
            return byte;
        }
        let row = |y: usize, middle: f32| {
            let product = |x: usize, weight: f32| f32::from(image.get(y, x, c)) * (weight / 13.0);
            product(x - 1, 1.0) + product(x, middle) + product(x + 1, 1.0)
        };
        let smooth = (0.5 + row(y + 1, 1.0) + row(y, 5.0) + row(y - 1, 1.0)).clamp(0.0, 255.0).floor();
        (smooth + factor * (f32::from(byte) - smooth)).clamp(0.0, 255.0).floor() as u8
    })
}

/// The mean over a box of `radius` (across, down), each direction `times` times.
pub(super) fn boxes(mut image: Image, radius: [f32; 2], times: usize) -> Image {
    for (direction, radius) in radius.into_iter().enumerate().filter(|(_, radius)| *radius != 0.0) {
        for _ in 0..times {
            image = one_box(&image, direction, radius);
        }
    }
    image
}

fn one_box(image: &Image, direction: usize, radius: f32) -> Image {
    let (height, width) = (image.size.height as i64, image.size.width as i64);
    let whole = (16_777_216.0 / (radius * 2.0 + 1.0)) as i64;
    let reach = radius as i64;
    let end = (16_777_216 - (2 * reach + 1) * whole) / 2;
    Image::make(image.size, image.channels, |y, x, c| {
        let pixel = |offset: i64| {
            let (y, x) = if direction == 0 { (y as i64, x as i64 + offset) } else { (y as i64 + offset, x as i64) };
            i64::from(image.get(y.clamp(0, height - 1) as usize, x.clamp(0, width - 1) as usize, c))
        };
        let sum: i64 = (-reach..=reach).map(pixel).sum();
        ((sum * whole + (pixel(-reach - 1) + pixel(reach + 1)) * end + (1 << 23)) >> 24) as u8
    })
}

/// The radius of three boxes that stand for a Gaussian of the standard deviation `sigma`.
pub(super) fn box_radius(sigma: f32) -> f32 {
    let variance = sigma * sigma / 3.0;
    let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
    let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
    let next = whole + 1.0;
    whole + (2.0 * whole + 1.0) * (whole * next - 3.0 * variance) / (6.0 * (variance - next * next))
}

/// The convolution with a kernel of two dimensions, in torch's order of additions.
pub(super) fn gaussian(image: &Image, kernel_size: [usize; 2], sigma: [f64; 2], softmax: bool) -> Image {
    let [across, down] = [0, 1].map(|axis| gaussian_kernel(kernel_size[axis], sigma[axis], softmax));
    let at = |at: usize, kernel: &[f32], len| {
        source(at as isize - kernel.len() as isize / 2, len, PadMode::Reflect).expect("a pixel")
    };
    Image::make(image.size, image.channels, |y, x, c| {
        let mut sum = 0.0_f32;
        for (i, down_weight) in down.iter().enumerate() {
            for (j, across_weight) in across.iter().enumerate() {
                let (y, x) = (at(y + i, &down, image.size.height), at(x + j, &across, image.size.width));
                sum = f32::from(image.get(y, x, c)).mul_add(down_weight * across_weight, sum);
            }
        }
        sum.round_ties_even() as u8
    })
}
