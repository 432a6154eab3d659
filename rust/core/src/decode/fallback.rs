//! The decoder for everything that is not decoded natively.

use crate::{
    Result,
    image::{Size, Window},
};

/// A decoder for everything that is not decoded natively.
pub trait Fallback: Send + Sync {
    /// The size of the image in `bytes`, from its header.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] where `bytes` are not an image.
    fn size(&self, bytes: &[u8]) -> Result<Size>;

    /// Decodes all of `bytes` to RGB into `out`.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] where the image is broken.
    fn decode(&self, bytes: &[u8], out: &mut Window) -> Result<()>;
}
