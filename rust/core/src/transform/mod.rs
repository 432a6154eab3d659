//! The transform stage: declare, draw, execute.
//!
//! - *Declare*: a [`Plan`] is a list of [`Op`]s, some of which hold others, with torchvision's names, arguments and
//!   distributions, and a [`Tail`] that turns the last 8-bit pixel into an output value.
//! - *Draw*: [`Plan::draw`] fixes every random parameter of one sample, from its [key](crate::rng::Key) and its image's size alone.
//!   The result is a list of [`Call`]s, each of which is one function of `torchvision.transforms.functional`.
//! - *Compile*: the calls become [`passes`], which rewrite rules make few.
//! - *Execute*: [`execute::Executor`] knows which pixels of the image the passes need, and writes the sample.

mod compile;
mod composite;
pub mod crop;
pub mod execute;
pub mod lookup;
pub mod pad;
pub(crate) mod passes;
mod plan;
pub mod resize;
mod scaled_decode;
pub mod streaming_resize;

pub use composite::RandomChoice;
pub use crop::{RandomCrop, RandomResizedCrop};
pub use lookup::{Form, Layout, Tail};
pub use pad::{PadMode, Padding};
pub use passes::{filter::Filter, resample::PassOrder};
pub use plan::Plan;
pub use resize::{Resize, Target};

use crate::{Error, Result, image::Size, rng::Stream};
use plan::Drawing;

/// A declared transform, named as in `torchvision.transforms`.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "each variant is the torchvision class of that name")]
pub enum Op {
    Resize { target: Target, filter: Filter },
    CenterCrop(Size),
    RandomCrop(RandomCrop),
    RandomResizedCrop(RandomResizedCrop),
    RandomHorizontalFlip { p: f64 },
    RandomVerticalFlip { p: f64 },
    Pad(Padding),
    RandomApply { p: f64, ops: Vec<Op> },
    RandomChoice(RandomChoice),
    RandomOrder(Vec<Vec<Op>>),
}

/// A transform with its parameters drawn: a function of `torchvision.transforms.functional`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Call {
    /// `resize`.
    Resize(Resize),
    /// `pad`, then `crop`.
    Crop {
        /// The padding; often none.
        padding: Padding,
        /// First row of the crop, in the padded image.
        top: usize,
        /// First column of the crop, in the padded image.
        left: usize,
        /// The crop's size.
        size: Size,
    },
    /// `resized_crop`.
    ResizedCrop {
        /// First row of the crop.
        top: usize,
        /// First column of the crop.
        left: usize,
        /// The crop's size.
        crop: Size,
        /// What it is resized to.
        resize: Resize,
    },
    /// `hflip`.
    HorizontalFlip,
    /// `vflip`.
    VerticalFlip,
    /// `pad`.
    Pad(Padding),
    /// `invert`.
    Invert,
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
}

impl Op {
    /// Draws this transform, which is at `position`; hands its calls to `drawing`, none where it leaves the image as it
    /// is.
    fn draw(&self, position: usize, drawing: &mut Drawing<'_>) -> Result<()> {
        let mut stream = Stream::new(drawing.key, position as u16);
        let input = drawing.size;
        let mut push = |call| drawing.push(position, call);
        match self {
            Op::Resize { target, filter } => push(Call::Resize(Resize { size: target.apply(input)?, filter: *filter })),
            Op::CenterCrop(size) => push(crop::center(input, *size)?),
            Op::RandomCrop(op) => {
                let (padding, crop) = op.draw(&mut stream, input)?;
                padding.into_iter().for_each(|padding| push(Call::Pad(padding)));
                push(crop);
            }
            Op::RandomResizedCrop(op) => push(op.draw(&mut stream, input)),
            Op::RandomHorizontalFlip { p } if stream.unit() < *p => push(Call::HorizontalFlip),
            Op::RandomVerticalFlip { p } if stream.unit() < *p => push(Call::VerticalFlip),
            Op::RandomHorizontalFlip { .. } | Op::RandomVerticalFlip { .. } => {}
            Op::Pad(padding) => {
                padding.check(input)?;
                push(Call::Pad(*padding));
            }
            Op::RandomApply { p, ops } if stream.unit() < *p => drawing.all(ops, position + 1)?,
            Op::RandomApply { .. } => {}
            Op::RandomChoice(choice) => {
                let (before, ops) = choice.draw(&mut stream);
                drawing.all(ops, position + 1 + before)?;
            }
            Op::RandomOrder(branches) => composite::in_random_order(branches, &mut stream, |before, ops| {
                drawing.all(ops, position + 1 + before)
            })?,
        }
        Ok(())
    }

    /// The number of positions that this op takes: one, and those of the ops in it.
    fn count(&self) -> usize {
        1 + match self {
            Op::RandomApply { ops, .. } => composite::count(ops),
            Op::RandomChoice(choice) => composite::count(choice.branches().iter().flatten()),
            Op::RandomOrder(branches) => composite::count(branches.iter().flatten()),
            _ => 0,
        }
    }

    /// The output size, where it is the same for every input of size `input` (`None`: for every input at all).
    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        match self {
            Op::Resize { target: Target::Exact(size), .. } | Op::CenterCrop(size) => Some(*size),
            Op::Resize { target, .. } => target.apply(input?).ok(),
            Op::RandomCrop(op) => Some(op.size),
            Op::RandomResizedCrop(op) => Some(op.resize.size),
            Op::RandomHorizontalFlip { .. } | Op::RandomVerticalFlip { .. } => input,
            Op::Pad(padding) => Some(padding.apply(input?)),
            Op::RandomApply { ops, .. } => composite::optional_output_size(ops, input),
            Op::RandomChoice(choice) => choice.output_size(input),
            Op::RandomOrder(branches) => composite::unordered_output_size(branches, input),
        }
    }
}

/// Refuses an edge that is longer than a map of it can say: random numbers and fills are counted in 32 bits.
fn check_edges(size: Size) -> Result<()> {
    const MOST: usize = i32::MAX as usize;
    if size.height > MOST || size.width > MOST {
        return Err(Error::Limit(format!(
            "a transform makes an image of {} x {} pixels (width x height): an edge has at most {MOST}",
            size.width, size.height
        )));
    }
    Ok(())
}

impl Call {
    /// The largest image that this call makes of one of size `input`, on the way or in the end.
    #[must_use]
    pub fn largest_size(&self, input: Size) -> Size {
        match self {
            Call::Crop { padding, .. } => padding.apply(input),
            _ => self.output_size(input),
        }
    }

    /// The size that an image of size `input` has after this call.
    #[must_use]
    pub fn output_size(&self, input: Size) -> Size {
        match self {
            Call::Resize(resize) | Call::ResizedCrop { resize, .. } => resize.size,
            Call::Crop { size, .. } => *size,
            Call::HorizontalFlip | Call::VerticalFlip => input,
            Call::Invert | Call::Posterize { .. } | Call::Solarize { .. } => input,
            Call::Pad(padding) => padding.apply(input),
        }
    }
}
