//! One dataset within a pipeline.

use std::sync::Arc;

use crate::{
    Error, Result,
    image::Size,
    kernel,
    source::Source,
    transform::{MOST_OPS, Plan},
};

/// The samples of one dataset, their classes, and the plan of each view of their images.
#[derive(Debug, Clone)]
pub struct Dataset {
    source: Arc<Source>,
    labels: Arc<[i64]>,
    plans: Arc<[Plan]>,
}

impl Dataset {
    /// A dataset with the class of each sample of `source` in `labels`, and a plan for each view.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the number of labels is not that of the samples, there is no plan, a plan is for other
    /// channels, or the plans have more ops than there are streams of random numbers.
    pub fn new(source: Arc<Source>, labels: Arc<[i64]>, plans: impl Into<Arc<[Plan]>>) -> Result<Self> {
        let plans = plans.into();
        if labels.len() != source.len() {
            return Err(Error::Parameter(format!("{} labels for {} samples", labels.len(), source.len())));
        }
        if plans.is_empty() {
            return Err(Error::Parameter("a dataset of no plans".into()));
        }
        for plan in plans.iter() {
            let (wanted, got) = (plan.lookup.form().channels, plan.output_channels(source.channels()));
            if got != Some(wanted) {
                let got = got.map_or("a number that is drawn".into(), |got| got.to_string());
                return Err(Error::Parameter(format!("a table for {wanted} channels, but images of {got}")));
            }
        }
        let ops: usize = plans.iter().map(Plan::positions).sum();
        if ops > MOST_OPS {
            return Err(Error::Parameter(format!("{ops} transforms in all views: a dataset has at most {MOST_OPS}")));
        }
        Ok(Self { source, labels, plans })
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

    /// What is done to an image for each of its views.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.plans
    }

    /// The size of every image of a view, where it is one.
    #[must_use]
    pub fn output_size(&self, view: usize) -> Option<Size> {
        self.plans[view].output_size(self.source.image_size())
    }

    /// Asks for sample `at` and its label to be brought into the cache.
    pub(super) fn prefetch(&self, at: usize) {
        kernel::prefetch_value(&self.labels[at]);
        self.source.prefetch(at);
    }
}
