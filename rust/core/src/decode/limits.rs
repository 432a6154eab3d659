//! Budgets, checked before memory is taken or time is spent.

use std::time::Duration;

use crate::{Error, Result, image::Size};

/// Pillow's own limit: `Image.open` raises `DecompressionBombError` above twice `MAX_IMAGE_PIXELS`.
pub const DEFAULT_MAX_PIXELS: u64 = 178_956_970;

/// Twelve bytes for each of so many pixels: three of RGB, and eight of the widest samples that a file may have.
const DEFAULT_MAX_BYTES: u64 = 2 << 30;

/// What one sample may cost. All limits but the time are checked before memory is taken, as far as the file's header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most pixels (width x height) of an image.
    pub max_pixels: u64,
    /// The most pixels of an image that a transform makes.
    pub max_transformed_pixels: u64,
    /// The most bytes for decoding an image: three for each pixel, and beside them what the decoder holds of the whole image
    /// at once. A progressive JPEG has its coefficients, an interlaced PNG its samples, and the fallback its own image with
    /// four bytes for each pixel.
    pub max_decoded_bytes: u64,
    /// The most bytes of a file.
    pub max_file_bytes: u64,
    /// The most scans of a JPEG. A progressive file of a few kilobytes may have thousands, and each takes as long as a whole
    /// image.
    pub max_scans: u32,
    /// A sample that takes longer is reported, and made all the same. `None` reports no sample.
    pub soft_time: Option<Duration>,
}

/// The fallback's own limits, which its user may have set. The fallback decides about a file that exceeds them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FallbackLimits {
    /// The most pixels (width x height) of an image that it opens without a warning.
    pub pixels: u64,
    /// Bytes of a text or colour profile of a PNG, decompressed.
    pub text_chunk: u64,
    /// Bytes of all texts of a PNG.
    pub text_memory: u64,
}

impl Default for FallbackLimits {
    /// Pillow's limits of texts. Pixels are limited by [`Limits`] alone.
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
    /// Limits for images of at most `max_pixels`, with as many bytes as these may need. Transforms may make larger images, up
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

    /// The part of `max_decoded_bytes` that the pixels of an image leave to its decoder.
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
