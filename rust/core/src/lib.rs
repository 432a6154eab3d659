//! The native half of torchfeed: image files in, batches of channel-first samples out.
//!
//! The stages are `source -> decode -> transform -> batch`; each is a module of that name. Nothing here knows
//! Python: the crate `torchfeed-py` binds it, and any Rust program may use it on its own.
#![deny(unsafe_code, missing_docs)]

pub mod allocator;
pub mod batch;
mod color;
pub mod decode;
pub mod error;
pub mod image;
pub mod interrupt;
mod kernel;
pub mod rng;
pub mod source;
mod sync;
pub mod transform;

pub use error::{Error, Result};
pub use kernel::InstructionSet;
