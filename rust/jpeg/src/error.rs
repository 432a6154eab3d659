//! What can be wrong, by who is to blame.

use std::fmt;

/// Why a file was not decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The file is broken: libjpeg gives up on it, too.
    Format(String),
    /// The file ends too early.
    Truncated {
        /// How many bytes it has.
        bytes: usize,
    },
    /// The file may be fine, but this decoder does not do what it needs. Another decoder may.
    Unsupported(String),
    /// A budget of [`Limits`](crate::Limits) would be exceeded.
    Limit {
        /// Which budget.
        budget: Budget,
        /// How much the file needs.
        needed: u64,
        /// How much is allowed.
        allowed: u64,
    },
    /// So many bytes of memory could not be had, or about so many.
    Memory {
        /// How many.
        bytes: usize,
    },
    /// The caller asked for something impossible.
    Parameter(String),
    /// [`Options::interrupt`](crate::Options::interrupt) said so.
    Interrupted,
}

/// A budget of [`Limits`](crate::Limits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Budget {
    /// [`Limits::max_pixels`](crate::Limits::max_pixels).
    Pixels,
    /// [`Limits::max_memory`](crate::Limits::max_memory).
    Memory,
    /// [`Limits::max_scans`](crate::Limits::max_scans).
    Scans,
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pixels => "pixels",
            Self::Memory => "bytes of memory",
            Self::Scans => "scans",
        })
    }
}

/// A result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Format(reason) => write!(f, "broken JPEG: {reason}"),
            Self::Truncated { bytes } => write!(f, "truncated JPEG: its {bytes} bytes end before the image does"),
            Self::Unsupported(what) => write!(f, "JPEG that is not decoded natively: {what}"),
            Self::Limit { budget, needed, allowed } => {
                write!(f, "JPEG needs {needed} {budget}, the limit is {allowed}")
            }
            Self::Memory { bytes } => write!(f, "out of memory: {bytes} bytes more could not be had"),
            Self::Parameter(reason) => f.write_str(reason),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Error {}
