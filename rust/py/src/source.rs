//! The source stage, bound.

use std::{path::PathBuf, sync::Arc};

use pyo3::{prelude::*, types::PyBytes};
use torchfeed_core::{
    image::Size,
    source::{self, Arrays, Blobs, Files},
};

use crate::{error::Failure, memory::Borrowed};

/// A constructor, and its one argument: paths.
type Reduced<'py> = (Bound<'py, PyAny>, (Vec<Bound<'py, PyBytes>>,));

/// Where samples come from.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Source(pub(crate) Arc<source::Source>);

#[pymethods]
impl Source {
    /// Image files, by their paths as bytes (`os.fsencode`).
    #[staticmethod]
    fn files(paths: &Bound<'_, PyAny>) -> PyResult<Self> {
        let mut files = Files::default();
        for path in paths.try_iter()? {
            files.push(path?.cast::<PyBytes>()?.as_bytes());
        }
        Ok(Self(Arc::new(source::Source::Files(files))))
    }

    /// Image files in memory.
    #[staticmethod]
    fn blobs(files: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (mut data, mut ends) = (Vec::new(), Vec::new());
        for file in files.try_iter()? {
            data.extend_from_slice(file?.cast::<PyBytes>()?.as_bytes());
            ends.push(data.len() as u64);
        }
        Ok(Self(Arc::new(source::Source::Blobs(Blobs::new(Box::new(data), ends).map_err(Failure::from)?))))
    }

    /// Images in memory: a C-contiguous uint8 array of shape (N, H, W, C) at `address`, kept alive by `owner`.
    #[staticmethod]
    fn array(address: usize, shape: [usize; 4], owner: Py<PyAny>) -> PyResult<Self> {
        let data = Borrowed::new(address, shape.iter().product(), owner);
        let arrays = Arrays::new(Box::new(data), shape[0], Size::new(shape[1], shape[2]), shape[3]);
        Ok(Self(Arc::new(source::Source::Arrays(arrays.map_err(Failure::from)?))))
    }

    /// Channels of the decoded images.
    #[getter]
    fn channels(&self) -> usize {
        self.0.channels()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Pickles a source of files as its paths. Samples in memory belong to their dataset, which pickles them itself.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let source::Source::Files(files) = &*self.0 else {
            return Err(pyo3::exceptions::PyTypeError::new_err("only a source of files can be pickled"));
        };
        let paths = (0..files.len()).map(|index| PyBytes::new(py, files.path_bytes(index))).collect();
        Ok((py.get_type::<Self>().getattr("files")?, (paths,)))
    }

    /// The path of file `index`, as bytes; `None` where samples have none.
    fn path<'py>(&self, py: Python<'py>, index: usize) -> Option<Bound<'py, PyBytes>> {
        match &*self.0 {
            source::Source::Files(files) if index < files.len() => Some(PyBytes::new(py, files.path_bytes(index))),
            _ => None,
        }
    }
}

/// The image files below `root/class` for each (class, target), and the target of each.
#[pyfunction]
pub(crate) fn scan(
    py: Python<'_>,
    root: PathBuf,
    classes: Vec<(PathBuf, i64)>,
    extensions: Vec<String>,
) -> PyResult<(Source, Vec<i64>)> {
    let folder = py.detach(|| source::scan(&root, &classes, &extensions)).map_err(Failure::from)?;
    Ok((Source(Arc::new(source::Source::Files(folder.files))), folder.targets))
}
