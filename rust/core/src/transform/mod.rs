//! The transform stage: declare, draw, execute.
//!
//! - *Declare*: a [`Plan`] is a list of [`Op`]s, some of which hold others, with torchvision's names, arguments and
//!   distributions, and a [`Tail`] that turns the last 8-bit pixel into an output value.
//! - *Draw*: [`Plan::draw`] fixes every random parameter of one sample, from its [key](crate::rng::Key) and its image's size alone.
//!   The result is a list of [`Call`]s, each of which is one function of `torchvision.transforms.functional`.
//! - *Execute*: [`execute::Executor`] works out which pixels of the image the calls need, asks for those, and writes
//!   the sample.

pub(crate) mod axis;
mod call;
pub mod execute;
pub(crate) mod filter;
mod geometry;
pub mod narrow;
mod ops;
mod plan;
mod reduce;
pub mod tail;

use ops::{pad, resize};

pub use call::Call;
pub use filter::Filter;
pub use ops::{
    Op,
    compose::{ComposeOp, RandomChoice},
    crop::{CropOp, RandomCrop, RandomResizedCrop},
    flip::FlipOp,
    pad::{PadMode, PadOp, Padding},
    resize::{PassOrder, Resize, ResizeOp, ResizeTo},
};
pub use plan::Plan;
pub use tail::{Form, Layout, Tail};
