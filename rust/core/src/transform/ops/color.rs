//! The ops that change colours and leave pixels in their places.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{
        compile::Compiler,
        passes::{Mix, Statistic, point::Function},
    },
    Family, FamilyCall,
    drawing::Drawing,
};
use crate::{Result, image::Size, rng::Stream};

/// The ops that change colours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ColorOp {
    /// `torchvision.transforms.ColorJitter`: each range is drawn from evenly; `None` leaves its function out.
    ColorJitter {
        /// The range of the brightness' factor.
        brightness: Option<(f64, f64)>,
        /// The range of the contrast's factor.
        contrast: Option<(f64, f64)>,
        /// The range of the saturation's factor.
        saturation: Option<(f64, f64)>,
        /// The range of the hue's turn, within -0.5 and 0.5.
        hue: Option<(f64, f64)>,
    },
    /// `torchvision.transforms.Grayscale`.
    Grayscale {
        /// 1 or 3; an image of one channel keeps that.
        #[serde(deserialize_with = "one_or_three")]
        num_output_channels: u8,
    },
    /// `torchvision.transforms.v2.RGB`.
    #[serde(rename = "RGB")]
    Rgb {},
    /// `torchvision.transforms.v2.RandomChannelPermutation`.
    RandomChannelPermutation {},
    /// `torchvision.transforms.v2.RandomPhotometricDistort`: each function with probability `p`.
    RandomPhotometricDistort {
        /// The range of the brightness' factor.
        brightness: (f64, f64),
        /// The range of the contrast's factor.
        contrast: (f64, f64),
        /// The range of the saturation's factor.
        saturation: (f64, f64),
        /// The range of the hue's turn, within -0.5 and 0.5.
        hue: (f64, f64),
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomGrayscale`.
    RandomGrayscale {
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomAutocontrast`.
    RandomAutocontrast {
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomEqualize`.
    RandomEqualize {
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomInvert`.
    RandomInvert {
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomPosterize`.
    RandomPosterize {
        /// The number of bits of each byte that are kept: 1 to 8, which is what Pillow takes.
        #[serde(deserialize_with = "bits")]
        bits: u8,
        /// The probability.
        p: f64,
    },
    /// `torchvision.transforms.RandomSolarize`.
    RandomSolarize {
        /// Bytes that are not below it are inverted; any number.
        threshold: f64,
        /// The probability.
        p: f64,
    },
}

/// Reads a number of bits.
fn bits<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        bits @ 1..=8 => Ok(bits),
        bits => Err(D::Error::custom(format_args!("a byte has 1 to 8 bits to keep, not {bits}"))),
    }
}

/// Reads the number of channels of a gray image.
fn one_or_three<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<u8, D::Error> {
    match u8::deserialize(deserializer)? {
        channels @ (1 | 3) => Ok(channels),
        other => Err(D::Error::custom(format_args!("images have 1 or 3 channels afterwards, not {other}"))),
    }
}

/// Reads the numbers of three channels.
fn permutation<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<[u8; 3], D::Error> {
    let read = <[u8; 3]>::deserialize(deserializer)?;
    let mut sorted = read;
    sorted.sort_unstable();
    match sorted {
        [0, 1, 2] => Ok(read),
        _ => Err(D::Error::custom(format_args!("{read:?} is no order of three channels"))),
    }
}

impl Family for ColorOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let (p, call) = match *self {
            ColorOp::ColorJitter { brightness, contrast, saturation, hue } => {
                jitter([brightness, contrast, saturation, hue], position, stream, drawing);
                return Ok(());
            }
            ColorOp::Grayscale { num_output_channels } => {
                drawing.push(position, ColorCall::RgbToGrayscale { num_output_channels });
                return Ok(());
            }
            ColorOp::Rgb {} => {
                drawing.push(position, ColorCall::GrayscaleToRgb {});
                return Ok(());
            }
            ColorOp::RandomChannelPermutation {} => {
                drawing.push(position, permute(stream));
                return Ok(());
            }
            ColorOp::RandomPhotometricDistort { brightness, contrast, saturation, hue, p } => {
                distort([brightness, contrast, saturation, hue], p, position, stream, drawing);
                return Ok(());
            }
            ColorOp::RandomGrayscale { p } => (p, ColorCall::RgbToGrayscale { num_output_channels: 3 }),
            ColorOp::RandomAutocontrast { p } => (p, ColorCall::Autocontrast {}),
            ColorOp::RandomEqualize { p } => (p, ColorCall::Equalize {}),
            ColorOp::RandomInvert { p } => (p, ColorCall::Invert {}),
            ColorOp::RandomPosterize { bits, p } => (p, ColorCall::Posterize { bits }),
            ColorOp::RandomSolarize { threshold, p } => (p, ColorCall::Solarize { threshold }),
        };
        drawing.push_with_probability(p, stream, position, call);
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        input
    }

    fn output_channels(&self, channels: usize) -> Option<usize> {
        match self {
            ColorOp::Grayscale { num_output_channels: 1 } => Some(1),
            ColorOp::Rgb {} => Some(3),
            _ => Some(channels),
        }
    }

    fn is_random(&self) -> bool {
        !matches!(self, ColorOp::Grayscale { .. } | ColorOp::Rgb {})
    }
}

/// Draws the functions of `ColorJitter`, which are applied in a random order.
fn jitter(ranges: [Option<(f64, f64)>; 4], position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) {
    let mut order = [0, 1, 2, 3];
    shuffle(&mut order, stream);
    let factors = ranges.map(|range| range.map(|range| factor(range, stream)));
    for function in order {
        if let Some(factor) = factors[function] {
            drawing.push(position, adjust(function, factor));
        }
    }
}

/// Draws the functions of `RandomPhotometricDistort`.
fn distort(ranges: [(f64, f64); 4], p: f64, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) {
    let factors = ranges.map(|range| (stream.unit() < p).then(|| factor(range, stream)));
    // The contrast comes before or after saturation and hue.
    let order = if stream.unit() < 0.5 { [0, 1, 2, 3] } else { [0, 2, 3, 1] };
    for function in order {
        if let Some(factor) = factors[function] {
            drawing.push(position, adjust(function, factor));
        }
    }
    if stream.unit() < p {
        drawing.push(position, permute(stream));
    }
}

/// Draws a factor. torch draws single precision numbers.
fn factor((low, high): (f64, f64), stream: &mut Stream) -> f64 {
    f64::from(stream.uniform(low, high) as f32)
}

/// The function of brightness, contrast, saturation or hue, by its number.
fn adjust(function: usize, factor: f64) -> ColorCall {
    match function {
        0 => ColorCall::AdjustBrightness { brightness_factor: factor },
        1 => ColorCall::AdjustContrast { contrast_factor: factor },
        2 => ColorCall::AdjustSaturation { saturation_factor: factor },
        // A factor that was rounded may lie beyond what the function takes.
        _ => ColorCall::AdjustHue { hue_factor: factor.clamp(-0.5, 0.5) },
    }
}

/// Draws an order of channels.
fn permute(stream: &mut Stream) -> ColorCall {
    let mut permutation = [0, 1, 2];
    shuffle(&mut permutation, stream);
    ColorCall::PermuteChannels { permutation }
}

/// Brings values into any order.
fn shuffle<T>(values: &mut [T], stream: &mut Stream) {
    for last in (1..values.len()).rev() {
        values.swap(last, stream.below(last + 1));
    }
}

impl fmt::Display for ColorOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = |range: &Option<(f64, f64)>| range.map_or("None".into(), |(low, high)| format!("({low}, {high})"));
        match self {
            ColorOp::ColorJitter { brightness, contrast, saturation, hue } => write!(
                f,
                "ColorJitter(brightness={}, contrast={}, saturation={}, hue={})",
                range(brightness),
                range(contrast),
                range(saturation),
                range(hue)
            ),
            ColorOp::Grayscale { num_output_channels } => {
                write!(f, "Grayscale(num_output_channels={num_output_channels})")
            }
            ColorOp::Rgb {} => f.write_str("RGB()"),
            ColorOp::RandomChannelPermutation {} => f.write_str("RandomChannelPermutation()"),
            ColorOp::RandomPhotometricDistort { brightness, contrast, saturation, hue, p } => write!(
                f,
                "RandomPhotometricDistort(brightness={brightness:?}, contrast={contrast:?}, saturation={saturation:?}, \
                 hue={hue:?}, p={p})"
            ),
            ColorOp::RandomGrayscale { p } => write!(f, "RandomGrayscale(p={p})"),
            ColorOp::RandomAutocontrast { p } => write!(f, "RandomAutocontrast(p={p})"),
            ColorOp::RandomEqualize { p } => write!(f, "RandomEqualize(p={p})"),
            ColorOp::RandomInvert { p } => write!(f, "RandomInvert(p={p})"),
            ColorOp::RandomPosterize { bits, p } => write!(f, "RandomPosterize(bits={bits}, p={p})"),
            ColorOp::RandomSolarize { threshold, p } => write!(f, "RandomSolarize(threshold={threshold}, p={p})"),
        }
    }
}

/// The functions that change colours.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColorCall {
    /// `adjust_brightness`.
    AdjustBrightness {
        /// 0 makes black, 1 leaves the image as it is.
        brightness_factor: f64,
    },
    /// `adjust_contrast`.
    AdjustContrast {
        /// 0 makes all pixels the mean lightness, 1 leaves the image as it is.
        contrast_factor: f64,
    },
    /// `adjust_saturation`.
    AdjustSaturation {
        /// 0 makes gray, 1 leaves the image as it is.
        saturation_factor: f64,
    },
    /// `adjust_hue`.
    AdjustHue {
        /// Turns of the colour wheel, -0.5 to 0.5.
        hue_factor: f64,
    },
    /// `rgb_to_grayscale`.
    RgbToGrayscale {
        /// 1 or 3; an image of one channel keeps that.
        #[serde(deserialize_with = "one_or_three")]
        num_output_channels: u8,
    },
    /// `grayscale_to_rgb` of v2; an image of three channels stays as it is.
    GrayscaleToRgb {},
    /// `permute_channels` of v2; an image of one channel stays as it is.
    PermuteChannels {
        /// The channel of the input for each of the output.
        #[serde(deserialize_with = "permutation")]
        permutation: [u8; 3],
    },
    /// `autocontrast`.
    Autocontrast {},
    /// `equalize`.
    Equalize {},
    /// `invert`.
    Invert {},
    /// `posterize`.
    Posterize {
        /// The number of bits of each byte that are kept: 0 to 8.
        bits: u8,
    },
    /// `solarize`.
    Solarize {
        /// Bytes that are not below it are inverted.
        threshold: f64,
    },
    /// timm's `solarize_add`.
    SolarizeAdd {
        /// What is added, up to 255.
        add: u8,
        /// Bytes that are not below it are left as they are.
        thresh: u8,
    },
}

impl FamilyCall for ColorCall {
    fn output_size(&self, input: Size) -> Size {
        input
    }

    fn lower(&self, compiler: &mut Compiler) {
        compiler.point(match *self {
            ColorCall::AdjustContrast { contrast_factor } => {
                return compiler.statistic(Statistic::Contrast { factor: contrast_factor as f32 });
            }
            ColorCall::AdjustSaturation { saturation_factor } => {
                return compiler.mix(Mix::Saturation { factor: saturation_factor as f32 });
            }
            // As NumPy makes a byte of an int32: its lowest bits.
            ColorCall::AdjustHue { hue_factor } => {
                return compiler.mix(Mix::Hue { turn: (hue_factor * 255.0) as i32 as u8 });
            }
            ColorCall::RgbToGrayscale { num_output_channels: 1 } => return compiler.mix(Mix::Lightness),
            ColorCall::RgbToGrayscale { .. } => return compiler.mix(Mix::Gray),
            ColorCall::GrayscaleToRgb {} => return compiler.mix(Mix::Rgb),
            ColorCall::PermuteChannels { permutation } => return compiler.mix(Mix::Permute { permutation }),
            ColorCall::Autocontrast {} => return compiler.statistic(Statistic::AutoContrast),
            ColorCall::Equalize {} => return compiler.statistic(Statistic::Equalize),
            ColorCall::AdjustBrightness { brightness_factor } => {
                Function::Brightness { factor: brightness_factor as f32 }
            }
            ColorCall::Invert {} => Function::Invert,
            ColorCall::Posterize { bits } => Function::Posterize { bits },
            ColorCall::Solarize { threshold } => Function::solarize(threshold),
            ColorCall::SolarizeAdd { add, thresh } => Function::SolarizeAdd { add, thresh },
        });
    }
}

impl fmt::Display for ColorCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ColorCall::AdjustBrightness { brightness_factor } => {
                write!(f, "adjust_brightness(brightness_factor={brightness_factor})")
            }
            ColorCall::AdjustContrast { contrast_factor } => {
                write!(f, "adjust_contrast(contrast_factor={contrast_factor})")
            }
            ColorCall::AdjustSaturation { saturation_factor } => {
                write!(f, "adjust_saturation(saturation_factor={saturation_factor})")
            }
            ColorCall::AdjustHue { hue_factor } => write!(f, "adjust_hue(hue_factor={hue_factor})"),
            ColorCall::RgbToGrayscale { num_output_channels } => {
                write!(f, "rgb_to_grayscale(num_output_channels={num_output_channels})")
            }
            ColorCall::GrayscaleToRgb {} => f.write_str("grayscale_to_rgb()"),
            ColorCall::PermuteChannels { permutation } => write!(f, "permute_channels(permutation={permutation:?})"),
            ColorCall::Autocontrast {} => f.write_str("autocontrast()"),
            ColorCall::Equalize {} => f.write_str("equalize()"),
            ColorCall::Invert {} => f.write_str("invert()"),
            ColorCall::Posterize { bits } => write!(f, "posterize(bits={bits})"),
            ColorCall::Solarize { threshold } => write!(f, "solarize(threshold={threshold})"),
            ColorCall::SolarizeAdd { add, thresh } => write!(f, "solarize_add(add={add}, thresh={thresh})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_that_pillow_takes() {
        let read = |bits| serde_json::from_str::<ColorOp>(&format!(r#"{{"RandomPosterize":{{"bits":{bits},"p":1}}}}"#));
        assert_eq!(read(8).unwrap(), ColorOp::RandomPosterize { bits: 8, p: 1.0 });
        assert!([0, 9].iter().all(|&bits| read(bits).unwrap_err().to_string().contains("1 to 8 bits")));
    }
}
