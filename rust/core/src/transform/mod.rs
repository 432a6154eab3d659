//! The transform stage: declare, draw, execute.
//!
//! - *Declare*: a [`Plan`] is a list of [`Op`]s, with torchvision's names, arguments and distributions, and a
//!   [`Tail`] that turns the last 8-bit pixel into an output value.
//! - *Draw*: [`Plan::draw`] fixes every random parameter of one sample, from its [`Key`] and its image's size alone.
//!   The result is a list of [`Call`]s, each of which is one function of `torchvision.transforms.functional`.
//! - *Execute*: [`execute::Executor`] works out which pixels of the image the calls need, asks for those, and writes
//!   the sample.

pub(crate) mod axis;
pub mod crop;
pub mod execute;
pub(crate) mod filter;
mod geometry;
pub mod pad;
pub mod resize;
pub mod tail;

pub use crop::{RandomCrop, RandomResizedCrop};
pub use filter::Filter;
pub use pad::{PadMode, Padding};
pub use resize::{PassOrder, Resize, Target};
pub use tail::{Layout, Tail};

use crate::{
    Error, Result,
    image::Size,
    rng::{Key, Stream},
};

/// A declared transform, named as in `torchvision.transforms`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(missing_docs, reason = "each variant is the torchvision class of that name")]
pub enum Op {
    Resize { target: Target, filter: Filter },
    CenterCrop(Size),
    RandomCrop(RandomCrop),
    RandomResizedCrop(RandomResizedCrop),
    RandomHorizontalFlip { p: f64 },
    RandomVerticalFlip { p: f64 },
    Pad(Padding),
}

/// A transform with its parameters drawn: a function of `torchvision.transforms.functional`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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
}

impl Op {
    /// Draws this transform for an image of size `input`; hands each call to `push`, none where it leaves the image as
    /// it is.
    fn draw(&self, stream: &mut Stream, input: Size, mut push: impl FnMut(Call)) -> Result<()> {
        match *self {
            Op::Resize { target, filter } => push(Call::Resize(Resize { size: target.apply(input)?, filter })),
            Op::CenterCrop(size) => push(crop::center(input, size)),
            Op::RandomCrop(op) => {
                let (padding, crop) = op.draw(stream, input)?;
                padding.into_iter().for_each(|padding| push(Call::Pad(padding)));
                push(crop);
            }
            Op::RandomResizedCrop(op) => push(op.draw(stream, input)),
            Op::RandomHorizontalFlip { p } if stream.unit() < p => push(Call::HorizontalFlip),
            Op::RandomVerticalFlip { p } if stream.unit() < p => push(Call::VerticalFlip),
            Op::RandomHorizontalFlip { .. } | Op::RandomVerticalFlip { .. } => {}
            Op::Pad(padding) => {
                padding.check(input)?;
                push(Call::Pad(padding));
            }
        }
        Ok(())
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
        }
    }
}

impl Call {
    /// The size that an image of size `input` has after this call.
    #[must_use]
    pub fn output_size(&self, input: Size) -> Size {
        match self {
            Call::Resize(resize) | Call::ResizedCrop { resize, .. } => resize.size,
            Call::Crop { size, .. } => *size,
            Call::HorizontalFlip | Call::VerticalFlip => input,
            Call::Pad(padding) => padding.apply(input),
        }
    }
}

/// The transforms of a dataset.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The geometric transforms, in order.
    pub ops: Vec<Op>,
    /// How pixels become output values.
    pub tail: Tail,
    /// Which Pillow's resize is reproduced.
    pub pass_order: PassOrder,
}

impl Plan {
    /// Draws every random parameter of the sample `key`, whose image has size `input`, into `calls` (cleared first):
    /// pairs of the transform's position in [`Plan::ops`] and its call. Returns the output size.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a transform cannot be applied to an image of that size.
    pub fn draw(&self, key: Key, input: Size, calls: &mut Vec<(usize, Call)>) -> Result<Size> {
        calls.clear();
        let mut size = input;
        for (position, op) in self.ops.iter().enumerate() {
            op.draw(&mut Stream::new(key, position as u16), size, |call| calls.push((position, call)))?;
            size = calls.iter().filter(|(at, _)| *at == position).fold(size, |size, (_, call)| call.output_size(size));
            if size.height == 0 || size.width == 0 {
                return Err(Error::Parameter(format!("{op:?} leaves no pixels of the image")));
            }
        }
        Ok(size)
    }

    /// The size of every output, where it does not depend on the input; `input` is the size of all inputs, if known.
    #[must_use]
    pub fn output_size(&self, input: Option<Size>) -> Option<Size> {
        self.ops.iter().fold(input, |size, op| op.output_size(size))
    }
}
