//! The batch stage: many samples side by side in one block of memory.

pub mod buffer;
pub mod collate;
pub mod engine;
pub mod epoch;
pub mod job;
mod occurrences;
pub mod one_hot;
mod part;
pub mod pipeline;
pub mod pool;
mod sample;
mod slow;

pub use buffer::Buffer;
pub use engine::{Engine, Workers};
pub use epoch::{Epoch, Request};
pub use job::{Batch, Finished};
pub use occurrences::Occurrences;
pub use part::Part;
pub use pipeline::{Pipeline, Target};
pub use pool::{Pool, Usage};
pub use sample::{Sample, Scratch};
pub use slow::{Slow, SlowSamples};
