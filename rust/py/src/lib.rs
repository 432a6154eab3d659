//! `torchfeed._native`: converts arguments, lets go of the GIL, calls the core, maps the error. No logic of its own.
#![deny(unsafe_code)]

mod batch;
mod data;
mod dataset;
mod decode;
mod dlpack;
mod error;
mod formats;
mod image_file;
mod instruction_set;
mod kept;
mod occurrences;
mod pipeline;
mod signals;
mod source;
mod transform;

/// Threads come and go with epochs; their large blocks are not to stay in the arenas of threads that have ended.
#[global_allocator]
static ALLOCATOR: torchfeed_core::allocator::Allocator = torchfeed_core::allocator::Allocator;

/// The native half of torchfeed. Private: use `torchfeed`.
///
/// It needs no GIL: its classes are frozen and `Sync`, and what they share is behind locks.
#[pyo3::pymodule(gil_used = false)]
mod _native {
    #[pymodule_export]
    use super::batch::{Epoch, are_indices, batch_seed, one_hot, stack, substitutes};
    #[pymodule_export]
    use super::dataset::{Dataset, Labels};
    #[pymodule_export]
    use super::dlpack::Tensor;
    #[pymodule_export]
    use super::formats::{decode_image, native_formats};
    #[pymodule_export]
    use super::image_file::ImageFile;
    #[pymodule_export]
    use super::instruction_set::instruction_sets;
    #[pymodule_export]
    use super::kept::{BatchMemory, RowIndexes};
    #[pymodule_export]
    use super::occurrences::Occurrences;
    #[pymodule_export]
    use super::pipeline::Pipeline;
    #[pymodule_export]
    use super::source::{Source, scan};
    #[pymodule_export]
    use super::transform::{Op, apply_calls, normals};

    /// Refuses to load where a test asks for instructions that this machine lacks.
    #[pymodule_init]
    fn init(_module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
        Ok(instruction_sets().map(|_| ())?)
    }
}
