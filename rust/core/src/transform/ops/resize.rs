//! `Resize`: the output size, and the filters by number.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{
    super::{compile::Compiler, passes::filter::Filter},
    Family, FamilyCall,
    drawing::Drawing,
    pair,
};
use crate::{Error, Result, image::Size, rng::Stream};

/// The op that resizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ResizeOp {
    /// `torchvision.transforms.Resize`.
    Resize {
        /// The size that it makes.
        size: ResizeTo,
        /// The filter.
        interpolation: Filter,
    },
}

impl Family for ResizeOp {
    fn draw(&self, position: usize, _: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        let ResizeOp::Resize { size, interpolation } = *self;
        let size = size.apply(drawing.size)?;
        drawing.push(position, ResizeCall::Resize(Resize { size, filter: interpolation }));
        Ok(())
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        match self {
            ResizeOp::Resize { size: ResizeTo::Exact(size), .. } => Some(*size),
            ResizeOp::Resize { size, .. } => size.apply(input?).ok(),
        }
    }

    fn is_random(&self) -> bool {
        false
    }
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
