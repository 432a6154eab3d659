//! JPEG through `torchfeed-jpeg`, whose pixels are those of libjpeg-turbo: the library that Pillow and torchvision use.
//!
//! Anything that libjpeg would remark upon, warnings included, is an `Err` with the reason, so that the caller asks the
//! fallback: what libjpeg makes of broken data is not reproduced here.

use torchfeed_jpeg::{Decoder, Limits, Options, Output, Region, Scale, read_header};

use super::{convert, jpeg_header};
use crate::image::{Rect, Size, Window};

/// A decoder and the buffer for CMYK pixels, both kept from image to image.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    decoder: Decoder,
    cmyk: Vec<u8>,
}

/// Decodes a JPEG of `size` at `scale`: `region`, which is counted in pixels of that scale, into `out`.
pub(super) fn decode(
    bytes: &[u8],
    size: Size,
    scale: Scale,
    region: Rect,
    scratch: &mut Scratch,
    out: &mut Window,
) -> Result<(), String> {
    let scan = jpeg_header::parse(bytes)?.scan;
    if !jpeg_header::is_whole(&bytes[scan..]) {
        return Err(format!("truncated JPEG: its {} bytes have no end-of-image marker", bytes.len()));
    }
    // The caller's limit of pixels was checked with the header, and may be higher than this crate's own default.
    let limits = Limits { max_pixels: u64::MAX, ..Limits::default() };
    let header = read_header(bytes, &limits).map_err(|error| error.to_string())?;
    if (header.height, header.width) != (size.height, size.width) {
        return Err(format!("the header announced {size:?}, the JPEG has {} x {}", header.height, header.width));
    }
    let (whole_height, whole_width) = header.size_at(scale);
    out.reset(Size::new(whole_height, whole_width), region, 3);
    let Rect { top, left, height, width } = region;
    let options = Options { region: Some(Region { top, left, height, width }), scale, limits, ..Options::default() };
    let channels = header.channels();
    let pixels = if channels == 4 { &mut scratch.cmyk } else { &mut out.data };
    pixels.resize(height * width * channels, 0);
    let output = Output { pixels, stride: width * channels };
    let info = scratch.decoder.decode(bytes, &header, &options, output).map_err(|error| error.to_string())?;
    if info.warnings > 0 {
        return Err(format!("broken JPEG: {} places that libjpeg would warn of", info.warnings));
    }
    if channels == 4 {
        convert::cmyk(&scratch.cmyk, &mut out.data);
    }
    Ok(())
}
