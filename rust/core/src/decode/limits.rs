//! Budgets, checked before memory is taken or time is spent.

use std::time::Duration;

use crate::{Error, Result, image::Size};

/// Pillow's own limit: `Image.open` raises `DecompressionBombError` above twice `MAX_IMAGE_PIXELS`.
pub const DEFAULT_MAX_PIXELS: u64 = 178_956_970;

/// Twelve bytes for each of so many pixels: three of RGB, and eight of the widest samples that a file may have.
const DEFAULT_MAX_BYTES: u64 = 2 << 30;

/// What one sample may cost. All but the time is held against what a file says of itself, before anything is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// An image of more pixels (width x height) is refused.
    pub max_pixels: u64,
    /// An image is refused of which a transform makes one of more pixels than this.
    pub max_transformed_pixels: u64,
    /// An image is refused whose pixels need more bytes than this: three for each pixel, and beside them what its decoder
    /// has of all the image at once. That is the coefficients of a progressive JPEG, the samples of an interlaced PNG, or
    /// the image of the fallback, four for each pixel.
    pub max_decoded_bytes: u64,
    /// A file of more bytes is refused.
    pub max_file_bytes: u64,
    /// A JPEG of more scans is refused: a progressive file of a few kilobytes may have thousands, each as dear as a whole
    /// image.
    pub max_scans: u32,
    /// A sample that takes longer is made all the same, and reported. `None` reports none.
    pub soft_time: Option<Duration>,
}

/// Limits of the fallback's own, which its user may have set. What exceeds them is shown to it, and its verdict counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallbackLimits {
    /// Pixels (width x height) of an image that it opens without a remark.
    pub pixels: u64,
    /// Bytes of a text or colour profile of a PNG, decompressed.
    pub text_chunk: u64,
    /// Bytes of all texts of a PNG.
    pub text_memory: u64,
}

impl Default for FallbackLimits {
    /// Those of Pillow, but for the pixels, of which there are as many as [`Limits`] allow.
    fn default() -> Self {
        Self { pixels: u64::MAX, text_chunk: 1 << 20, text_memory: 64 << 20 }
    }
}

impl Default for Limits {
    /// Pillow's limit of pixels, 2 GiB of a file and of what it decodes to, 500 scans (as `djpeg -maxscans` advises;
    /// encoders write about ten), 30 seconds.
    fn default() -> Self {
        Self::pixels(DEFAULT_MAX_PIXELS)
    }
}

impl Limits {
    /// Files of at most `max_pixels`, and as many bytes as these may need. Transforms may make larger images of them, of up
    /// to Pillow's own limit.
    #[must_use]
    pub fn pixels(max_pixels: u64) -> Self {
        let bytes = max_pixels.saturating_mul(12).max(DEFAULT_MAX_BYTES);
        Self {
            max_pixels,
            max_transformed_pixels: max_pixels.max(DEFAULT_MAX_PIXELS),
            max_decoded_bytes: bytes,
            max_file_bytes: bytes,
            max_scans: 500,
            soft_time: Some(Duration::from_secs(30)),
        }
    }

    /// Refuses a `size` that a transform makes of an image and that has more pixels than `max_transformed_pixels`.
    ///
    /// # Errors
    /// [`Error::Limit`] with the size and the limit.
    pub fn check_transformed(&self, size: Size) -> Result<()> {
        if size.height as u128 * size.width as u128 > self.max_transformed_pixels.into() {
            return Err(Error::Limit(format!(
                "a transform makes {} x {} pixels (width x height) of the image, more than the limit of {}; raise \
                 Limits.max_transformed_pixels if that is meant",
                size.width, size.height, self.max_transformed_pixels
            )));
        }
        Ok(())
    }

    /// Refuses an image with more pixels than `max_pixels`.
    ///
    /// # Errors
    /// [`Error::Limit`] with the size and the limit.
    pub fn check(&self, size: Size) -> Result<()> {
        if pixels(size) > self.max_pixels {
            return Err(Error::Limit(format!(
                "image of {} x {} pixels (width x height) exceeds the limit of {} pixels; raise Limits.max_pixels if such \
                 images are meant",
                size.width, size.height, self.max_pixels
            )));
        }
        Ok(())
    }

    /// Refuses an image of `size` whose decoder needs more than `max_decoded_bytes` for the pixels and `beside` them.
    ///
    /// # Errors
    /// [`Error::Limit`] with the bytes and the limit.
    pub(super) fn check_decoded(&self, size: Size, beside: u64) -> Result<()> {
        let bytes = pixels(size).saturating_mul(3).saturating_add(beside);
        if bytes > self.max_decoded_bytes {
            return Err(Error::Limit(format!(
                "image of {} x {} pixels (width x height) takes {bytes} bytes to decode, more than the limit of {}; raise \
                 Limits.max_decoded_bytes if such images are meant",
                size.width, size.height, self.max_decoded_bytes
            )));
        }
        Ok(())
    }

    /// Refuses a JPEG of more scans than `max_scans`.
    ///
    /// # Errors
    /// [`Error::Limit`] with the limit.
    pub(super) fn check_scans(&self, scans: u64) -> Result<()> {
        if scans > self.max_scans.into() {
            return Err(Error::Limit(format!(
                "JPEG of more scans than the limit of {}; raise Limits.max_scans if such files are meant",
                self.max_scans
            )));
        }
        Ok(())
    }

    /// What is left of `max_decoded_bytes` beside the pixels of an image.
    pub(super) fn bytes_beside(&self, size: Size) -> u64 {
        self.max_decoded_bytes.saturating_sub(pixels(size).saturating_mul(3))
    }
}

pub(super) fn pixels(size: Size) -> u64 {
    (size.height as u64).saturating_mul(size.width as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_as_many_bytes_as_their_pixels_need() {
        let limits = Limits::default();
        let size = Size::new(1, limits.max_pixels as usize);
        limits.check(size).unwrap();
        limits.check_decoded(size, 8 * limits.max_pixels).unwrap();
        assert!(limits.check(Size::new(1, size.width + 1)).is_err());
        let larger = Limits::pixels(2 * limits.max_pixels);
        larger.check_decoded(Size::new(2, size.width), 16 * limits.max_pixels).unwrap();
        // What does not fit the numbers is over any limit.
        assert!(limits.check(Size::new(usize::MAX, usize::MAX)).is_err());
        assert!(limits.check_decoded(size, u64::MAX).is_err());
    }

    #[test]
    fn each_is_allowed_and_one_more_is_not() {
        let limits = Limits { max_decoded_bytes: 100, max_scans: 3, ..Limits::pixels(20) };
        let size = Size::new(4, 5);
        limits.check_decoded(size, 40).unwrap();
        let error = limits.check_decoded(size, 41).unwrap_err().to_string();
        assert!(
            error.contains("101 bytes") && error.contains("limit of 100; raise Limits.max_decoded_bytes"),
            "{error}"
        );
        limits.check_scans(3).unwrap();
        let error = limits.check_scans(4).unwrap_err().to_string();
        assert!(error.contains("limit of 3; raise Limits.max_scans"), "{error}");
        assert_eq!((limits.bytes_beside(size), limits.bytes_beside(Size::new(9, 9))), (40, 0));
    }
}
