//! JPEG through `torchfeed-jpeg`, whose pixels are those of libjpeg-turbo: the library that Pillow and torchvision use.
//!
//! Where libjpeg would raise an error or warn, the result is an `Err` with the reason, and the caller asks the fallback:
//! libjpeg's pixels for damaged data are not reproduced here.

mod cmyk;
mod markers;
mod tiff;

use torchfeed_jpeg::{Budget, Decoder, Info, Options, Output, Region, RowIndex, Scale};

pub(super) use self::markers::{JpegHeader, count_scans};
use self::{cmyk::rgb_of_cmyk, markers::is_whole};
use super::{
    DecodeRequest, FallbackLimits, Limits, Mode, Offer, RowIndexEntry, Sink,
    format::{Found, NativeFormat, Unclean},
    limits::pixels,
    luma::{luma, luma_row},
    row_index::Fingerprint,
};
use crate::{
    Error, InstructionSet, Result,
    image::{Rect, Size, resize},
    interrupt,
};

/// The row of the table of formats.
#[derive(Debug)]
pub(super) struct Jpeg;

impl NativeFormat for Jpeg {
    const NAME: &'static str = "JPEG";
    type Header = JpegHeader;
    type Scratch = JpegScratch;

    fn matches(bytes: &[u8]) -> bool {
        bytes.starts_with(&[0xFF, 0xD8, 0xFF])
    }

    fn header(bytes: &[u8], limits: &Limits, _: &FallbackLimits) -> std::result::Result<Found<JpegHeader>, Unclean> {
        let (header, remark) = markers::parse(bytes, limits)?;
        let size = Size::new(header.frame.height, header.frame.width);
        // The decoder counts what it holds beside the pixels by itself, against the same limit. A block of 64 pixels takes a
        // bit or more.
        Ok(Found { header, size, beside: 0, least_bytes: pixels(size) / 512, remark })
    }

    fn offer(_: &JpegHeader) -> Offer {
        Offer { denominators: &[2, 4, 8], strips: true, regions: true, modes: &[Mode::Rgb, Mode::Gray] }
    }

    fn decode(
        bytes: &[u8],
        header: &JpegHeader,
        request: &DecodeRequest<'_>,
        scratch: &mut JpegScratch,
        sink: Sink<'_>,
    ) -> Result<()> {
        let JpegScratch { decoder, pixels, converted, rows } = scratch;
        let &DecodeRequest { region, denominator, mode, rows: entry } = request;
        let frame = &header.frame;
        let options = options(header, scale(denominator), region);
        let conversion = Conversion::new(frame.channels(), mode);
        match sink {
            Sink::Window(out) => {
                let (height, width) = frame.size_at(options.scale);
                out.try_reset(Size::new(height, width), region, mode.channels())?;
                let channels = frame.channels();
                let buffer = if conversion.is_some() { &mut *pixels } else { &mut out.data };
                resize(buffer, region.height * region.width * channels)?;
                let output = Output { pixels: buffer, stride: region.width * channels };
                clean(bytes, header, &options, entry, rows, |index| match index {
                    None => decoder.decode(bytes, frame, &options, output),
                    Some(index) => decoder.decode_indexed(bytes, frame, &options, index, output),
                })?;
                if let Some(conversion) = conversion {
                    conversion.apply(pixels, &mut out.data);
                }
                Ok(())
            }
            Sink::Strips(receive) => clean(bytes, header, &options, entry, rows, |index| {
                decoder.decode_strips(bytes, frame, &options, index, |first, pixels| match conversion {
                    None => receive(first, pixels),
                    Some(conversion) => {
                        converted.resize(pixels.len() / frame.channels() * mode.channels(), 0);
                        conversion.apply(pixels, converted);
                        receive(first, converted);
                    }
                })
            }),
        }
    }

    /// libjpeg only warns of damaged data, as long as there is an end. Later scans have headers, which may be broken.
    fn can_wait(bytes: &[u8], header: &JpegHeader) -> bool {
        !header.frame.progressive && is_whole(bytes.get(header.scan..).unwrap_or(&[]))
    }

    /// libjpeg, which the fallback uses, has no limit of scans.
    fn check_for_fallback(bytes: &[u8], limits: &Limits) -> Result<()> {
        limits.check_scans(count_scans(bytes))
    }
}

/// A decoder, and memory for a row index and for pixels before and after their conversion, kept from image to image.
#[derive(Debug)]
pub(super) struct JpegScratch {
    decoder: Decoder,
    pixels: Vec<u8>,
    converted: Vec<u8>,
    rows: RowIndex,
}

impl Default for JpegScratch {
    fn default() -> Self {
        let set = InstructionSet::in_use().unwrap_or_else(|error| panic!("{error}"));
        let decoder = Decoder::with(set.of_jpeg()).expect("a set that is in use is available");
        Self { decoder, pixels: Vec::new(), converted: Vec::new(), rows: RowIndex::default() }
    }
}

/// The conversion of the decoder's pixels, which are RGB or CMYK.
#[derive(Debug, Clone, Copy)]
enum Conversion {
    CmykToRgb,
    CmykToGray,
    RgbToGray,
}

impl Conversion {
    /// From pixels of so many channels to `mode`.
    fn new(channels: usize, mode: Mode) -> Option<Self> {
        match (channels, mode) {
            (4, Mode::Gray) => Some(Self::CmykToGray),
            (4, _) => Some(Self::CmykToRgb),
            (_, Mode::Gray) => Some(Self::RgbToGray),
            _ => None,
        }
    }

    fn apply(self, pixels: &[u8], out: &mut [u8]) {
        match self {
            Self::CmykToRgb => {
                for (out, &pixel) in out.as_chunks_mut::<3>().0.iter_mut().zip(pixels.as_chunks().0) {
                    *out = rgb_of_cmyk(pixel);
                }
            }
            Self::CmykToGray => {
                for (out, &pixel) in out.iter_mut().zip(pixels.as_chunks().0) {
                    *out = luma(rgb_of_cmyk(pixel));
                }
            }
            Self::RgbToGray => luma_row(pixels, out),
        }
    }
}

/// Calls `decode`, with the row index of `entry` where that helps. A file without its end is an error, and so is a warning.
fn clean(
    bytes: &[u8],
    header: &JpegHeader,
    options: &Options,
    entry: Option<RowIndexEntry<'_>>,
    rows: &mut RowIndex,
    decode: impl FnOnce(Option<&mut RowIndex>) -> torchfeed_jpeg::Result<Info>,
) -> Result<()> {
    if !is_whole(bytes.get(header.scan..).unwrap_or(&[])) {
        let length = bytes.len();
        return Err(Error::Format(format!("truncated JPEG: its {length} bytes have no end-of-image marker")));
    }
    let frame = &header.frame;
    // An index spares the data above the region and to the right of it. It is not worth its while without such data.
    let spares = |region: Region| region.top > 0 || region.left + region.width < frame.size_at(options.scale).1;
    let spares = options.region.is_some_and(spares) && RowIndex::applies_to(bytes, frame);
    let decoded = match entry.filter(|entry| spares && entry.is_of_use()) {
        None => decode(None),
        Some(entry) => {
            let file = Fingerprint::of(bytes);
            entry.load(file, frame, rows);
            let known = rows.len();
            let decoded = decode(Some(rows));
            // Warnings below the known rows are looked for once: see `decode_indexed`.
            if rows.len() > known && decoded.as_ref().is_ok_and(|info| info.warnings == 0) {
                entry.store(file, rows);
            }
            decoded
        }
    };
    match decoded.map_err(refused)?.warnings {
        0 => Ok(()),
        warnings => Err(Error::Format(format!("broken JPEG: {warnings} places that libjpeg would warn of"))),
    }
}

/// The error of this crate: whether the file, a limit, this machine or nobody is to blame.
fn refused(error: torchfeed_jpeg::Error) -> Error {
    use torchfeed_jpeg::Error::{Interrupted, Limit, Memory};
    match error {
        Limit { budget: Budget::Scans, .. } => {
            Error::Limit(format!("{error}; raise Limits.max_scans if such files are meant"))
        }
        Limit { .. } => {
            Error::Limit(format!("{error} beside the pixels; raise Limits.max_decoded_bytes if such images are meant"))
        }
        Memory { bytes } => Error::Memory(bytes),
        Interrupted => Error::Interrupted,
        _ => Error::Format(error.to_string()),
    }
}

fn options(header: &JpegHeader, scale: Scale, Rect { top, left, height, width }: Rect) -> Options {
    let region = Some(Region { top, left, height, width });
    Options { region, scale, limits: header.limits, interrupt: Some(interrupt::requested), ..Options::default() }
}

/// The decoder's name for a denominator that is offered.
fn scale(denominator: usize) -> Scale {
    match denominator {
        2 => Scale::Half,
        4 => Scale::Quarter,
        8 => Scale::Eighth,
        _ => Scale::Full,
    }
}
