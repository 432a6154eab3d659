//! Who decodes what: limits first, then the native decoder, then the fallback.

use std::{fmt, sync::Arc};

use torchfeed_jpeg::Scale;

use super::{
    Fallback, FallbackLimits, Format, Limits, Slot, jpeg, jpeg_header, limits::pixels, png, png_header, png_text, sniff,
};
use crate::{
    Error, Result,
    image::{Rect, Size, Window},
    interrupt,
};

/// What is known of an image before its pixels are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Who decodes it; [`Format::Other`] also for a JPEG or PNG whose header is not clean.
    pub format: Format,
    /// The size of the whole image.
    pub size: Size,
    /// All of it, where it is a JPEG: it need not be read again.
    jpeg: Option<jpeg_header::Frame>,
}

/// Memory that one thread reuses from image to image. It holds no state that a result depends on.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) jpeg: jpeg::Scratch,
    pub(super) png: png::Scratch,
}

/// Decodes images to RGB. Cheap to clone and shared by threads; each thread brings its own [`Scratch`].
#[derive(Clone, Default)]
pub struct Decoder {
    /// Budgets, checked in [`Decoder::header`].
    pub limits: Limits,
    /// Those of the fallback, which natively decoded images are under, too.
    pub fallback_limits: FallbackLimits,
    /// Decodes what the native decoders do not. Without it such files are errors.
    pub fallback: Option<Arc<dyn Fallback>>,
    /// Whether JPEGs may be decoded at a fraction of their size where a resize follows that shrinks them so much. The
    /// pixels are then others.
    pub fast: bool,
}

/// What of an image is to be decoded, and how large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reduced {
    /// 2, 4 or 8: the image is decoded at one over this of its size.
    pub denominator: usize,
    /// The pixels that are needed of the image of that size.
    pub region: Rect,
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("limits", &self.limits)
            .field("fallback_limits", &self.fallback_limits)
            .field("fallback", &self.fallback.as_ref().map(|_| "dyn Fallback"))
            .field("fast", &self.fast)
            .finish()
    }
}

impl Decoder {
    /// Finds the format and the size of the image in `bytes`. Decodes no pixel.
    ///
    /// # Errors
    /// [`Error::Limit`] where the image exceeds the limits; [`Error::Format`] where `bytes` are not an image, or not one
    /// that can be decoded without a fallback; whatever the fallback says where it was asked.
    pub fn header(&self, bytes: &[u8]) -> Result<Header> {
        let format = sniff(bytes);
        let native = match format {
            Format::Jpeg => jpeg_header::parse(bytes, &self.limits).map(Native::of_jpeg),
            Format::Png => png_header::parse(bytes, &self.fallback_limits).map(Native::of_png),
            Format::Other => Err(unknown(bytes)),
        };
        let reason = match native {
            Ok(native) => {
                self.check(native.size, bytes)?;
                match self.look(&native, bytes)? {
                    None => {
                        self.limits.check_decoded(native.size, native.beside)?;
                        return Ok(Header { format, size: native.size, jpeg: native.jpeg });
                    }
                    Some(reason) => reason,
                }
            }
            Err(reason) => {
                if let (Format::Png, Some(size)) = (format, png_header::size(bytes)) {
                    self.check(size, bytes)?;
                }
                reason
            }
        };
        let fallback = self.fallback.as_ref().ok_or(Error::Format(reason))?;
        let size = fallback.size(bytes)?;
        self.limits.check(size)?;
        self.limits.check_decoded(size, fallback_bytes(size))?;
        Ok(Header { format: Format::Other, size, jpeg: None })
    }

    /// Refuses an image of too many pixels. If the fallback refuses it for that, too, its error is kept.
    fn check(&self, size: Size, bytes: &[u8]) -> Result<()> {
        let Err(error) = self.limits.check(size) else { return Ok(()) };
        let fallback = self.fallback.as_ref().filter(|_| pixels(size) > self.fallback_limits.pixels);
        Err(match fallback.map(|fallback| fallback.size(bytes)) {
            Some(Err(Error::Refused { source, .. })) => Error::Refused { reason: error.to_string(), source },
            _ => error,
        })
    }

    /// Shows an image to the fallback where there is cause to. Returns why it is not to be decoded natively, if so.
    fn look(&self, native: &Native, bytes: &[u8]) -> Result<Option<String>> {
        let size = native.size;
        if native.least_bytes > bytes.len() as u64 {
            // Memory is not taken natively for what is not there.
            return Ok(Some(format!("truncated: {} bytes cannot hold {size:?}", bytes.len())));
        }
        if native.remark.is_none() && pixels(size) <= self.fallback_limits.pixels {
            return Ok(None);
        }
        match &self.fallback {
            Some(fallback) if fallback.size(bytes)? == size => Ok(None),
            None if native.remark.is_none() => Ok(None),
            _ => Ok(Some(native.remark.unwrap_or("the fallback finds another size").to_owned())),
        }
    }

    /// Decodes a JPEG at a fraction of its size, as libjpeg does when it is told to scale: `out.size` is then the size of
    /// the whole image, divided and rounded up. Returns whether that was done.
    ///
    /// It is not done where the decoder is not [`fast`](Self::fast), for other formats, for a region that is not in the
    /// image, and for files that anything is wrong with: [`Decoder::decode`] then says what. `out` is unspecified.
    #[must_use]
    pub fn decode_reduced(
        &self,
        bytes: &[u8],
        header: &Header,
        reduced: Reduced,
        rows: Option<Slot<'_>>,
        scratch: &mut Scratch,
        out: &mut Window,
    ) -> bool {
        let scale = match reduced.denominator {
            2 => Scale::Half,
            4 => Scale::Quarter,
            8 => Scale::Eighth,
            _ => return false,
        };
        let Some(frame) = header.jpeg.as_ref().filter(|_| self.fast) else { return false };
        let (height, width) = frame.header.size_at(scale);
        if !Rect::all(Size::new(height, width)).contains(&reduced.region) {
            return false;
        }
        jpeg::decode(bytes, frame, scale, reduced.region, rows, &mut scratch.jpeg, out).is_ok()
    }

    /// Decodes `region` of a JPEG in strips of a few rows, from the top down, while they are in the cache: `receive` gets
    /// the first row of each, counted from the top of the region, and its pixels without gaps. Returns whether that was
    /// done; if not, as with [`Decoder::decode_reduced`], what came before is worth nothing.
    #[must_use]
    pub fn decode_strips(
        &self,
        bytes: &[u8],
        header: &Header,
        region: Rect,
        rows: Option<Slot<'_>>,
        scratch: &mut Scratch,
        receive: impl FnMut(usize, &[u8]),
    ) -> bool {
        let Some(frame) = &header.jpeg else { return false };
        jpeg::decode_strips(bytes, frame, region, rows, &mut scratch.jpeg, receive).is_ok()
    }

    /// Whether this image may be decoded at a fraction of its size.
    #[must_use]
    pub fn reduces(&self, header: &Header) -> bool {
        self.fast && header.format == Format::Jpeg
    }

    /// Decodes at least `region` of the image in `bytes`, whose header is `header`, into `out`.
    ///
    /// On success `out.size` is the size of the whole image, `out.channels` is 3 and `out.rect` contains `region`. It may
    /// be larger where that costs less. The pixels do not depend on the region that was asked for.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `region` is empty or not inside the image; [`Error::Format`] where the image is broken
    /// and there is no fallback; [`Error::Limit`] where it exceeds a limit that its header does not tell;
    /// [`Error::Memory`] where there is not enough; whatever the fallback says where it was asked;
    /// [`Error::Interrupted`], see [`interrupt`]. `out` is then unspecified.
    pub fn decode(
        &self,
        bytes: &[u8],
        header: &Header,
        region: Rect,
        scratch: &mut Scratch,
        out: &mut Window,
    ) -> Result<()> {
        self.decode_indexed(bytes, header, region, None, scratch, out)
    }

    /// [`Decoder::decode`] with the image's slot for a row index, which is used and extended where that helps. The pixels
    /// and errors are the same.
    ///
    /// # Errors
    /// As [`Decoder::decode`].
    pub fn decode_indexed(
        &self,
        bytes: &[u8],
        header: &Header,
        region: Rect,
        rows: Option<Slot<'_>>,
        scratch: &mut Scratch,
        out: &mut Window,
    ) -> Result<()> {
        let size = header.size;
        let fits =
            |start, length, whole: usize| length > 0 && whole.checked_sub(length).is_some_and(|last| start <= last);
        if !fits(region.top, region.height, size.height) || !fits(region.left, region.width, size.width) {
            return Err(Error::Parameter(format!(
                "region of {} x {} pixels (width x height) at column {}, row {} is empty or not inside an image of {} x {}",
                region.width, region.height, region.left, region.top, size.width, size.height
            )));
        }
        if interrupt::stopped() {
            return Err(Error::Interrupted);
        }
        let native = match (header.format, &header.jpeg) {
            (Format::Jpeg, Some(frame)) => {
                jpeg::decode(bytes, frame, Scale::Full, region, rows, &mut scratch.jpeg, out)
            }
            (Format::Png, _) => png::decode(bytes, size, region, &mut scratch.png, out),
            _ => Err(Error::Format(unknown(bytes))),
        };
        let reason = match native {
            Err(Error::Format(reason)) => reason,
            // Done, or refused: what is too much for us is not for the fallback either.
            other => return other,
        };
        if interrupt::stopped() {
            return Err(Error::Interrupted);
        }
        let fallback = self.fallback.as_ref().ok_or(Error::Format(reason))?;
        self.limits.check_decoded(size, fallback_bytes(size))?;
        if sniff(bytes) == Format::Jpeg {
            // libjpeg, which the fallback uses, has no such limit.
            self.limits.check_scans(jpeg_header::scans(bytes))?;
        }
        fallback.decode(bytes, out)?;
        if out.size != size
            || out.rect != Rect::all(size)
            || out.channels != 3
            || out.data.len() != out.stride() * size.height
        {
            return Err(Error::Shape(format!(
                "the fallback decoder returned {} x {} pixels (width x height) of {} channels where {} x {} of 3 were due",
                out.rect.width, out.rect.height, out.channels, size.width, size.height
            )));
        }
        Ok(())
    }
}

/// A file that a native decoder takes.
struct Native {
    size: Size,
    jpeg: Option<jpeg_header::Frame>,
    /// Bytes that its decoder has beside the pixels. That of a JPEG knows better, and holds them against the same limit.
    beside: u64,
    /// What the fallback is to be asked about.
    remark: Option<&'static str>,
    /// A file of fewer bytes cannot have all its pixels.
    least_bytes: u64,
}

impl Native {
    fn of_jpeg((frame, remark): (jpeg_header::Frame, Option<&'static str>)) -> Self {
        let size = Size::new(frame.header.height, frame.header.width);
        // A block of 64 pixels takes a bit or more.
        Self { size, jpeg: Some(frame), beside: 0, remark, least_bytes: pixels(size) / 512 }
    }

    fn of_png(png: png_header::Png) -> Self {
        let beside = if png.interlaced { png.samples } else { 0 };
        Self { size: png.size, jpeg: None, beside, remark: None, least_bytes: png.samples / png_text::MOST_INFLATED }
    }
}

/// Bytes of the image that a fallback has beside the pixels that it returns: Pillow keeps four for each, whatever the mode.
fn fallback_bytes(size: Size) -> u64 {
    (size.height as u64).saturating_mul(size.width as u64).saturating_mul(4)
}

/// The message for a file of no native format.
fn unknown(bytes: &[u8]) -> String {
    match bytes {
        [] => "the file is empty".to_owned(),
        _ => {
            let start = &bytes[..bytes.len().min(8)];
            format!("neither a JPEG nor a PNG, and no fallback decoder is set: the file starts with {start:02x?}")
        }
    }
}
