//! How often each sample came up in an epoch, bound.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use torchfeed_core::batch;

use crate::error::Failure;

/// Counts the samples of an epoch, whatever makes them.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Occurrences(Mutex<batch::Occurrences>);

#[pymethods]
impl Occurrences {
    /// Counts samples of which there are `length`.
    #[new]
    fn new(length: usize) -> Self {
        Self(Mutex::new(batch::Occurrences::new(length)))
    }

    /// Counts samples in turn; returns how often each came up before.
    #[expect(clippy::needless_pass_by_value, reason = "PyO3 extracts a list as a Vec")]
    fn count(&self, indices: Vec<usize>) -> PyResult<Vec<u32>> {
        self.of(&indices)
    }
}

impl Occurrences {
    fn of(&self, indices: &[usize]) -> PyResult<Vec<u32>> {
        let mut core = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = indices.iter().map(|&index| core.count(index)).collect::<Result<_, _>>();
        Ok(counts.map_err(Failure::from)?)
    }
}

/// How often each sample of a batch came up before: what counts them now, or numbers.
#[derive(FromPyObject)]
pub(crate) enum Counts<'py> {
    #[pyo3(transparent)]
    Now(PyRef<'py, Occurrences>),
    #[pyo3(transparent)]
    Before(Vec<u32>),
}

impl Counts<'_> {
    /// The number for each index.
    pub(crate) fn of(self, indices: &[usize]) -> PyResult<Vec<u32>> {
        match self {
            Self::Now(occurrences) => occurrences.of(indices),
            Self::Before(counts) => Ok(counts),
        }
    }
}
