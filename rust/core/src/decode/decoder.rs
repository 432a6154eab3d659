//! Who decodes a file: limits first, then the native decoder, then the fallback.

use std::{fmt, sync::Arc};

use super::{
    DecodeRequest, DecodeScratch, Fallback, FallbackLimits, Format, Limits, Mode, NativeHeader, Offer, Sink,
    format::{Found, Unclean},
    limits::pixels,
    luma::luma_row,
    sniff,
};
use crate::{
    Error, Result,
    image::{Rect, Size, Window},
    interrupt,
};

/// The header of an image, known before its pixels are decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The size of the whole image.
    pub size: Size,
    /// The header as its native decoder needs it.
    native: Option<NativeHeader>,
}

impl Header {
    /// The format, if the image is decoded natively. `None` also for a JPEG or PNG whose header is not clean.
    #[must_use]
    pub fn format(&self) -> Option<Format> {
        self.native.as_ref().map(NativeHeader::format)
    }
}

/// Decodes images. Cheap to clone and shared by threads; each thread brings its own [`DecodeScratch`].
#[derive(Clone, Default)]
pub struct Decoder {
    /// Budgets, checked in [`Decoder::header`].
    pub limits: Limits,
    /// The fallback's own limits. Natively decoded images are under them, too.
    pub fallback_limits: FallbackLimits,
    /// Decodes the files that no native decoder takes. Without it such files are errors.
    pub fallback: Option<Arc<dyn Fallback>>,
    /// Whether images may be decoded at a fraction of their size where a resize follows that shrinks them so much. The
    /// pixels are then others.
    pub fast: bool,
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
        let found = match sniff(bytes) {
            Some(format) => format.header(bytes, &self.limits, &self.fallback_limits),
            None => Err(unknown(bytes).into()),
        };
        let reason = match found {
            Ok(found) => {
                self.check(found.size, bytes)?;
                match self.look(&found, bytes)? {
                    None => {
                        self.limits.check_decoded(found.size, found.beside)?;
                        return Ok(Header { size: found.size, native: Some(found.header) });
                    }
                    Some(reason) => reason,
                }
            }
            Err(Unclean { reason, size }) => {
                if let Some(size) = size {
                    self.check(size, bytes)?;
                }
                reason
            }
        };
        let fallback = self.fallback.as_ref().ok_or(Error::Format(reason))?;
        let size = fallback.size(bytes)?;
        self.limits.check(size)?;
        self.limits.check_decoded(size, fallback_bytes(size))?;
        Ok(Header { size, native: None })
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
    fn look(&self, found: &Found<NativeHeader>, bytes: &[u8]) -> Result<Option<String>> {
        let size = found.size;
        if found.least_bytes > bytes.len() as u64 {
            // Memory is not taken natively for what is not there.
            return Ok(Some(format!("truncated: {} bytes cannot hold {size:?}", bytes.len())));
        }
        if found.remark.is_none() && pixels(size) <= self.fallback_limits.pixels {
            return Ok(None);
        }
        match &self.fallback {
            Some(fallback) if fallback.size(bytes)? == size => Ok(None),
            None if found.remark.is_none() => Ok(None),
            _ => Ok(Some(found.remark.unwrap_or("the fallback finds another size").to_owned())),
        }
    }

    /// How the image with this header can be decoded. Fractions of its size are offered by [`fast`](Self::fast) decoders
    /// only.
    #[must_use]
    pub fn offer(&self, header: &Header) -> Offer {
        let offer = header.native.as_ref().map_or(Offer::FALLBACK, NativeHeader::offer);
        Offer { denominators: if self.fast { offer.denominators } else { &[] }, ..offer }
    }

    /// Whether decoding can be put off: whether whatever may be wrong with the file makes other pixels, and no error.
    #[must_use]
    pub fn can_wait(&self, bytes: &[u8], header: &Header) -> bool {
        header.native.as_ref().is_some_and(|native| native.can_wait(bytes))
    }

    /// Decodes the image in `bytes`, whose header is `header`, as `request` says.
    ///
    /// Afterwards a [`Sink::Window`] has the size of the whole image at the request's fraction, and the channels of its
    /// mode. Its rectangle contains the region. It is larger where the offer has no regions, or where the fallback decodes.
    /// The pixels do not depend on the region.
    ///
    /// The fallback decodes a damaged file, unless the request is for a fraction of the size, for strips, or for the numbers
    /// of a palette: only native decoders make these. Request RGB at full size in a window to get its verdict on the file.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the region is empty or not inside the image, or the request is beyond the offer;
    /// [`Error::Format`] where the image is damaged and the fallback is not asked; [`Error::Limit`] where it exceeds a
    /// limit that its header does not tell; [`Error::Memory`] where there is not enough; whatever the fallback says;
    /// [`Error::Interrupted`], see [`interrupt`]. The window is then unspecified.
    pub fn decode(
        &self,
        bytes: &[u8],
        header: &Header,
        request: &DecodeRequest<'_>,
        scratch: &mut DecodeScratch,
        sink: Sink<'_>,
    ) -> Result<()> {
        self.check_request(header, request, &sink)?;
        if interrupt::stopped() {
            return Err(Error::Interrupted);
        }
        let mut native = |sink: Sink<'_>| match &header.native {
            Some(native) => native.decode(bytes, request, scratch, sink),
            None => Err(Error::Format(unknown(bytes))),
        };
        match sink {
            Sink::Window(out) => match native(Sink::Window(&mut *out)) {
                Err(Error::Format(reason)) if request.denominator == 1 && request.mode != Mode::Index => {
                    self.fall_back(bytes, header.size, request.mode, reason, out)
                }
                // Done, or refused: the fallback is not asked about a file that is beyond a limit.
                other => other,
            },
            strips @ Sink::Strips(_) => native(strips),
        }
    }

    /// Refuses a request that the image cannot meet.
    fn check_request(&self, header: &Header, request: &DecodeRequest<'_>, sink: &Sink<'_>) -> Result<()> {
        let DecodeRequest { region, denominator, mode, .. } = *request;
        let offer = self.offer(header);
        let scales = denominator == 1 || offer.denominators.contains(&denominator);
        if !scales || !offer.modes.contains(&mode) || (matches!(sink, Sink::Strips(_)) && !offer.strips) {
            let asked = format!("1/{denominator}, {mode:?}, {sink:?}");
            return Err(Error::Parameter(format!("the decoder was asked for {asked} and offers {offer:?}")));
        }
        let size = Size::new(header.size.height.div_ceil(denominator), header.size.width.div_ceil(denominator));
        let fits =
            |start, length, whole: usize| length > 0 && whole.checked_sub(length).is_some_and(|last| start <= last);
        if !fits(region.top, region.height, size.height) || !fits(region.left, region.width, size.width) {
            return Err(Error::Parameter(format!(
                "region of {} x {} pixels (width x height) at column {}, row {} is empty or not inside an image of {} x {}",
                region.width, region.height, region.left, region.top, size.width, size.height
            )));
        }
        Ok(())
    }

    /// Has the fallback decode all of an image that is not decoded natively for this `reason`.
    fn fall_back(&self, bytes: &[u8], size: Size, mode: Mode, reason: String, out: &mut Window) -> Result<()> {
        if interrupt::stopped() {
            return Err(Error::Interrupted);
        }
        let fallback = self.fallback.as_ref().ok_or(Error::Format(reason))?;
        self.limits.check_decoded(size, fallback_bytes(size))?;
        if let Some(format) = sniff(bytes) {
            format.check_for_fallback(bytes, &self.limits)?;
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
        if mode == Mode::Gray {
            let mut gray = Window::default();
            gray.try_reset(size, out.rect, 1)?;
            luma_row(&out.data, &mut gray.data);
            *out = gray;
        }
        Ok(())
    }
}

/// Bytes of the image that a fallback has beside the pixels that it returns: Pillow keeps four for each, whatever the mode.
fn fallback_bytes(size: Size) -> u64 {
    pixels(size).saturating_mul(4)
}

/// The message for a file of no native format.
fn unknown(bytes: &[u8]) -> String {
    match bytes {
        [] => "the file is empty".to_owned(),
        _ => {
            let start = &bytes[..bytes.len().min(8)];
            let names: Vec<_> = Format::ALL.iter().map(|format| format!("a {}", format.name())).collect();
            let names = names.join(" nor ");
            format!("neither {names}, and no fallback decoder is set: the file starts with {start:02x?}")
        }
    }
}
