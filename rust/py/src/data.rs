//! Data from Rust to Python and back, by serde: maps are dicts, sequences are lists, an enum's variant is a dict of one
//! entry, a variant that holds nothing is its name.
//!
//! It does what the crate pythonize does, as far as ops and calls need it.

mod from_python;
mod to_python;

use std::fmt;

use pyo3::{exceptions::PyValueError, prelude::*};

pub(crate) use from_python::from_python;
pub(crate) use to_python::to_python;

/// Why a value cannot be read or written.
#[derive(Debug)]
enum Error {
    /// Python raised something.
    Raised(PyErr),
    /// The data are not what the type needs.
    Data(String),
}

impl From<PyErr> for Error {
    fn from(error: PyErr) -> Self {
        Error::Raised(error)
    }
}

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        match error {
            Error::Raised(error) => error,
            Error::Data(message) => PyValueError::new_err(message),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Raised(error) => error.fmt(f),
            Error::Data(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::Data(message.to_string())
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Error::Data(message.to_string())
    }
}
