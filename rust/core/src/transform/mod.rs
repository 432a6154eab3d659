//! The transform stage: declare, draw, execute.
//!
//! - *Declare*: a [`Plan`] is a list of [`Op`]s, some of which hold others, with torchvision's names, arguments and
//!   distributions, and a [`Lookup`] that turns the last 8-bit pixel into an output value.
//! - *Draw*: [`Plan::draw`] fixes every random parameter of one sample, from its [key](crate::rng::Key) and its image's size alone.
//!   The result is a list of [`Call`]s, each of which is one function of `torchvision.transforms.functional`.
//! - *Compile*: the calls become [`passes`], which rewrite rules make few.
//! - *Execute*: [`execute::Executor`] knows which pixels of the image the passes need, and writes the sample.

mod compile;
mod erasure;
pub mod execute;
mod form;
pub mod lookup;
mod ops;
pub(crate) mod passes;
mod plan;
mod scaled_decode;
pub mod streaming_resize;

pub use erasure::{ErasedValue, Erasure};
pub use form::{Form, Layout};
pub use lookup::Lookup;
pub use ops::{
    Call, Op,
    augmentation::{Augmentation, Function, Level, Magnitude, Source, Warping},
    auto_augment::AutoAugmentOp,
    blur::{BlurCall, BlurOp},
    color::{ColorCall, ColorOp},
    compose::{ComposeOp, RandomChoice},
    crop::{CropCall, CropOp, RandomCrop, RandomResizedCrop},
    erase::{EraseCall, EraseOp, Fill},
    flip::{FlipCall, FlipOp},
    pad::{PadCall, PadOp},
    resize::{Resize, ResizeCall, ResizeOp, ResizeTo},
    warp::{Perspective, WarpCall, WarpOp},
};
pub use passes::gaussian_kernel::gaussian_kernel;
pub use passes::{
    filter::Filter,
    padding::{PadMode, Padding},
    resample::ResizeOrder,
};
pub(crate) use plan::MOST_OPS;
pub use plan::Plan;
