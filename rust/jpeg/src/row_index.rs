//! Where rows of MCUs start in a scan: a few bytes each, that spare a later decode all that is above its region, and
//! beside it to the right.

use crate::{Error, Header, Result};

/// Where one row of MCUs starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RowStart {
    /// Bit of the file.
    pub(crate) bit: u32,
    /// DC predictions of the components of the scan.
    pub(crate) predictions: [i16; 4],
}

impl RowStart {
    /// The byte of the file.
    pub(crate) fn byte(&self) -> usize {
        self.bit as usize / 8
    }
}

/// An index of one file, made by [`Decoder::decode_indexed`](crate::Decoder::decode_indexed).
///
/// It starts out empty. Every decode adds the rows of MCUs that it comes by, down to the end of its region, and skips what
/// is above and to the right of its region where rows are known. A file has one row in 8 or 16 rows of pixels; in a file
/// of three components each is 10 bytes. Only files of one sequential scan without restart markers can be indexed; for
/// others it stays empty and does no harm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowIndex {
    /// Length of the file, and where its scan starts, in two words each, lower first: enough to tell most mistakes.
    /// Then for each row its bit in two words and a prediction for each component.
    words: Vec<u16>,
    /// Words per row; 0 before the first file is known.
    step: usize,
}

/// Words before the first row.
const HEAD: usize = 4;

impl RowIndex {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many rows of MCUs are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words.len().saturating_sub(HEAD).checked_div(self.step).unwrap_or(0)
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the file and its rows, and keeps the memory.
    pub fn clear(&mut self) {
        self.words.clear();
        self.step = 0;
    }

    /// All that is known, as plain numbers to be kept elsewhere.
    #[must_use]
    pub fn as_words(&self) -> &[u16] {
        &self.words
    }

    /// Takes over what [`RowIndex::as_words`] returned for the file whose header is `header`.
    pub fn set_words(&mut self, words: &[u16], header: &Header) {
        self.words.clear();
        self.words.extend_from_slice(words);
        self.step = 2 + header.components.len();
    }

    /// Whether a file of this length and header can have an index.
    #[must_use]
    pub fn applies_to(bytes: &[u8], header: &Header) -> bool {
        !header.progressive && header.restart_interval == 0 && u32::try_from(bytes.len() as u64 * 8).is_ok()
    }

    /// Where row `row` starts, if that is known.
    pub(crate) fn get(&self, row: usize) -> Option<RowStart> {
        let words = self.words.get(HEAD..)?.chunks_exact(self.step.max(1)).nth(row)?;
        let (&[low, high], known) = words.split_first_chunk()?;
        let mut predictions = [0; 4];
        predictions.iter_mut().zip(known).for_each(|(to, &word)| *to = word as i16);
        Some(RowStart { bit: u32::from(low) | u32::from(high) << 16, predictions })
    }

    /// Adds the row after the last known.
    pub(crate) fn push(&mut self, row: RowStart) {
        self.words.extend([row.bit as u16, (row.bit >> 16) as u16]);
        self.words.extend(row.predictions[..self.step - 2].iter().map(|&prediction| prediction as u16));
    }

    /// Binds the index to a file.
    pub(crate) fn claim(&mut self, bytes: &[u8], header: &Header) -> Result<()> {
        let (length, scan) = (bytes.len() as u32, header.scan as u32);
        let file = [length as u16, (length >> 16) as u16, scan as u16, (scan >> 16) as u16];
        let step = 2 + header.components.len();
        if self.words.is_empty() {
            self.words.extend(file);
            self.step = step;
        }
        if !self.words.starts_with(&file) || self.step != step {
            return Err(Error::Parameter(format!(
                "index of another file than this of {} bytes, whose scan starts at {}",
                bytes.len(),
                header.scan
            )));
        }
        Ok(())
    }
}
