//! The source stage, bound.

use std::{path::PathBuf, sync::Arc, time::Duration};

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    prelude::*,
    pybacked::{PyBackedBytes, PyBackedStr},
    types::PyBytes,
};
use torchfeed_core::{
    image::Size,
    source::{self, Arrays, Blobs, Files, IndexFile, Provided, bytes_to_path},
};

use crate::{dlpack::Lent, error::Failure, signals};

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

    /// Images in memory: a uint8 array (N, H, W, C).
    #[staticmethod]
    fn array(array: Lent) -> PyResult<Self> {
        let [len, height, width, channels] = dimensions(&array)?;
        let strides = array.strides().into_iter().map(i64::cast_unsigned).map(|stride| stride as usize);
        let strides = strides.collect::<Vec<_>>().try_into().expect("as many as dimensions");
        let arrays = Arrays::strided(Box::new(array), len, Size::new(height, width), channels, strides);
        Ok(Self(Arc::new(source::Source::Arrays(arrays.map_err(Failure::from)?))))
    }

    /// So many RGB images that come with each batch.
    #[staticmethod]
    fn per_batch(length: usize) -> Self {
        Self(Arc::new(source::Source::PerBatch(length)))
    }

    /// The images of one batch: ("path", bytes), ("bytes", bytes), ("array", uint8 array (H, W, 3) without gaps) or `None`
    /// for each position.
    #[staticmethod]
    fn provided(images: &Bound<'_, PyAny>) -> PyResult<Self> {
        let images = images.try_iter()?.map(|image| provided(&image?)).collect::<PyResult<_>>()?;
        Ok(Self(Arc::new(source::Source::Provided(images))))
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

/// The shape of an array of uint8.
fn dimensions<const N: usize>(array: &Lent) -> PyResult<[usize; N]> {
    let shape = array.shape().iter().map(|&n| n.cast_unsigned() as usize).collect::<Vec<_>>();
    let shape = shape.try_into().ok().filter(|_| array.dtype() == (1, 8));
    shape.ok_or_else(|| PyValueError::new_err(format!("images are a uint8 array of {N} dimensions")))
}

fn provided(item: &Bound<'_, PyAny>) -> PyResult<Option<Provided>> {
    if item.is_none() {
        return Ok(None);
    }
    let (kind, image): (PyBackedStr, Bound<'_, PyAny>) = item.extract()?;
    Ok(Some(match &*kind {
        "path" => Provided::Path(bytes_to_path(image.cast::<PyBytes>()?.as_bytes()).into_owned()),
        "bytes" => Provided::Encoded(Box::new(image.extract::<PyBackedBytes>()?)),
        "array" => {
            let array: Lent = image.extract()?;
            let [height, width, _] = dimensions(&array)?;
            Provided::pixels(Box::new(array), Size::new(height, width)).map_err(Failure::from)?
        }
        other => return Err(PyValueError::new_err(format!("unknown kind of image {other:?}"))),
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
