//! `Resize` and the ops that resize to a random size: the output size, and the filters by number.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::{
    super::{compile::Compiler, passes::filter::Filter},
    Family, FamilyCall,
    drawing::Drawing,
    pair,
};
use crate::{Error, Result, image::Size, rng::Stream};

/// The ops that resize.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ResizeOp {
    /// `torchvision.transforms.Resize`.
    Resize {
        /// The size that it makes.
        size: ResizeTo,
        /// The filter.
        interpolation: Filter,
    },
    /// `torchvision.transforms.v2.RandomResize`: the smaller edge is any of a range, without its end.
    RandomResize {
        /// The least pixels of the smaller edge.
        min_size: usize,
        /// One more than the most.
        #[serde(deserialize_with = "end")]
        max_size: usize,
        /// The filter.
        interpolation: Filter,
    },
    /// `torchvision.transforms.v2.RandomShortestSize`: the smaller edge is one of several.
    RandomShortestSize {
        /// Pixels of the smaller edge.
        #[serde(deserialize_with = "some")]
        min_size: Vec<usize>,
        /// The most pixels of the larger edge.
        max_size: Option<usize>,
        /// The filter.
        interpolation: Filter,
    },
    /// `torchvision.transforms.v2.ScaleJitter`: a size with the aspect ratio of the image, random beside another size.
    ScaleJitter {
        /// The size that a scale of 1 fits into: (width, height), as torchvision takes it.
        target_size: (usize, usize),
        /// The range of scales.
        scale_range: (f64, f64),
        /// The filter.
        interpolation: Filter,
    },
}

/// Reads the end of a range of sizes.
fn end<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<usize, D::Error> {
    match usize::deserialize(deserializer)? {
        end @ 1..=MOST => Ok(end),
        end => Err(D::Error::custom(format_args!("a range of edges ends between 1 and {MOST}, not at {end}"))),
    }
}

/// Reads a list of sizes.
fn some<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Vec<usize>, D::Error> {
    match Vec::deserialize(deserializer)? {
        sizes if sizes.is_empty() => Err(D::Error::custom("a choice of no sizes")),
        sizes => Ok(sizes),
    }
}

/// The longest edge of an image.
const MOST: usize = i32::MAX as usize;

impl Family for ResizeOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let (size, filter) = match self {
            ResizeOp::Resize { size, interpolation } => (size.apply(drawing.size)?, *interpolation),
            ResizeOp::RandomResize { min_size, max_size, interpolation } => {
                let edge = min_size + stream.below(max_size.saturating_sub(*min_size).max(1));
                (ResizeTo::Smaller { edge, max: None }.apply(drawing.size)?, *interpolation)
            }
            ResizeOp::RandomShortestSize { min_size, max_size, interpolation } => {
                let edge = min_size[stream.below(min_size.len())];
                (shortest(edge, *max_size, drawing.size), *interpolation)
            }
            ResizeOp::ScaleJitter { target_size, scale_range: (low, high), interpolation } => {
                let scale = *low as f32 + stream.unit_single() * (high - low) as f32;
                (jittered(*target_size, scale, drawing.size), *interpolation)
            }
        };
        drawing.push(position, ResizeCall::Resize(Resize { size, filter }));
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        match self {
            ResizeOp::Resize { size: ResizeTo::Exact(size), .. } => Some(*size),
            ResizeOp::Resize { size, .. } => size.apply(input?).ok(),
            _ => None,
        }
    }

    fn is_random(&self) -> bool {
        !matches!(self, ResizeOp::Resize { .. })
    }
}

/// The size of `RandomShortestSize` for an image of `size`, in torchvision's order of operations.
fn shortest(edge: usize, max: Option<usize>, size: Size) -> Size {
    let scale = edge as f64 / size.height.min(size.width) as f64;
    let scale = max.map_or(scale, |max| scale.min(max as f64 / size.height.max(size.width) as f64));
    Size::new((size.height as f64 * scale) as usize, (size.width as f64 * scale) as usize)
}

/// The size of `ScaleJitter` for an image of `size`. torchvision multiplies in single precision.
fn jittered((width, height): (usize, usize), scale: f32, size: Size) -> Size {
    let fitting = (height as f64 / size.height as f64).min(width as f64 / size.width as f64);
    let scale = fitting as f32 * scale;
    Size::new((size.height as f32 * scale) as usize, (size.width as f32 * scale) as usize)
}

/// The function that resizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResizeCall {
    /// `resize`.
    Resize(Resize),
}

impl FamilyCall for ResizeCall {
    fn output_size(&self, _: Size) -> Size {
        let ResizeCall::Resize(resize) = self;
        resize.size
    }

    fn lower(&self, compiler: &mut Compiler) {
        let ResizeCall::Resize(resize) = self;
        compiler.resize(resize.size, resize.filter);
    }
}

impl fmt::Display for ResizeCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ResizeCall::Resize(resize) = self;
        write!(f, "resize({resize})")
    }
}

impl fmt::Display for ResizeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ResizeOp::Resize { size: ResizeTo::Exact(size), interpolation } => {
                write!(f, "Resize(size={size}, interpolation={interpolation})")
            }
            ResizeOp::Resize { size: ResizeTo::Smaller { edge, max: None }, interpolation } => {
                write!(f, "Resize(size={edge}, interpolation={interpolation})")
            }
            ResizeOp::Resize { size: ResizeTo::Smaller { edge, max: Some(max) }, interpolation } => {
                write!(f, "Resize(size={edge}, max_size={max}, interpolation={interpolation})")
            }
            ResizeOp::RandomResize { min_size, max_size, interpolation } => {
                write!(f, "RandomResize(min_size={min_size}, max_size={max_size}, interpolation={interpolation})")
            }
            ResizeOp::RandomShortestSize { min_size, max_size, interpolation } => {
                let max_size = max_size.map_or("None".into(), |max| max.to_string());
                write!(
                    f,
                    "RandomShortestSize(min_size={min_size:?}, max_size={max_size}, interpolation={interpolation})"
                )
            }
            ResizeOp::ScaleJitter { target_size, scale_range, interpolation } => write!(
                f,
                "ScaleJitter(target_size={target_size:?}, scale_range={scale_range:?}, interpolation={interpolation})"
            ),
        }
    }
}

/// The size that `Resize` makes of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum ResizeTo {
    /// The smaller edge becomes `edge`; the larger one keeps the aspect ratio, but is at most `max` where given.
    Smaller {
        /// Pixels of the smaller edge.
        edge: usize,
        /// The most pixels of the larger edge.
        max: Option<usize>,
    },
    /// Exactly this size.
    Exact(#[serde(with = "pair")] Size),
}

impl ResizeTo {
    /// The size that an image of `size` gets (`_compute_resized_output_size` of torchvision).
    ///
    /// # Errors
    /// [`Error::Parameter`] where `max` leaves no pixel of the smaller edge.
    pub fn apply(self, size: Size) -> Result<Size> {
        let ResizeTo::Smaller { edge, max } = self else {
            let ResizeTo::Exact(exact) = self else { unreachable!() };
            return Ok(exact);
        };
        let wide = size.height < size.width;
        let (short, long) = if wide { (size.height, size.width) } else { (size.width, size.height) };
        let (mut new_short, mut new_long) = (edge, (edge as f64 * long as f64 / short as f64) as usize);
        if let Some(max) = max.filter(|&max| new_long > max) {
            new_short = (max as f64 * new_short as f64 / new_long as f64) as usize;
            new_long = max;
        }
        if new_short == 0 || new_long == 0 {
            return Err(Error::Parameter(format!(
                "Resize of a {} x {} image (height x width) leaves {new_short} pixels of an edge",
                size.height, size.width
            )));
        }
        Ok(if wide { Size::new(new_short, new_long) } else { Size::new(new_long, new_short) })
    }
}

/// One drawn resize: from whatever size comes in to `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Resize {
    /// The output size.
    #[serde(with = "pair")]
    pub size: Size,
    /// The interpolation.
    #[serde(rename = "interpolation")]
    pub filter: Filter,
}

impl fmt::Display for Resize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "size={}, interpolation={}", self.size, self.filter)
    }
}

/// Pillow's numbers of its filters (`PIL.Image.Resampling`), by which they are data.
const NUMBERS: [(Filter, u8); 6] = [
    (Filter::Nearest, 0),
    (Filter::Lanczos, 1),
    (Filter::Bilinear, 2),
    (Filter::Bicubic, 3),
    (Filter::Box, 4),
    (Filter::Hamming, 5),
];

impl From<Filter> for u8 {
    fn from(filter: Filter) -> Self {
        let found = NUMBERS.iter().find(|(each, _)| *each == filter);
        found.expect("every filter has a number").1
    }
}

impl TryFrom<u8> for Filter {
    type Error = String;

    fn try_from(number: u8) -> std::result::Result<Self, String> {
        let found = NUMBERS.iter().find(|(_, each)| *each == number);
        found.map(|(filter, _)| *filter).ok_or_else(|| format!("unknown interpolation {number}"))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", format!("{self:?}").to_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes printed by `torchvision.transforms.functional._compute_resized_output_size`.
    #[test]
    fn sizes_are_torchvisions() {
        let smaller = |edge, max| ResizeTo::Smaller { edge, max };
        assert_eq!(smaller(256, None).apply(Size::new(375, 500)).unwrap(), Size::new(256, 341));
        assert_eq!(smaller(256, None).apply(Size::new(500, 375)).unwrap(), Size::new(341, 256));
        assert_eq!(smaller(256, Some(300)).apply(Size::new(500, 375)).unwrap(), Size::new(300, 225));
        assert_eq!(smaller(8, None).apply(Size::new(5, 5)).unwrap(), Size::new(8, 8));
        assert!(smaller(2, Some(3)).apply(Size::new(1, 1000)).is_err());
    }
}
