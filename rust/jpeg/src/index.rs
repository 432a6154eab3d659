//! Where rows of MCUs start in a scan: a few bytes each, that spare a later decode all that is above its region.

use crate::{Error, Header, Result};

/// Where one row of MCUs starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowStart {
    /// Byte of the file.
    pub(crate) byte: u32,
    /// Bit of that byte, from the highest.
    pub(crate) bit: u8,
    /// DC predictions of the components of the scan.
    pub(crate) predictions: [i16; 4],
}

/// An index of one file, made by [`Decoder::decode_indexed`](crate::Decoder::decode_indexed).
///
/// It starts out empty. Every decode adds the rows of MCUs that it comes by, down to the end of its region, and starts at
/// the last known row above its region. A file has one row in 8 or 16 rows of pixels, each is 16 bytes. Only files of one
/// sequential scan can be indexed; for others it stays empty and does no harm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowIndex {
    pub(crate) rows: Vec<RowStart>,
    /// Length of the file, where its scan starts: enough to tell most mistakes.
    file: Option<(usize, usize)>,
}

impl RowIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows of MCUs are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Binds the index to a file.
    pub(crate) fn claim(&mut self, bytes: &[u8], header: &Header) -> Result<()> {
        let file = (bytes.len(), header.scan);
        match self.file.replace(file) {
            Some(other) if other != file => {
                self.file = Some(other);
                Err(Error::Parameter(format!(
                    "index of a file of {} bytes used for one of {}, or for another of that length",
                    other.0, file.0
                )))
            }
            _ => Ok(()),
        }
    }
}
