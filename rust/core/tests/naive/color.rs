//! Functions of colours, in exact arithmetic where Pillow's is exact.

use torchfeed_core::transform::ColorCall;

use super::Image;

/// Whether a function looks at more than one byte, or blends.
pub(super) fn is_mixed(call: &ColorCall) -> bool {
    !matches!(
        call,
        ColorCall::Invert {} | ColorCall::Posterize { .. } | ColorCall::Solarize { .. } | ColorCall::SolarizeAdd { .. }
    )
}

pub(super) fn apply(mut image: Image, call: &ColorCall) -> Image {
    let channels = image.channels;
    let made_channels = match call {
        ColorCall::RgbToGrayscale { num_output_channels: 1 } => 1,
        ColorCall::GrayscaleToRgb {} => 3,
        _ => channels,
    };
    let pixels = image.data.chunks_exact(channels);
    let lightness = |pixel: &[u8]| match *pixel {
        [red, green, blue] => {
            (19595 * i64::from(red) + 38470 * i64::from(green) + 7471 * i64::from(blue) + 32768) / 65536
        }
        _ => i64::from(pixel[0]),
    };
    let gray: Vec<i64> = pixels.clone().map(lightness).collect();
    let mean = (gray.iter().sum::<i64>() as f64 / gray.len() as f64 + 0.5) as i64;
    let histogram = |c: usize| {
        let mut counts = [0_u64; 256];
        pixels.clone().for_each(|pixel| counts[usize::from(pixel[c])] += 1);
        counts
    };
    let histograms: Vec<_> = (0..channels).map(histogram).collect();
    image.data = (0..gray.len())
        .flat_map(|at| {
            let pixel = &image.data[at * channels..][..channels];
            let made: Vec<u8> = match *call {
                ColorCall::AdjustBrightness { brightness_factor: factor } => blended(0, pixel, factor),
                ColorCall::AdjustContrast { contrast_factor: factor } => blended(mean, pixel, factor),
                ColorCall::AdjustSaturation { saturation_factor: factor } => blended(gray[at], pixel, factor),
                ColorCall::RgbToGrayscale { .. } => vec![gray[at] as u8; made_channels],
                ColorCall::GrayscaleToRgb {} if channels == 1 => vec![pixel[0]; 3],
                ColorCall::GrayscaleToRgb {} => pixel.to_vec(),
                ColorCall::PermuteChannels { permutation } if channels == 3 => {
                    permutation.iter().map(|&channel| pixel[usize::from(channel)]).collect()
                }
                ColorCall::PermuteChannels { .. } => pixel.to_vec(),
                ColorCall::Autocontrast {} => {
                    pixel.iter().zip(&histograms).map(|(&byte, counts)| stretched(byte, counts)).collect()
                }
                ColorCall::Equalize {} => {
                    pixel.iter().zip(&histograms).map(|(&byte, counts)| equalized(byte, counts)).collect()
                }
                // Python's tests compare all colours with torchvision's.
                _ => panic!("{call} has no slow version here"),
            };
            made
        })
        .collect();
    image.channels = made_channels;
    image
}

fn blended(from: i64, pixel: &[u8], factor: f64) -> Vec<u8> {
    let blend = |byte: u8| from as f32 + factor as f32 * (i64::from(byte) - from) as f32;
    pixel.iter().map(|&byte| blend(byte).clamp(0.0, 255.0) as u8).collect()
}

fn stretched(byte: u8, counts: &[u64; 256]) -> u8 {
    let found: Vec<usize> = (0..256).filter(|&value| counts[value] > 0).collect();
    let (least, most) = (found[0] as f64, found[found.len() - 1] as f64);
    if least == most {
        byte
    } else {
        (f64::from(byte) * (255.0 / (most - least)) - least * (255.0 / (most - least))) as u8
    }
}

fn equalized(byte: u8, counts: &[u64; 256]) -> u8 {
    let last = counts.iter().rposition(|&count| count > 0).unwrap();
    let step = counts[..last].iter().sum::<u64>() / 255;
    let below: u64 = counts[..usize::from(byte)].iter().sum();
    (step / 2 + below).checked_div(step).map_or(byte, |made| made.min(255) as u8)
}
