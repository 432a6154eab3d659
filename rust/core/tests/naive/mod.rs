//! The slow, obvious version of every call, written from Pillow's and torchvision's definitions.

mod blur;
mod warp;

use std::f64::consts::PI;

use torchfeed_core::{
    image::Size,
    transform::{
        BlurCall, Call, ColorCall, CropCall, Filter, FlipCall, PadCall, PadMode, Padding, Resize, ResizeCall,
        ResizeOrder,
    },
};

mod color;

pub(crate) struct Image {
    pub(crate) size: Size,
    pub(crate) channels: usize,
    pub(crate) data: Vec<u8>,
}

impl Image {
    fn make(size: Size, channels: usize, pixel: impl Fn(usize, usize, usize) -> u8) -> Self {
        let mut data = Vec::new();
        for y in 0..size.height {
            for x in 0..size.width {
                data.extend((0..channels).map(|c| pixel(y, x, c)));
            }
        }
        Self { size, channels, data }
    }

    fn get(&self, y: usize, x: usize, c: usize) -> u8 {
        self.data[(y * self.size.width + x) * self.channels + c]
    }
}

pub(crate) fn apply(image: Image, call: &Call, order: ResizeOrder) -> Image {
    match *call {
        Call::Resize(ResizeCall::Resize(to)) => resize(image, to, order),
        Call::Crop(CropCall::ResizedCrop { top, left, crop: size, resize: to }) => {
            resize(crop(&image, top, left, size), to, order)
        }
        Call::Crop(CropCall::Crop { padding, top, left, size }) => crop(&pad(&image, &padding), top, left, size),
        Call::Flip(FlipCall::HorizontalFlip {}) => {
            Image::make(image.size, image.channels, |y, x, c| image.get(y, image.size.width - 1 - x, c))
        }
        Call::Flip(FlipCall::VerticalFlip {}) => {
            Image::make(image.size, image.channels, |y, x, c| image.get(image.size.height - 1 - y, x, c))
        }
        Call::Pad(PadCall::Pad(padding)) => pad(&image, &padding),
        Call::Color(call) if color::is_mixed(&call) => color::apply(image, &call),
        Call::Blur(BlurCall::AdjustSharpness { sharpness_factor }) => blur::sharpen(&image, sharpness_factor as f32),
        Call::Blur(BlurCall::PilBoxBlur { radius }) => blur::boxes(image, radius.map(|radius| radius as f32), 1),
        Call::Blur(BlurCall::PilGaussianBlur { radius }) => {
            blur::boxes(image, radius.map(|radius| blur::box_radius(radius as f32)), 3)
        }
        Call::Blur(BlurCall::GaussianBlur { kernel_size, sigma, softmax }) => {
            blur::gaussian(&image, kernel_size, sigma, softmax)
        }
        Call::Warp(ref call) => warp::warp(image, call),
        Call::Erase(_) => panic!("an erasure comes after the table"),
        Call::Color(ColorCall::Invert {}) => point(image, |value| 255 - value),
        Call::Color(ColorCall::Posterize { bits }) => {
            point(image, |value| value / (1 << (8 - bits)) * (1 << (8 - bits)))
        }
        Call::Color(ColorCall::Solarize { threshold }) => {
            point(image, |value| if f64::from(value) < threshold { value } else { 255 - value })
        }
        Call::Color(ColorCall::SolarizeAdd { add, thresh }) => {
            point(image, |value| if value < u32::from(thresh) { 255.min(value + u32::from(add)) } else { value })
        }
        Call::Color(_) => unreachable!("mixed"),
    }
}

/// Changes each byte, counted in integers of any size.
fn point(mut image: Image, function: impl Fn(u32) -> u32) -> Image {
    image.data.iter_mut().for_each(|byte| *byte = function(u32::from(*byte)) as u8);
    image
}

fn crop(image: &Image, top: usize, left: usize, size: Size) -> Image {
    Image::make(size, image.channels, |y, x, c| image.get(top + y, left + x, c))
}

/// Negative sides are cut off first, then the rest is padded.
fn pad(image: &Image, padding: &Padding) -> Image {
    let cut = |side: isize| (-side).max(0) as usize;
    let kept = Size::new(
        image.size.height - cut(padding.top) - cut(padding.bottom),
        image.size.width - cut(padding.left) - cut(padding.right),
    );
    let inner = crop(image, cut(padding.top), cut(padding.left), kept);
    let (top, left) = (padding.top.max(0), padding.left.max(0));
    Image::make(padding.apply(image.size), image.channels, |y, x, c| {
        let y = source(y as isize - top, kept.height, padding.mode);
        let x = source(x as isize - left, kept.width, padding.mode);
        y.zip(x).map_or(padding.fill[c], |(y, x)| inner.get(y, x, c))
    })
}

/// Walks from the outside in, one mirror at a time.
fn source(mut at: isize, len: usize, mode: PadMode) -> Option<usize> {
    let n = len as isize;
    while at < 0 || at >= n {
        at = match mode {
            PadMode::Constant => return None,
            PadMode::Edge => at.clamp(0, n - 1),
            PadMode::Reflect if n == 1 => 0,
            PadMode::Reflect if at < 0 => -at,
            PadMode::Reflect => 2 * (n - 1) - at,
            PadMode::Symmetric if at < 0 => -1 - at,
            PadMode::Symmetric => 2 * n - 1 - at,
        };
    }
    Some(at as usize)
}

fn resize(image: Image, Resize { size, filter }: Resize, order: ResizeOrder) -> Image {
    if size == image.size {
        return image;
    }
    if filter == Filter::Nearest {
        let (rows, columns) = (nearest(image.size.height, size.height), nearest(image.size.width, size.width));
        return Image::make(size, image.channels, |y, x, c| {
            rows[y].zip(columns[x]).map_or(0, |(y, x)| image.get(y, x, c))
        });
    }
    let shrinks = |input: usize, output: usize| input.saturating_sub(output);
    let vertical_first = order == ResizeOrder::CheaperFirst
        && image.size.height as isize - size.height as isize > 2 * shrinks(image.size.width, size.width) as isize;
    if vertical_first {
        let image = vertical(image, size.height, filter);
        horizontal(image, size.width, filter)
    } else {
        let image = horizontal(image, size.width, filter);
        vertical(image, size.height, filter)
    }
}

fn nearest(input: usize, output: usize) -> Vec<Option<usize>> {
    let mut at = input as f64 / output as f64 * 0.5;
    let mut all = Vec::new();
    for _ in 0..output {
        all.push((at < input as f64).then_some(at as usize));
        at += input as f64 / output as f64;
    }
    all
}

fn horizontal(image: Image, width: usize, filter: Filter) -> Image {
    if width == image.size.width {
        return image;
    }
    let all: Vec<_> = (0..width).map(|x| weights(filter, image.size.width, width, x)).collect();
    Image::make(Size::new(image.size.height, width), image.channels, |y, x, c| sum(&all[x], |i| image.get(y, i, c)))
}

fn vertical(image: Image, height: usize, filter: Filter) -> Image {
    if height == image.size.height {
        return image;
    }
    let all: Vec<_> = (0..height).map(|y| weights(filter, image.size.height, height, y)).collect();
    Image::make(Size::new(height, image.size.width), image.channels, |y, x, c| sum(&all[y], |i| image.get(i, x, c)))
}

fn sum(weights: &[(usize, i64)], pixel: impl Fn(usize) -> u8) -> u8 {
    let sum: i64 = weights.iter().map(|&(i, weight)| weight * i64::from(pixel(i))).sum();
    ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8
}

/// The input positions that output `x` reads, and their 22-bit weights.
fn weights(filter: Filter, input: usize, output: usize, x: usize) -> Vec<(usize, i64)> {
    let scale = input as f64 / output as f64;
    let stretch = scale.max(1.0);
    let support = stretch
        * match filter {
            Filter::Box => 0.5,
            Filter::Bilinear | Filter::Hamming => 1.0,
            Filter::Bicubic => 2.0,
            _ => 3.0,
        };
    let centre = (x as f64 + 0.5) * scale;
    let low = (centre - support + 0.5).max(0.0) as usize;
    let high = ((centre + support + 0.5) as usize).min(input);
    let exact: Vec<f64> = (low..high).map(|i| kernel(filter, (i as f64 - centre + 0.5) * (1.0 / stretch))).collect();
    let total: f64 = exact.iter().sum();
    let fixed = |weight: f64| (weight / total * f64::from(1 << 22) + 0.5f64.copysign(weight / total)) as i64;
    (low..high).zip(exact.into_iter().map(fixed)).collect()
}

fn kernel(filter: Filter, x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * PI).sin() / (x * PI) };
    let a = x.abs();
    match filter {
        Filter::Box => f64::from(x > -0.5 && x <= 0.5),
        Filter::Bilinear => (1.0 - a).max(0.0),
        Filter::Hamming if a == 0.0 => 1.0,
        Filter::Hamming if a < 1.0 => {
            (a * PI).sin() / (a * PI) * (f64::from(0.54_f32) + f64::from(0.46_f32) * (a * PI).cos())
        }
        Filter::Bicubic if a < 1.0 => (1.5 * a - 2.5) * a * a + 1.0,
        Filter::Bicubic if a < 2.0 => (((a - 5.0) * a + 8.0) * a - 4.0) * -0.5,
        Filter::Lanczos if (-3.0..3.0).contains(&x) => sinc(x) * sinc(x / 3.0),
        _ => 0.0,
    }
}
