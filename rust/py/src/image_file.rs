//! An image file by itself, bound.

use std::{
    cell::RefCell,
    sync::{Mutex, PoisonError},
};

use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyByteArray, PyBytes},
};
use torchfeed_core::{
    Error,
    batch::{self, SampleScratch},
    decode::Mode,
    image::Size,
    transform::{Call, Layout, Lookup, ResizeOrder},
};

use crate::{data::from_python, error::Failure, signals};

thread_local! {
    /// What this thread uses again for every image.
    static SCRATCH: RefCell<SampleScratch> = RefCell::default();
}

/// (height, width, channels).
type Shape = (usize, usize, usize);

/// The shape of an image, and its pixels.
pub(crate) type Pixels<'py> = (Shape, Bound<'py, PyBytes>);

/// The mode of Pillow's that is called `name`, if there is a native one.
pub(crate) fn mode(name: &str) -> PyResult<Mode> {
    match name {
        "RGB" => Ok(Mode::Rgb),
        "L" => Ok(Mode::Gray),
        "P" => Ok(Mode::Index),
        other => Err(PyValueError::new_err(format!("mode should be RGB, L or P, got {other}"))),
    }
}

/// The order of the directions of a resize.
pub(crate) const fn order(cheaper_first: bool) -> ResizeOrder {
    if cheaper_first { ResizeOrder::CheaperFirst } else { ResizeOrder::HorizontalFirst }
}

/// A file whose pixels are made when they are asked for, in parts.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct ImageFile {
    bytes: Py<PyBytes>,
    core: Mutex<batch::ImageFile>,
}

#[pymethods]
impl ImageFile {
    /// The file `data`, decoded to `mode` at one over `denominator` of its size.
    ///
    /// # Errors
    /// `DecodeError` for a file that is not plain enough to be decoded natively.
    #[new]
    fn new(data: Bound<'_, PyBytes>, mode: &str, denominator: usize, cheaper_first: bool) -> PyResult<Self> {
        let core = batch::ImageFile::new(data.as_bytes(), self::mode(mode)?, denominator, order(cheaper_first));
        Ok(Self { core: Mutex::new(core.map_err(Failure::from)?), bytes: data.unbind() })
    }

    /// (height, width).
    #[getter]
    fn size(&self) -> (usize, usize) {
        let Size { height, width } = self.core.lock().unwrap_or_else(PoisonError::into_inner).size();
        (height, width)
    }

    /// Whether decoding can be put off: whatever may be wrong with the file makes other pixels, and no error.
    #[getter]
    fn can_wait(&self, py: Python<'_>) -> bool {
        self.core.lock().unwrap_or_else(PoisonError::into_inner).can_wait(self.bytes.bind(py).as_bytes())
    }

    /// The bytes of the file.
    #[getter]
    fn bytes(&self, py: Python<'_>) -> Py<PyBytes> {
        self.bytes.clone_ref(py)
    }

    /// The image that `calls` make of the file's.
    ///
    /// # Errors
    /// `DecodeError` where the file is damaged; `ValueError` where a call is none.
    fn pixels<'py>(&self, py: Python<'py>, calls: Vec<Bound<'py, PyAny>>) -> PyResult<Pixels<'py>> {
        let fill = |length, write: &mut batch::Write<'_>| {
            filled(write, |py, write| PyBytes::new_with(py, length, write).map(Bound::unbind))
        };
        let (shape, pixels) = self.make(py, calls, None, fill)?;
        Ok((shape, pixels.into_bound(py)))
    }

    /// The values that a table gives for the pixels of that image, channel by channel: the table holds 256 values of so
    /// many bytes for each channel.
    ///
    /// # Errors
    /// As [`ImageFile::pixels`]; `ValueError` where the table is for other channels.
    fn values<'py>(
        &self,
        py: Python<'py>,
        calls: Vec<Bound<'py, PyAny>>,
        table: Vec<u8>,
        channels: usize,
    ) -> PyResult<(Shape, Bound<'py, PyByteArray>)> {
        let element = table.len() / channels.max(1) / 256;
        let lookup = Lookup::new(table, channels, element, Layout::ChannelsFirst).map_err(Failure::from)?;
        let fill = |length, write: &mut batch::Write<'_>| {
            filled(write, |py, write| PyByteArray::new_with(py, length, write).map(Bound::unbind))
        };
        let (shape, values) = self.make(py, calls, Some(lookup), fill)?;
        Ok((shape, values.into_bound(py)))
    }
}

impl ImageFile {
    fn make<R: Send>(
        &self,
        py: Python<'_>,
        calls: Vec<Bound<'_, PyAny>>,
        lookup: Option<Lookup>,
        fill: impl FnOnce(usize, &mut batch::Write<'_>) -> Result<R, Error> + Send,
    ) -> PyResult<(Shape, R)> {
        let calls = calls.into_iter().map(from_python::<Call>).collect::<PyResult<Vec<_>>>()?;
        let bytes = self.bytes.bind(py).as_bytes();
        let made = signals::interruptible(py, || {
            let make = |scratch: &mut SampleScratch| {
                let mut core = match self.core.try_lock() {
                    Ok(core) => core,
                    // A signal handler must not wait for the work that it interrupts.
                    Err(_) if signals::called_back() => return Err(Error::Interrupted),
                    Err(_) => self.core.lock().unwrap_or_else(PoisonError::into_inner),
                };
                core.make(bytes, &calls, lookup, scratch, |size, form, write| {
                    let length = size.height * size.width * form.channels * form.element;
                    Ok(((size.height, size.width, form.channels), fill(length, write)?))
                })
            };
            SCRATCH.with(|scratch| match scratch.try_borrow_mut() {
                Ok(mut scratch) => make(&mut scratch),
                Err(_) => make(&mut SampleScratch::default()),
            })
        })?;
        Ok(made.map_err(Failure::from)?)
    }
}

/// What `take` makes of memory of Python's, which `write` fills without the GIL.
fn filled<T>(
    write: &mut batch::Write<'_>,
    take: impl FnOnce(Python<'_>, &mut dyn FnMut(&mut [u8]) -> PyResult<()>) -> PyResult<T>,
) -> Result<T, Error> {
    let mut written = Ok(());
    let taken = Python::attach(|py| {
        take(py, &mut |out| {
            written = py.detach(|| write(out));
            Ok(())
        })
    });
    written?;
    taken.map_err(|error| Error::Callback(Box::new(error)))
}
