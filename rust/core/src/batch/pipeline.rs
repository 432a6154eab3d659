//! Datasets, one behind the other, and everything that is done to their samples.

use std::sync::Arc;

use super::{
    dataset::Dataset,
    field::{Field, TargetForm},
    pool::Pool,
    sample::Sample,
};
use crate::{
    Error, Result,
    decode::{Decoder, RowIndexEntry, RowIndexMemory, RowIndexes},
    image::Size,
    source::Source,
};

/// Datasets and everything that is done to their samples. Indices count over all datasets, in order.
#[derive(Debug)]
pub struct Pipeline {
    datasets: Vec<Dataset>,
    /// The index behind the last sample of each dataset.
    ends: Vec<usize>,
    decoder: Decoder,
    /// The views of the image, and then the target.
    fields: Vec<Field>,
    target: TargetForm,
    pool: Arc<Pool>,
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
    /// [`Error::Parameter`] where there is no dataset, or the datasets' outputs differ in their number of views, or in the
    /// channels, type or layout of one.
    pub fn new(datasets: Vec<Dataset>, decoder: Decoder, target: TargetForm, pool: Arc<Pool>) -> Result<Self> {
        let first = datasets.first().ok_or_else(|| Error::Parameter("a pipeline of no datasets".into()))?;
        let views = first.plans().len();
        if let Some(other) = datasets.iter().map(|dataset| dataset.plans().len()).find(|other| *other != views) {
            return Err(Error::Parameter(format!("datasets of {views} and {other} views")));
        }
        let image = |view: usize| {
            let form = first.plans()[view].lookup.form();
            let mut forms = datasets.iter().map(|dataset| dataset.plans()[view].lookup.form());
            if let Some(other) = forms.find(|other| *other != form) {
                return Err(Error::Parameter(format!("datasets of different outputs: {form:?} and {other:?}")));
            }
            let size = first.output_size(view);
            let size = size.filter(|_| datasets.iter().all(|dataset| dataset.output_size(view) == size));
            Ok(Field::Image { form, size })
        };
        let mut fields = (0..views).map(image).collect::<Result<Vec<_>>>()?;
        fields.push(Field::Target(target.clone()));
        let ends = datasets.iter().scan(0, |end, dataset| {
            *end += dataset.len();
            Some(*end)
        });
        let mut this = Self {
            ends: ends.collect(),
            datasets,
            decoder,
            fields,
            target,
            pool,
            row_indexes: None,
            samples_at_once: 1,
        };
        // The bytes of a file say little of the time that it takes to decode.
        let mut read = this.datasets.iter().map(|dataset| dataset.source().image_bytes());
        let read = read.try_fold(0, |most, bytes| Some(bytes?.max(most)));
        let mut made = this.fields[..views].iter().map(|field| field.bytes(field.size()));
        let made = made.try_fold(0_usize, |sum, bytes| Some(sum.saturating_add(bytes?)));
        if let (Some(read), Some(made)) = (read, made) {
            this.samples_at_once = (BYTES_AT_ONCE / read.saturating_add(made).max(1)).max(1);
        }
        Ok(this)
    }

    /// The same pipeline with memory for row indexes of its JPEGs, if it may have any. What it makes is the same.
    #[must_use]
    pub fn with_row_indexes(mut self, memory: &RowIndexMemory) -> Self {
        let decodes = self.datasets.iter().any(|dataset| !matches!(dataset.source(), Source::Arrays(_)));
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
    pub fn datasets(&self) -> &[Dataset] {
        &self.datasets
    }

    /// The fields of every sample: the views of its image, and then its target.
    #[must_use]
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The number of views of every image.
    #[must_use]
    pub fn views(&self) -> usize {
        self.fields.len() - 1
    }

    /// The size of every image of a view, where it is one.
    #[must_use]
    pub fn output_size(&self, view: usize) -> Option<Size> {
        self.fields[view].size()
    }

    /// The memory of batches.
    #[must_use]
    pub const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The number of samples that a thread takes at once.
    pub(super) const fn samples_at_once(&self) -> usize {
        self.samples_at_once
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

    /// The dataset that has sample `index`, which must be in range, and the sample's position there.
    fn locate(&self, index: usize) -> (&Dataset, usize) {
        let number = self.ends.partition_point(|&end| end <= index);
        let dataset = &self.datasets[number];
        (dataset, index - (self.ends[number] - dataset.len()))
    }

    /// Asks for what sample `index`, which must be in range, is made from.
    pub(super) fn prefetch(&self, index: usize) {
        let (dataset, at) = self.locate(index);
        dataset.prefetch(at);
    }

    /// Sample `index`. It is read from `provided`, a source and the position there, if its own is [`Source::PerBatch`].
    ///
    /// # Errors
    /// As [`Pipeline::check_index`].
    pub fn sample<'a>(&'a self, index: usize, provided: Option<(&'a Source, usize)>) -> Result<Sample<'a>> {
        self.check_index(index)?;
        let (dataset, at) = self.locate(index);
        let from = match dataset.source() {
            Source::PerBatch(_) => provided.filter(|(source, at)| *at < source.len()),
            _ => None,
        };
        Ok(Sample {
            index,
            label: dataset.labels()[at],
            dataset,
            decoder: &self.decoder,
            target: &self.target,
            from: from.unwrap_or((dataset.source(), at)),
            rows: self.row_indexes.as_deref().map(|indexes| RowIndexEntry { indexes, at: index }),
        })
    }
}
