//! Budgets, checked before memory is taken or time is spent.

use crate::{Budget, Error, Result};

/// The budgets of one decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Pixels of the whole image (width x height).
    pub max_pixels: u64,
    /// Bytes of memory for one image, beside the caller's output: coefficients of progressive files above all.
    pub max_memory: u64,
    /// Scans. A progressive file of a few kilobytes may have thousands, each as dear as a whole image.
    pub max_scans: u32,
}

impl Default for Limits {
    /// Pillow's limit of pixels (above it `DecompressionBombError` is raised), 2 GiB, 500 scans (as `djpeg -maxscans`
    /// advises; encoders write about ten).
    fn default() -> Self {
        Self { max_pixels: 178_956_970, max_memory: 2 << 30, max_scans: 500 }
    }
}

impl Limits {
    pub(crate) fn check(budget: Budget, needed: u64, allowed: u64) -> Result<()> {
        match needed > allowed {
            true => Err(Error::Limit { budget, needed, allowed }),
            false => Ok(()),
        }
    }
}
