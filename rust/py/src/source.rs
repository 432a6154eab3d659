//! The source stage, bound.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    pybacked::{PyBackedBytes, PyBackedStr},
    types::{PyBytes, PyTuple},
};
use torchfeed_core::{
    image::Size,
    source::{self, Arrays, Blobs, Files, Given, IndexFile, bytes_to_path},
};

use crate::{error::Failure, memory::Borrowed, signals};

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
            files.push(&[path?.cast::<PyBytes>()?.as_bytes()]);
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

    /// Images in memory: a uint8 array (N, H, W, C) at `address`, with `strides` in bytes, kept alive by `owner`.
    #[staticmethod]
    fn array(address: usize, shape: [usize; 4], strides: [usize; 4], owner: Py<PyAny>) -> PyResult<Self> {
        let data = Borrowed::new(address, Arrays::span(shape, strides).unwrap_or(0), owner);
        let [len, height, width, channels] = shape;
        let arrays = Arrays::strided(Box::new(data), len, Size::new(height, width), channels, strides);
        Ok(Self(Arc::new(source::Source::Arrays(arrays.map_err(Failure::from)?))))
    }

    /// So many RGB images that come with each batch.
    #[staticmethod]
    fn brought(length: usize) -> Self {
        Self(Arc::new(source::Source::Brought(length)))
    }

    /// The images of one batch: ("path", bytes), ("bytes", bytes), ("array", address, (height, width, 3), owner) or
    /// `None` for each position.
    #[staticmethod]
    fn given(items: &Bound<'_, PyAny>) -> PyResult<Self> {
        let items = items.try_iter()?.map(|item| given(&item?)).collect::<PyResult<_>>()?;
        Ok(Self(Arc::new(source::Source::Given(items))))
    }

    /// Channels of the decoded images.
    #[getter]
    fn channels(&self) -> usize {
        self.0.channels()
    }

    /// Whether samples are, or may be, files that have to be decoded.
    #[getter]
    fn is_encoded(&self) -> bool {
        self.0.is_encoded()
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    /// Pickles a source of files as its paths. Samples in memory belong to their dataset, which pickles them itself.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py>> {
        let source::Source::Files(files) = &*self.0 else {
            return Err(PyTypeError::new_err("only a source of files can be pickled"));
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

fn given(item: &Bound<'_, PyAny>) -> PyResult<Option<Given>> {
    if item.is_none() {
        return Ok(None);
    }
    let item = item.cast::<PyTuple>()?;
    let kind = item.get_item(0)?;
    Ok(Some(match kind.extract::<PyBackedStr>()?.as_ref() {
        "path" => Given::Path(bytes_to_path(item.get_item(1)?.cast::<PyBytes>()?.as_bytes()).into_owned()),
        "bytes" => Given::Encoded(Box::new(item.get_item(1)?.extract::<PyBackedBytes>()?)),
        "array" => {
            let (_, address, [height, width, channels], owner): (Bound<'_, PyAny>, usize, [usize; 3], Py<PyAny>) =
                item.extract()?;
            let data = Borrowed::new(address, height * width * channels, owner);
            Given::pixels(Box::new(data), Size::new(height, width)).map_err(Failure::from)?
        }
        other => return Err(PyValueError::new_err(format!("unknown kind of sample {other:?}"))),
    }))
}

/// Files, their targets, and why the index could not be written.
type Scanned = (Source, Vec<i64>, Option<String>);

/// The image files below `root/class` for each (class, target), the target of each, and why the index could not be
/// written. `index` is its file, and for how many seconds a folder must not have changed to be relied upon.
#[pyfunction]
#[pyo3(signature = (root, classes, extensions, index=None))]
pub(crate) fn scan(
    py: Python<'_>,
    root: PathBuf,
    classes: Vec<(PathBuf, i64)>,
    extensions: Vec<String>,
    index: Option<(PathBuf, f64)>,
) -> PyResult<Scanned> {
    let index = match &index {
        None => None,
        Some((path, settled)) => {
            let settled = Duration::try_from_secs_f64(*settled);
            Some(IndexFile { path, settled: settled.map_err(|error| PyValueError::new_err(error.to_string()))? })
        }
    };
    let scan = || source::scan(&root, &classes, &extensions, index);
    let folder = signals::interruptible(py, scan)?.map_err(Failure::from)?;
    let unsaved = folder.unsaved.map(|error| error.to_string());
    Ok((Source(Arc::new(source::Source::Files(folder.files))), folder.targets, unsaved))
}
