//! JPEG through `torchfeed-jpeg`, whose pixels are those of libjpeg-turbo: the library that Pillow and torchvision use.
//!
//! Anything that libjpeg would remark upon, warnings included, is an `Err` with the reason, so that the caller asks the
//! fallback: what libjpeg makes of broken data is not reproduced here.

use torchfeed_jpeg::{Budget, Decoder, Info, Options, Output, Region, RowIndex, Scale};

use super::{
    Slot, convert,
    jpeg_header::{Frame, is_whole},
    row_index::Fingerprint,
};
use crate::{
    Error, InstructionSet, Result,
    image::{Rect, Size, Window, resize},
    interrupt,
};

/// A decoder, and memory for a row index and for pixels before or after their conversion from CMYK, kept from image to
/// image.
#[derive(Debug)]
pub(super) struct Scratch {
    decoder: Decoder,
    cmyk: Vec<u8>,
    rgb: Vec<u8>,
    rows: RowIndex,
}

impl Default for Scratch {
    fn default() -> Self {
        let set = InstructionSet::in_use().unwrap_or_else(|error| panic!("{error}"));
        let decoder = Decoder::with(set.of_jpeg()).expect("a set that is in use is available");
        Self { decoder, cmyk: Vec::new(), rgb: Vec::new(), rows: RowIndex::default() }
    }
}

/// Decodes the JPEG with this header at `scale`: `region`, which is counted in pixels of that scale, into `out`.
pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    scale: Scale,
    region: Rect,
    slot: Option<Slot<'_>>,
    scratch: &mut Scratch,
    out: &mut Window,
) -> Result<()> {
    let header = &frame.header;
    let (whole_height, whole_width) = header.size_at(scale);
    out.try_reset(Size::new(whole_height, whole_width), region, 3)?;
    let Scratch { decoder, cmyk, rows, .. } = scratch;
    let channels = header.channels();
    let pixels = if channels == 4 { &mut *cmyk } else { &mut out.data };
    resize(pixels, region.height * region.width * channels)?;
    let output = Output { pixels, stride: region.width * channels };
    let options = options(frame, scale, region);
    clean(bytes, frame, &options, slot, rows, |index| match index {
        None => decoder.decode(bytes, header, &options, output),
        Some(index) => decoder.decode_indexed(bytes, header, &options, index, output),
    })?;
    if channels == 4 {
        convert::cmyk(cmyk, &mut out.data);
    }
    Ok(())
}

/// Decodes `region` at full size in strips of a few rows, from the top down. `receive` is called with the first
/// row of each, counted from the top of the region, and its pixels. What it got is worth nothing after an error.
pub(super) fn decode_strips(
    bytes: &[u8],
    frame: &Frame,
    region: Rect,
    slot: Option<Slot<'_>>,
    scratch: &mut Scratch,
    mut receive: impl FnMut(usize, &[u8]),
) -> Result<()> {
    let Scratch { decoder, rgb, rows, .. } = scratch;
    let header = &frame.header;
    let inks = header.channels() == 4;
    let options = options(frame, Scale::Full, region);
    clean(bytes, frame, &options, slot, rows, |index| {
        decoder.decode_strips(bytes, header, &options, index, |first, pixels| {
            if !inks {
                return receive(first, pixels);
            }
            rgb.resize(pixels.len() / 4 * 3, 0);
            convert::cmyk(pixels, rgb);
            receive(first, rgb);
        })
    })
}

/// Decodes a file that has its end, with the row index in `slot` where that helps, and lets no warning pass.
fn clean(
    bytes: &[u8],
    frame: &Frame,
    options: &Options,
    slot: Option<Slot<'_>>,
    rows: &mut RowIndex,
    decode: impl FnOnce(Option<&mut RowIndex>) -> torchfeed_jpeg::Result<Info>,
) -> Result<()> {
    if !is_whole(bytes.get(frame.scan..).unwrap_or(&[])) {
        let length = bytes.len();
        return Err(Error::Format(format!("truncated JPEG: its {length} bytes have no end-of-image marker")));
    }
    let header = &frame.header;
    // An index spares what is above and to the right. Where there is nothing there, it is not worth its while.
    let spares = |region: Region| region.top > 0 || region.left + region.width < header.size_at(options.scale).1;
    let spares = options.region.is_some_and(spares) && RowIndex::applies_to(bytes, header);
    let decoded = match slot.filter(|slot| spares && slot.is_of_use()) {
        None => decode(None),
        Some(slot) => {
            let file = Fingerprint::of(bytes);
            slot.load(file, header, rows);
            let known = rows.len();
            let decoded = decode(Some(rows));
            // What there is to warn of below the rows that are known is looked for once: see `decode_indexed`.
            if rows.len() > known && decoded.as_ref().is_ok_and(|info| info.warnings == 0) {
                slot.store(file, rows);
            }
            decoded
        }
    };
    match decoded.map_err(refused)?.warnings {
        0 => Ok(()),
        warnings => Err(Error::Format(format!("broken JPEG: {warnings} places that libjpeg would warn of"))),
    }
}

/// Whether the file is to blame, a limit, this machine, or nobody.
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

fn options(frame: &Frame, scale: Scale, Rect { top, left, height, width }: Rect) -> Options {
    let region = Some(Region { top, left, height, width });
    Options { region, scale, limits: frame.limits, interrupt: Some(interrupt::requested), ..Options::default() }
}
