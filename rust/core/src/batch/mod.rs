//! The batch stage: many samples side by side, one strip of memory for each field of theirs.

pub mod collate;
mod dataset;
mod encoded;
pub mod engine;
pub mod epoch;
pub mod field;
mod image_file;
mod occurrences;
pub mod one_hot;
pub mod pipeline;
pub mod pool;
mod sample;
mod sizes;
mod slots;
mod slow;
mod views;
pub mod work;

pub use dataset::Dataset;
pub use engine::{Engine, Workers};
pub use epoch::{Epoch, Request};
pub use field::{Field, Strip, TargetForm};
pub use image_file::{ImageFile, Write};
pub use occurrences::Occurrences;
pub use pipeline::Pipeline;
pub use pool::{
    Pool, Usage,
    block::{Block, Memory},
};
pub use sample::{Sample, SampleScratch};
pub use slow::{Slow, SlowSamples};
pub use work::{Batch, Finished};
