//! The one place where the core's errors become Python's exceptions.

use std::path::PathBuf;

use pyo3::{
    PyErr, Python,
    exceptions::{PyMemoryError, PyOSError, PyRuntimeError, PyValueError},
    import_exception,
    prelude::*,
};
use torchfeed_core::{Error, error::Place};

import_exception!(torchfeed.errors, DecodeError);
import_exception!(torchfeed.errors, InternalError);

/// A core error on its way to Python.
pub(crate) struct Failure(Error);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(Error::Io(error))
    }
}

impl From<Failure> for PyErr {
    fn from(Failure(error): Failure) -> Self {
        let (cause, place) = error.split();
        let at = place.as_ref().map(|place| format!(" [{place}]")).unwrap_or_default();
        let message = format!("{cause}{at}");
        let exception = match cause {
            Error::Callback(error) => match error.downcast::<PyErr>() {
                Ok(error) => return *error,
                Err(error) => PyRuntimeError::new_err(error.to_string()),
            },
            Error::Io(error) => os_error(&error, place.as_ref()),
            Error::Format(_) | Error::Limit(_) => DecodeError::new_err(message),
            Error::Refused { source, .. } => refused(message, source),
            Error::Memory(_) => PyMemoryError::new_err(message),
            Error::Parameter(_) => PyValueError::new_err(message),
            Error::Panic(_) => InternalError::new_err(message),
            // What torch raises for unequal shapes, and for a failure inside a worker.
            Error::Shape(_) | Error::Interrupted | Error::Sample { .. } => PyRuntimeError::new_err(message),
        };
        Python::attach(|py| {
            let path = place.as_ref().and_then(|place| place.path.as_deref()).map(|path| path.as_os_str());
            let value = exception.value(py);
            // An exception without these attributes is better than none, so a failure to set them is passed over.
            let _ = value.setattr("index", place.as_ref().map(|place| place.index));
            let _ = value.setattr("path", path);
        });
        exception
    }
}

/// A `DecodeError` for what Pillow raised, which it names as its cause.
fn refused(message: String, source: Box<dyn std::error::Error + Send + Sync>) -> PyErr {
    let Ok(cause) = source.downcast::<PyErr>() else { return DecodeError::new_err(message) };
    Python::attach(|py| {
        let decode = py.import("torchfeed.decode");
        let error = decode.and_then(|decode| decode.call_method1("refusal", (message, cause.value(py))));
        error.map_or_else(|error| error, PyErr::from_value)
    })
}

/// An `OSError` of the subclass that belongs to its number, with the file's name, as `open()` raises.
fn os_error(error: &std::io::Error, place: Option<&Place>) -> PyErr {
    let sample = place.map(|place| format!(" [sample {}]", place.index)).unwrap_or_default();
    let path = place.and_then(|place| place.path.clone()).map(PathBuf::into_os_string);
    match (error.raw_os_error(), path) {
        (Some(number), Some(path)) => PyOSError::new_err((number, format!("{}{sample}", meaning(number, error)), path)),
        (Some(number), None) => PyOSError::new_err((number, format!("{}{sample}", meaning(number, error)))),
        (None, Some(path)) => PyOSError::new_err(format!("{error}{sample}: {}", path.display())),
        (None, None) => PyOSError::new_err(format!("{error}{sample}")),
    }
}

/// Python's text for the system's error `number`. (Rust's text repeats the number, which `OSError` shows by itself.)
fn meaning(number: i32, error: &std::io::Error) -> String {
    let (module, function) = if cfg!(windows) { ("ctypes", "FormatError") } else { ("os", "strerror") };
    Python::attach(|py| {
        let text = py.import(module).and_then(|module| module.call_method1(function, (number,))?.extract());
        text.unwrap_or_else(|_| error.to_string())
    })
}
