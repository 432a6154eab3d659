//! One dataset within a pipeline.

use std::sync::Arc;

use crate::{Error, Result, image::Size, kernel, source::Source, transform::Plan};

/// The samples of one dataset, with what is done to them.
#[derive(Debug, Clone)]
pub struct Part {
    source: Arc<Source>,
    labels: Arc<[i64]>,
    plan: Plan,
}

impl Part {
    /// A part; `labels` holds the class of each sample of `source`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the number of labels is not that of the samples, or the plan is for other channels.
    pub fn new(source: Arc<Source>, labels: Arc<[i64]>, plan: Plan) -> Result<Self> {
        if labels.len() != source.len() {
            return Err(Error::Parameter(format!("{} labels for {} samples", labels.len(), source.len())));
        }
        let (wanted, got) = (plan.tail.form().channels, source.channels());
        if wanted != got {
            return Err(Error::Parameter(format!("a table for {wanted} channels, but images of {got}")));
        }
        Ok(Self { source, labels, plan })
    }

    /// The number of samples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the samples come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The class of each sample.
    #[must_use]
    pub fn labels(&self) -> &[i64] {
        &self.labels
    }

    /// Asks for sample `at` and its label to be brought into the cache.
    pub(super) fn prefetch(&self, at: usize) {
        kernel::prefetch_value(&self.labels[at]);
        self.source.prefetch(at);
    }

    /// What is done to the samples.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The size of every output, where it is one.
    #[must_use]
    pub fn output_size(&self) -> Option<Size> {
        self.plan.output_size(self.source.image_size())
    }
}
