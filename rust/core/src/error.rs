//! One error type. Its variants differ in who can put the error right.

use std::{fmt, io, path::PathBuf};

/// The result of everything fallible in this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// An error, by cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk: a file is missing, unreadable or not a regular file.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The file: its bytes are not an image, or a broken one.
    #[error("{0}")]
    Format(String),
    /// The file: the fallback decoder refuses it, with an error of its own.
    #[error("{reason}")]
    Refused {
        /// The message.
        reason: String,
        /// The fallback's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A budget: the input asks for more than a limit allows.
    #[error("{0}")]
    Limit(String),
    /// This machine: so many bytes of memory could not be had.
    #[error("out of memory: {0} bytes more could not be had")]
    Memory(usize),
    /// The caller: images or tensors whose shapes do not fit each other.
    #[error("{0}")]
    Shape(String),
    /// The caller: an argument out of its range.
    #[error("{0}")]
    Parameter(String),
    /// This library: a worker panicked. The message is the panic's own.
    #[error("internal error, please report it: {0}")]
    Panic(String),
    /// Nobody: the caller stopped the work, see [`crate::interrupt`].
    #[error("interrupted")]
    Interrupted,
    /// The caller's own code, which was called back: its error, unchanged.
    #[error("{0}")]
    Callback(Box<dyn std::error::Error + Send + Sync>),
    /// Any of the above, with the sample that it happened to.
    #[error("{source} [{place}]")]
    Sample {
        /// The sample.
        place: Place,
        /// The error itself.
        source: Box<Error>,
    },
}

/// Which sample an error belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The sample's index in its dataset.
    pub index: usize,
    /// The sample's file, where it has one.
    pub path: Option<PathBuf>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sample {}", self.index)?;
        match &self.path {
            Some(path) => write!(f, ", {}", path.display()),
            None => Ok(()),
        }
    }
}

impl Error {
    /// Names the sample that the error belongs to; an error that already names one keeps it.
    #[must_use]
    pub fn at(self, index: usize, path: Option<PathBuf>) -> Self {
        match self {
            Error::Sample { .. } => self,
            other => Error::Sample { place: Place { index, path }, source: Box::new(other) },
        }
    }

    /// Whether this library is to blame.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        match self {
            Error::Panic(_) => true,
            Error::Sample { source, .. } => source.is_panic(),
            _ => false,
        }
    }

    /// Whether the sample is to blame, or something that it came from, so that other samples may do: not this library, and
    /// not the machine's memory.
    #[must_use]
    pub fn is_about_the_sample(&self) -> bool {
        match self {
            Error::Panic(_) | Error::Memory(_) => false,
            Error::Sample { source, .. } => source.is_about_the_sample(),
            _ => true,
        }
    }

    /// The error without its place, and the place where there is one.
    #[must_use]
    pub fn split(self) -> (Self, Option<Place>) {
        match self {
            Error::Sample { place, source } => (*source, Some(place)),
            other => (other, None),
        }
    }
}
