//! The transform stage, bound: what is declared, and what was drawn. Both are data.

use pyo3::{
    prelude::*,
    types::{PyBytes, PyDict, PyString, PyType},
};
use torchfeed_core::{
    image::{Size, View},
    rng::Normals,
    transform::{self, Call, execute},
};

use crate::{
    data::{from_python, to_python},
    error::Failure,
    image_file::{Pixels, order},
};

/// A declared transform.
#[pyclass(frozen, eq, module = "torchfeed._native")]
#[derive(PartialEq)]
pub(crate) struct Op(pub(crate) transform::Op);

#[pymethods]
impl Op {
    /// The op of a name, with its arguments; or what [`Op::data`] gave.
    #[new]
    #[pyo3(signature = (op, /, **arguments))]
    fn new(op: &Bound<'_, PyAny>, arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let py = op.py();
        if !op.is_instance_of::<PyString>() && arguments.is_none() {
            return from_python(op.clone()).map(Self);
        }
        let data = PyDict::new(py);
        data.set_item(op, arguments.cloned().unwrap_or_else(|| PyDict::new(py)))?;
        from_python(data.into_any()).map(Self)
    }

    /// The op as a dict of one entry: its name and its arguments.
    fn data<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        to_python(py, &self.0)
    }

    /// The names of all ops.
    #[staticmethod]
    fn names() -> Vec<&'static str> {
        transform::Op::names().to_vec()
    }

    /// The number of positions that the op takes: one, and those of the ops in it.
    #[getter]
    fn positions(&self) -> usize {
        self.0.positions()
    }

    /// Whether what the op does may depend on random numbers.
    #[getter]
    fn is_random(&self) -> bool {
        self.0.is_random()
    }

    fn __repr__(&self) -> String {
        self.0.to_string()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyType>, (Bound<'py, PyAny>,))> {
        Ok((slf.get_type(), (slf.get().data(slf.py())?,)))
    }
}

/// The core's ops.
pub(crate) fn cloned(ops: &[PyRef<'_, Op>]) -> Vec<transform::Op> {
    ops.iter().map(|op| op.0.clone()).collect()
}

/// Runs calls, as `Pipeline.draw` tells them, on an image of (height, width, channels). Returns the image that they make.
///
/// # Errors
/// `ValueError` where the image or a call is none.
#[pyfunction]
pub(crate) fn apply_calls<'py>(
    py: Python<'py>,
    pixels: &[u8],
    size: (usize, usize, usize),
    calls: Vec<Bound<'py, PyAny>>,
    cheaper_first: bool,
) -> PyResult<Pixels<'py>> {
    let (height, width, channels) = size;
    let calls = calls.into_iter().map(from_python::<Call>).collect::<PyResult<Vec<_>>>()?;
    let image = View::whole(Size::new(height, width), channels, pixels).map_err(Failure::from)?;
    let made = py.detach(|| execute::apply(&calls, image, order(cheaper_first))).map_err(Failure::from)?;
    let Size { height, width } = made.size;
    Ok(((height, width, made.channels), PyBytes::new(py, &made.data)))
}

/// `count` 32-bit floats: the normal numbers that an erasure with a seed is filled with.
#[pyfunction]
pub(crate) fn normals(py: Python<'_>, seed: u64, count: usize) -> Bound<'_, PyBytes> {
    let mut normals = Normals::new(seed);
    let bytes: Vec<u8> = (0..count).flat_map(|_| normals.draw().to_ne_bytes()).collect();
    PyBytes::new(py, &bytes)
}

/// A drawn call: the function of `torchvision.transforms.functional` that it is, and its parameters.
pub(crate) fn drawn<'py>(py: Python<'py>, call: &Call) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let entry = to_python(py, call)?.cast_into::<PyDict>()?;
    Ok(entry.iter().next().expect("a call is a map of one entry"))
}
