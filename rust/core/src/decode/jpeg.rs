//! JPEG through `torchfeed-jpeg`, whose pixels are those of libjpeg-turbo: the library that Pillow and torchvision use.
//!
//! Anything that libjpeg would remark upon, warnings included, is an `Err` with the reason, so that the caller asks the
//! fallback: what libjpeg makes of broken data is not reproduced here.

use torchfeed_jpeg::{Decoder, Options, Output, Region, RowIndex};

use super::{
    Slot, convert,
    jpeg_header::{Frame, is_whole, limits},
    row_index::Fingerprint,
};
use crate::image::{Rect, Size, Window};

/// A decoder, and memory for CMYK pixels and for a row index, kept from image to image.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    decoder: Decoder,
    cmyk: Vec<u8>,
    rows: RowIndex,
}

/// Decodes `region` of the JPEG with this header into `out`.
pub(super) fn decode(
    bytes: &[u8],
    frame: &Frame,
    region: Rect,
    rows: Option<Slot<'_>>,
    scratch: &mut Scratch,
    out: &mut Window,
) -> Result<(), String> {
    if !is_whole(bytes.get(frame.scan..).unwrap_or(&[])) {
        return Err(format!("truncated JPEG: its {} bytes have no end-of-image marker", bytes.len()));
    }
    let header = &frame.header;
    out.reset(Size::new(header.height, header.width), region, 3);
    let Rect { top, left, height, width } = region;
    let options = Options { region: Some(Region { top, left, height, width }), limits: limits(), ..Options::default() };
    let channels = header.channels();
    let pixels = if channels == 4 { &mut scratch.cmyk } else { &mut out.data };
    pixels.resize(height * width * channels, 0);
    let output = Output { pixels, stride: width * channels };
    // An index spares what is above and to the right. Where there is nothing there, it is not worth its while.
    let spares = region.top > 0 || region.right() < header.width;
    let rows = rows.filter(|rows| spares && RowIndex::applies_to(bytes, header) && rows.is_of_use());
    let decoder = &mut scratch.decoder;
    let info = match rows {
        None => decoder.decode(bytes, header, &options, output),
        Some(slot) => {
            let (file, rows) = (Fingerprint::of(bytes), &mut scratch.rows);
            slot.load(file, header, rows);
            let known = rows.len();
            let info = decoder.decode_indexed(bytes, header, &options, rows, output);
            // What there is to warn of below the rows that are known is looked for once: see `decode_indexed`.
            if rows.len() > known && info.as_ref().is_ok_and(|info| info.warnings == 0) {
                slot.store(file, rows);
            }
            info
        }
    };
    let info = info.map_err(|error| error.to_string())?;
    if info.warnings > 0 {
        return Err(format!("broken JPEG: {} places that libjpeg would warn of", info.warnings));
    }
    if channels == 4 {
        convert::cmyk(&scratch.cmyk, &mut out.data);
    }
    Ok(())
}
