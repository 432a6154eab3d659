//! The fallback decoder: two Python functions.

use std::{
    cell::Cell,
    fmt,
    sync::atomic::{AtomicUsize, Ordering},
};

use pyo3::{
    exceptions::{PyException, PyMemoryError},
    prelude::*,
    types::PyBytes,
};
use torchfeed_core::{
    Error, Result, allocator,
    decode::Fallback,
    image::{Rect, Size, Window},
};

use crate::signals;

/// Decodes through a Python object with the methods `size(bytes) -> (height, width)` and
/// `decode(bytes) -> (height, width, rgb bytes)`.
pub(crate) struct PythonDecoder {
    object: Py<PyAny>,
    /// The most bytes of pixels that it returned since what it left in memory was given back.
    largest: AtomicUsize,
}

/// From so many bytes of pixels on, what Python and Pillow take for them would stay in the arenas of threads that have ended.
const LARGE: usize = 1 << 20;

/// Whether this thread got a large image, and so has what was taken for it in its arena.
struct Left(Cell<bool>);

impl Drop for Left {
    fn drop(&mut self) {
        if self.0.get() {
            allocator::release();
        }
    }
}

thread_local! {
    static LEFT: Left = const { Left(Cell::new(false)) };
}

impl fmt::Debug for PythonDecoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PythonDecoder")
    }
}

impl PythonDecoder {
    pub(crate) fn new(object: Py<PyAny>) -> Self {
        Self { object, largest: AtomicUsize::new(0) }
    }

    /// Gives back to the system what large images have left.
    pub(crate) fn trim(&self) {
        if self.largest.swap(0, Ordering::Relaxed) >= LARGE {
            allocator::trim();
        }
    }

    fn call<R>(&self, method: &str, bytes: &[u8], take: impl FnOnce(Bound<'_, PyAny>) -> PyResult<R>) -> Result<R> {
        Python::try_attach(|py| {
            let call = || take(self.object.bind(py).call_method1(method, (copy(py, bytes)?,))?);
            signals::calling_back(call).map_err(|error: PyErr| {
                if error.is_instance_of::<PyMemoryError>(py) {
                    Error::Memory(bytes.len())
                } else if error.is_instance_of::<PyException>(py) {
                    Error::Refused { reason: error.value(py).to_string(), source: Box::new(error) }
                } else {
                    // Ctrl-C and the like say nothing about the image.
                    Error::Callback(Box::new(error))
                }
            })
        })
        .unwrap_or_else(|| Err(Error::Format("the interpreter is shutting down".into())))
    }
}

/// A `bytes` of these bytes; where there is no memory for it, Python's own error.
pub(crate) fn copy<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    PyBytes::new_with(py, bytes.len(), |out| {
        out.copy_from_slice(bytes);
        Ok(())
    })
}

/// All `pixels` of an image of `size`, in `out`.
fn window(size: Size, pixels: &[u8], out: &mut Window) -> Result<()> {
    if Some(pixels.len()) != size.height.checked_mul(size.width).and_then(|count| count.checked_mul(3)) {
        return Err(Error::Format(format!("{} bytes for {size:?}", pixels.len())));
    }
    out.try_reset(size, Rect::all(size), 3)?;
    out.data.copy_from_slice(pixels);
    Ok(())
}

impl Fallback for PythonDecoder {
    fn size(&self, bytes: &[u8]) -> Result<Size> {
        let (height, width) = self.call("size", bytes, |result| result.extract())?;
        Ok(Size::new(height, width))
    }

    fn decode(&self, bytes: &[u8], out: &mut Window) -> Result<()> {
        self.call("decode", bytes, |result| {
            let (height, width, pixels): (usize, usize, Bound<'_, PyBytes>) = result.extract()?;
            let bytes = pixels.as_bytes().len();
            self.largest.fetch_max(bytes, Ordering::Relaxed);
            if bytes >= LARGE {
                LEFT.with(|left| left.0.set(true));
            }
            Ok(window(Size::new(height, width), pixels.as_bytes(), out))
        })?
    }
}
