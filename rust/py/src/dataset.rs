//! A dataset of a pipeline, bound.

use std::sync::Arc;

use pyo3::{prelude::*, pybacked::PyBackedBytes};
use torchfeed_core::{
    batch, source,
    transform::{self, Form, Lookup, Plan, ResizeOrder},
};

use crate::{
    error::Failure,
    source::Source,
    transform::{Op, cloned},
};

/// The class of each sample.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Labels(Arc<[i64]>);

#[pymethods]
impl Labels {
    #[new]
    fn new(values: &Bound<'_, PyAny>) -> PyResult<Self> {
        values.try_iter()?.map(|value| value?.extract::<i64>()).collect::<PyResult<_>>().map(Self)
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }
}

/// Samples, their labels and their transforms: for each view of an image, ops and a table.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Dataset {
    source: Arc<source::Source>,
    labels: Arc<[i64]>,
    views: Vec<(Vec<transform::Op>, Vec<u8>)>,
}

#[pymethods]
impl Dataset {
    /// Each of `views` is (ops, table); a table holds 256 output values per channel, of the view's dtype in the pipeline.
    #[new]
    fn new(source: &Source, labels: &Labels, views: Vec<(Vec<PyRef<'_, Op>>, PyBackedBytes)>) -> Self {
        let views = views.iter().map(|(ops, table)| (cloned(ops), table.to_vec())).collect();
        Self { source: Arc::clone(&source.0), labels: Arc::clone(&labels.0), views }
    }
}

impl Dataset {
    /// The dataset of a pipeline whose views have these forms.
    pub(crate) fn with(&self, forms: &[Form], resize_order: ResizeOrder) -> Result<batch::Dataset, Failure> {
        let plan = |((ops, table), form): (&(Vec<transform::Op>, Vec<u8>), &Form)| {
            let lookup = Lookup::new(table.clone(), form.channels, form.element, form.layout)?;
            Ok(Plan::new(ops.clone(), lookup, resize_order)?)
        };
        let plans = self.views.iter().zip(forms).map(plan).collect::<Result<Vec<_>, Failure>>()?;
        Ok(batch::Dataset::new(Arc::clone(&self.source), Arc::clone(&self.labels), plans)?)
    }
}
