//! Datasets, one behind the other, and everything that is done to their samples.

use std::sync::Arc;

use super::{one_hot::Levels, part::Part, pool::Pool, sample::Sample};
use crate::{
    Error, Result,
    decode::{Decoder, RowIndexEntry, RowIndexMemory, RowIndexes},
    image::Size,
    source::Source,
    transform::Form,
};

/// What a sample's target becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The class index, as an i64.
    Class,
    /// A row with one value at the class index.
    OneHot(Levels),
}

/// Datasets and everything that is done to their samples. Indices count over all parts, in order.
#[derive(Debug)]
pub struct Pipeline {
    parts: Vec<Part>,
    /// The index behind the last sample of each part.
    ends: Vec<usize>,
    decoder: Decoder,
    target: Target,
    pool: Arc<Pool>,
    form: Form,
    output_size: Option<Size>,
    row_indexes: Option<Arc<RowIndexes>>,
    samples_at_once: usize,
}

/// Bytes, read and written, of the samples that a thread takes at once: a few microseconds' work, before which it looks
/// at the clock and the counters that all threads share.
const BYTES_AT_ONCE: usize = if cfg!(shuttle) { 4 } else { 1 << 16 }; // the checker's images have one byte

impl Pipeline {
    /// A pipeline; `pool` is the memory of its batches.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no part, or the parts' outputs differ in channels, type or layout.
    pub fn new(parts: Vec<Part>, decoder: Decoder, target: Target, pool: Arc<Pool>) -> Result<Self> {
        let first = parts.first().ok_or_else(|| Error::Parameter("a pipeline of no parts".into()))?;
        let (form, size) = (first.plan().tail.form(), first.output_size());
        if let Some(other) = parts.iter().map(|part| part.plan().tail.form()).find(|other| *other != form) {
            return Err(Error::Parameter(format!("parts of different outputs: {form:?} and {other:?}")));
        }
        let output_size = size.filter(|_| parts.iter().all(|part| part.output_size() == size));
        let ends = parts.iter().scan(0, |end, part| {
            *end += part.len();
            Some(*end)
        });
        let mut this = Self {
            ends: ends.collect(),
            parts,
            decoder,
            target,
            pool,
            form,
            output_size,
            row_indexes: None,
            samples_at_once: 1,
        };
        // Of the time that anything but pixels in memory takes, its bytes say little.
        let read = this.parts.iter().map(|part| part.source().image_bytes()).try_fold(0, |most, b| Some(b?.max(most)));
        if let (Some(read), Some(size)) = (read, output_size) {
            this.samples_at_once = (BYTES_AT_ONCE / read.saturating_add(this.image_bytes(size)).max(1)).max(1);
        }
        Ok(this)
    }

    /// The same pipeline with memory for row indexes of its JPEGs, if it may have any. What it makes is the same.
    #[must_use]
    pub fn with_row_indexes(mut self, memory: &RowIndexMemory) -> Self {
        let decodes = self.parts.iter().any(|part| !matches!(part.source(), Source::Arrays(_)));
        self.row_indexes = if decodes { memory.indexes(self.len()) } else { None };
        self
    }

    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.last().copied().unwrap_or(0)
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The datasets.
    #[must_use]
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// What becomes of the labels.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The memory of batches.
    #[must_use]
    pub const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// What an output's values are, and how they lie in memory.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// The size of every output, where it is one.
    #[must_use]
    pub const fn output_size(&self) -> Option<Size> {
        self.output_size
    }

    /// The number of samples that a thread takes at once.
    pub(super) const fn samples_at_once(&self) -> usize {
        self.samples_at_once
    }

    /// Bytes of an output image of `size`.
    #[must_use]
    pub const fn image_bytes(&self, size: Size) -> usize {
        // More bytes than there are numbers for are more than anybody has.
        size.height.saturating_mul(size.width).saturating_mul(self.form.channels * self.form.element)
    }

    /// Bytes of a target.
    #[must_use]
    pub const fn target_bytes(&self) -> usize {
        match &self.target {
            Target::Class => size_of::<i64>(),
            Target::OneHot(levels) => levels.row_bytes(),
        }
    }

    /// Refuses an index that no sample has.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the index and the number of samples.
    pub fn check_index(&self, index: usize) -> Result<()> {
        let len = self.len();
        if index >= len {
            return Err(Error::Parameter(format!("index {index} is out of range for {len} samples")));
        }
        Ok(())
    }

    /// The part that has sample `index`, which must be in range, and its position there.
    fn locate(&self, index: usize) -> (&Part, usize) {
        let number = self.ends.partition_point(|&end| end <= index);
        let part = &self.parts[number];
        (part, index - (self.ends[number] - part.len()))
    }

    /// Asks for what sample `index`, which must be in range, is made from.
    pub(super) fn prefetch(&self, index: usize) {
        let (part, at) = self.locate(index);
        part.prefetch(at);
    }

    /// Sample `index`. It is read from `given`, a source and the position there, if its own is [`Source::Brought`].
    ///
    /// # Errors
    /// As [`Pipeline::check_index`].
    pub fn sample<'a>(&'a self, index: usize, given: Option<(&'a Source, usize)>) -> Result<Sample<'a>> {
        self.check_index(index)?;
        let (part, at) = self.locate(index);
        let from = match part.source() {
            Source::Brought(_) => given.filter(|(source, at)| *at < source.len()),
            _ => None,
        };
        Ok(Sample {
            index,
            label: part.labels()[at],
            part,
            decoder: &self.decoder,
            target: &self.target,
            from: from.unwrap_or((part.source(), at)),
            rows: self.row_indexes.as_deref().map(|indexes| RowIndexEntry { indexes, at: index }),
        })
    }
}
