#![doc = include_str!("../README.md")]
#![deny(unsafe_code, missing_docs)]

mod bits;
mod block;
mod color;
mod decoder;
mod emit;
mod error;
mod exif;
mod header;
mod huffman;
mod index;
mod kernel;
mod layout;
mod limits;
mod marker;
mod output;
mod pace;
mod pipeline;
mod planes;
mod progressive;
mod reduced;
mod scan;
mod segments;
mod sequential;
mod standard;
mod tables;
mod view;
mod zigzag;

pub use decoder::{Decoder, Info, Options};
pub use error::{Budget, Error, Result};
pub use header::{ColorSpace, Component, Components, Header, read_header};
pub use index::RowIndex;
pub use kernel::InstructionSet;
pub use layout::Scale;
pub use limits::Limits;
pub use output::Output;
pub use view::Region;
