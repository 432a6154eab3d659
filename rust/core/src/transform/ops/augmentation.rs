//! One function of automatic augmentation: whether it is applied, and with which magnitude.

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{super::passes::filter::Filter, Call, blur::BlurCall, color::ColorCall, drawing::Drawing, warp::WarpCall};
use crate::{Error, Result, image::Size, rng::Stream};

/// A function that automatic augmentation may apply.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// What is done.
    pub function: Function,
    /// The probability.
    pub p: f64,
    /// The function's parameter; `None` where it takes none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub magnitude: Option<Magnitude>,
}

/// The functions of automatic augmentation. Each takes one number, as the comments say, or none.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum Function {
    /// Nothing at all.
    Identity,
    /// Degrees.
    ShearX,
    /// Degrees.
    ShearY,
    /// Pixels, truncated; fractions are those of the width.
    TranslateX,
    /// Pixels, truncated; fractions are those of the height.
    TranslateY,
    /// Degrees.
    Rotate,
    /// The factor.
    Brightness,
    /// The factor of the saturation.
    Color,
    /// The factor.
    Contrast,
    /// The factor.
    Sharpness,
    /// The number of bits that are kept, truncated.
    Posterize {
        /// Fewer bits are an error.
        least_bits: u8,
    },
    /// The threshold.
    Solarize,
    /// None.
    AutoContrast,
    /// None.
    Equalize,
    /// None.
    Invert,
    /// What is added to values below 128, truncated.
    SolarizeAdd,
    /// How much of the saturation is taken away, from 0 to 1.
    Desaturate,
    /// The standard deviation of Pillow's blur.
    PilGaussianBlur,
    /// Half of the highest standard deviation of Pillow's blur, which is drawn from 0.1 on.
    PilGaussianBlurRand,
    /// How far to the left for each pixel down, as Pillow's `transform` takes it.
    PilShearX,
    /// How far up for each pixel to the right, as Pillow's `transform` takes it.
    PilShearY,
    /// Pixels to the left.
    PilTranslateX,
    /// Pixels up.
    PilTranslateY,
    /// How far to the left, as a fraction of the width.
    PilTranslateXRel,
    /// How far up, as a fraction of the height.
    PilTranslateYRel,
}

/// How the parameter of a function is drawn: `offset + x` or `offset - x`, within limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Magnitude {
    /// Where `x` is taken from.
    pub from: Source,
    /// The probability of `offset - x`.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub negated: f64,
    /// What is added.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: f64,
    /// The least and the greatest parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<(f64, f64)>,
}

/// Where a magnitude is taken from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Source {
    /// One of several values, each equally likely.
    Values(#[serde(deserialize_with = "some")] Vec<f64>),
    /// One of several fractions of the image's edge, each equally likely; the product has single precision.
    Fractions(#[serde(deserialize_with = "some")] Vec<f64>),
    /// A drawn level of at least 0: its tenth part times a factor, as timm has it.
    Level {
        /// How the level is drawn.
        level: Level,
        /// The highest level.
        most: f64,
        /// What `x` is at level 10.
        factor: f64,
        /// Whether `x` is truncated.
        whole: bool,
    },
}

/// How a level is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Level {
    /// Evenly from 0 to this.
    Uniform(f64),
    /// Around a mean.
    Normal {
        /// The mean.
        mean: f64,
        /// The standard deviation.
        deviation: f64,
    },
}

/// How functions that map an image do so.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warping {
    /// Nearest, bilinear or bicubic: one of these, each equally likely.
    #[serde(deserialize_with = "interpolations")]
    pub interpolation: Vec<Filter>,
    /// The colour outside.
    pub fill: [u8; 3],
}

fn is_zero(value: &f64) -> bool {
    value.to_bits() == 0
}

/// Reads a list that has something in it.
pub(super) fn some<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    deserializer: D,
) -> std::result::Result<Vec<T>, D::Error> {
    let all = Vec::deserialize(deserializer)?;
    if all.is_empty() {
        return Err(D::Error::custom("there is nothing to choose from"));
    }
    Ok(all)
}

/// Reads interpolations that `Image.transform` knows.
fn interpolations<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<Filter>, D::Error> {
    let all: Vec<Filter> = some(deserializer)?;
    match all.iter().find(|filter| !super::warp::is_interpolation(**filter)) {
        Some(filter) => Err(D::Error::custom(format_args!("an image is not mapped with {filter}"))),
        None => Ok(all),
    }
}

impl Augmentation {
    /// Draws the function for the op at `position`, which has `stream`.
    pub(super) fn draw(
        &self,
        warping: &Warping,
        position: usize,
        stream: &mut Stream,
        drawing: &mut Drawing<'_>,
    ) -> Result<()> {
        if self.p < 1.0 && stream.unit() >= self.p {
            return Ok(());
        }
        let x = self.magnitude.as_ref().map_or(0.0, |magnitude| magnitude.draw(self.function, drawing.size, stream));
        if let Some(call) = self.function.call(x, drawing.size, warping, stream)? {
            drawing.push(position, call);
        }
        Ok(())
    }
}

impl Magnitude {
    fn draw(&self, function: Function, size: Size, stream: &mut Stream) -> f64 {
        let mut x = match self.from {
            Source::Values(ref values) => *one(values, stream),
            Source::Fractions(ref fractions) => {
                let edge = if function == Function::TranslateX { size.width } else { size.height };
                f64::from((one(fractions, stream) * edge as f64) as f32)
            }
            Source::Level { level, most, factor, whole } => {
                let x = level.draw(stream).min(most).max(0.0) / 10.0 * factor;
                if whole { x.trunc() } else { x }
            }
        };
        if self.negated > 0.0 && stream.unit() < self.negated {
            x = -x;
        }
        let x = self.offset + x;
        self.limits.map_or(x, |(least, greatest)| x.min(greatest).max(least))
    }
}

impl Level {
    fn draw(self, stream: &mut Stream) -> f64 {
        match self {
            Level::Uniform(most) => stream.uniform(0.0, most),
            Level::Normal { mean, deviation } => mean + deviation * stream.normals()[0],
        }
    }
}

/// One of several, each equally likely.
fn one<'a, T>(all: &'a [T], stream: &mut Stream) -> &'a T {
    if all.len() == 1 { &all[0] } else { &all[stream.below(all.len())] }
}

impl Function {
    /// The function's name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Function::Identity => "Identity",
            Function::ShearX => "ShearX",
            Function::ShearY => "ShearY",
            Function::TranslateX => "TranslateX",
            Function::TranslateY => "TranslateY",
            Function::Rotate => "Rotate",
            Function::Brightness => "Brightness",
            Function::Color => "Color",
            Function::Contrast => "Contrast",
            Function::Sharpness => "Sharpness",
            Function::Posterize { .. } => "Posterize",
            Function::Solarize => "Solarize",
            Function::AutoContrast => "AutoContrast",
            Function::Equalize => "Equalize",
            Function::Invert => "Invert",
            Function::SolarizeAdd => "SolarizeAdd",
            Function::Desaturate => "Desaturate",
            Function::PilGaussianBlur => "PilGaussianBlur",
            Function::PilGaussianBlurRand => "PilGaussianBlurRand",
            Function::PilShearX => "PilShearX",
            Function::PilShearY => "PilShearY",
            Function::PilTranslateX => "PilTranslateX",
            Function::PilTranslateY => "PilTranslateY",
            Function::PilTranslateXRel => "PilTranslateXRel",
            Function::PilTranslateYRel => "PilTranslateYRel",
        }
    }

    /// Whether the function maps the image, with an interpolation.
    fn maps(self) -> bool {
        use Function::{
            PilShearX, PilShearY, PilTranslateX, PilTranslateXRel, PilTranslateY, PilTranslateYRel, Rotate, ShearX,
            ShearY, TranslateX, TranslateY,
        };
        matches!(
            self,
            ShearX
                | ShearY
                | TranslateX
                | TranslateY
                | Rotate
                | PilShearX
                | PilShearY
                | PilTranslateX
                | PilTranslateY
                | PilTranslateXRel
                | PilTranslateYRel
        )
    }

    /// The call that the function is with the parameter `x`, on an image of `size`.
    fn call(self, x: f64, size: Size, warping: &Warping, stream: &mut Stream) -> Result<Option<Call>> {
        let fill = warping.fill;
        let interpolation = if self.maps() { *one(&warping.interpolation, stream) } else { Filter::Nearest };
        let affine = |translate: [f64; 2], shear: [f64; 2], center| {
            let translate = translate.map(whole);
            WarpCall::Affine { angle: 0.0, translate, scale: 1.0, shear, interpolation, fill, center }.into()
        };
        let transform = |matrix: [f64; 6]| WarpCall::Transform { matrix, interpolation, fill }.into();
        let blur = |radius: f64| BlurCall::PilGaussianBlur { radius: [radius; 2] }.into();
        Ok(Some(match self {
            Function::Identity => return Ok(None),
            Function::ShearX => affine([0.0; 2], [x, 0.0], Some([0.0; 2])),
            Function::ShearY => affine([0.0; 2], [0.0, x], Some([0.0; 2])),
            Function::TranslateX => affine([x, 0.0], [0.0; 2], None),
            Function::TranslateY => affine([0.0, x], [0.0; 2], None),
            Function::PilShearX => transform([1.0, x, 0.0, 0.0, 1.0, 0.0]),
            Function::PilShearY => transform([1.0, 0.0, 0.0, x, 1.0, 0.0]),
            Function::PilTranslateX => transform([1.0, 0.0, x, 0.0, 1.0, 0.0]),
            Function::PilTranslateY => transform([1.0, 0.0, 0.0, 0.0, 1.0, x]),
            Function::PilTranslateXRel => transform([1.0, 0.0, x * size.width as f64, 0.0, 1.0, 0.0]),
            Function::PilTranslateYRel => transform([1.0, 0.0, 0.0, 0.0, 1.0, x * size.height as f64]),
            Function::Rotate => WarpCall::Rotate { angle: x, interpolation, expand: false, center: None, fill }.into(),
            Function::PilGaussianBlur => blur(x),
            Function::PilGaussianBlurRand => blur(stream.uniform(0.1, 2.0 * x)),
            Function::Desaturate => ColorCall::AdjustSaturation { saturation_factor: (1.0 - x).clamp(0.0, 1.0) }.into(),
            Function::SolarizeAdd => ColorCall::SolarizeAdd { add: x as u8, thresh: 128 }.into(),
            Function::Brightness => ColorCall::AdjustBrightness { brightness_factor: x }.into(),
            Function::Color => ColorCall::AdjustSaturation { saturation_factor: x }.into(),
            Function::Contrast => ColorCall::AdjustContrast { contrast_factor: x }.into(),
            Function::Sharpness => BlurCall::AdjustSharpness { sharpness_factor: x }.into(),
            Function::Posterize { least_bits } => {
                let bits = x.trunc();
                if bits < f64::from(least_bits) {
                    return Err(Error::Parameter(format!("posterize to {bits} bits: Pillow keeps {least_bits} to 8")));
                }
                ColorCall::Posterize { bits: bits.min(8.0) as u8 }.into()
            }
            Function::Solarize => ColorCall::Solarize { threshold: x }.into(),
            Function::AutoContrast => ColorCall::Autocontrast {}.into(),
            Function::Equalize => ColorCall::Equalize {}.into(),
            Function::Invert => ColorCall::Invert {}.into(),
        }))
    }
}

/// As Python makes an int of a number: there is no other zero.
fn whole(x: f64) -> f64 {
    x.trunc() + 0.0
}
