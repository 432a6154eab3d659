//! The batch stage: many samples side by side in one block of memory.

pub mod buffer;
pub mod collate;
pub mod engine;
pub mod epoch;
pub mod job;
pub mod one_hot;
pub mod pipeline;

pub use buffer::{Buffer, Pool};
pub use engine::Engine;
pub use epoch::Epoch;
pub use job::{Batch, Finished};
pub use pipeline::{Pipeline, Target};
