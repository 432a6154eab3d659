//! What outlives the pipelines of one loader, bound: row indexes of JPEGs, and the memory of batches.

use std::sync::Arc;

use pyo3::prelude::*;
use torchfeed_core::{batch::Pool, decode::RowIndexMemory};

/// Row indexes that outlive the pipelines of one loader.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct RowIndexes(pub(crate) Arc<RowIndexMemory>);

#[pymethods]
impl RowIndexes {
    /// At most `budget` bytes of them.
    #[new]
    fn new(budget: usize) -> Self {
        Self(Arc::new(RowIndexMemory::new(budget)))
    }

    /// How many images have an index, and the bytes of all.
    fn in_use(&self) -> (usize, usize) {
        self.0.in_use()
    }

    /// Pickles and copies as empty memory of the same size.
    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (usize,)) {
        (py.get_type::<Self>().into_any(), (self.0.budget(),))
    }
}

/// Memory of batches, which the next epoch of a loader uses again.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct BatchMemory(pub(crate) Arc<Pool>);

#[pymethods]
impl BatchMemory {
    /// At most so many free `blocks`. Without a number it is the epochs that say how many bytes are worth keeping.
    #[new]
    #[pyo3(signature = (blocks=usize::MAX))]
    fn new(blocks: usize) -> Self {
        Self(Pool::new(blocks))
    }

    /// Pickles and copies as memory of its own, empty.
    fn __reduce__<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, (usize,)) {
        (py.get_type::<Self>().into_any(), (self.0.blocks(),))
    }
}
