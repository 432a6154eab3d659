//! A dataset of a pipeline, bound.

use std::sync::Arc;

use pyo3::prelude::*;
use torchfeed_core::{
    batch,
    transform::{self, Form, PassOrder, Plan, Tail},
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

/// Samples, their labels and their transforms.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Part {
    source: Arc<torchfeed_core::source::Source>,
    labels: Arc<[i64]>,
    ops: Vec<transform::Op>,
    table: Vec<u8>,
}

#[pymethods]
impl Part {
    /// `table` holds 256 output values per channel, of the pipeline's dtype.
    #[new]
    fn new(source: &Source, labels: &Labels, ops: Vec<PyRef<'_, Op>>, table: &[u8]) -> Self {
        Self { source: Arc::clone(&source.0), labels: Arc::clone(&labels.0), ops: cloned(&ops), table: table.to_vec() }
    }
}

impl Part {
    /// The part of a pipeline with outputs of `form`.
    pub(crate) fn with(&self, form: Form, pass_order: PassOrder) -> Result<batch::Part, Failure> {
        let tail = Tail::new(self.table.clone(), form.channels, form.element, form.layout)?;
        let plan = Plan::new(self.ops.clone(), tail, pass_order)?;
        Ok(batch::Part::new(Arc::clone(&self.source), Arc::clone(&self.labels), plan)?)
    }
}
