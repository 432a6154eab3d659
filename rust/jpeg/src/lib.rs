#![doc = include_str!("../README.md")]
#![deny(unsafe_code, missing_docs)]

mod bits;
mod block;
mod color;
mod decoder;
mod emitter;
mod error;
mod exif;
mod header;
mod huffman;
mod interrupt;
mod kernel;
mod layout;
mod limits;
mod marker;
mod output;
mod pipeline;
mod planes;
mod progressive;
mod region;
mod row_index;
mod scale;
mod scaled_idct;
mod scan;
mod segments;
mod sequential;
mod standard_tables;
mod tables;
mod zigzag;

pub use decoder::{Decoder, Info, Options};
pub use error::{Budget, Error, Result};
pub use header::{ColorSpace, Component, Components, Header, read_header};
pub use kernel::InstructionSet;
pub use limits::Limits;
pub use output::Output;
pub use region::Region;
pub use row_index::RowIndex;
pub use scale::Scale;
