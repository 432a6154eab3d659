//! JPEG through `torchfeed-jpeg`, whose pixels are those of libjpeg-turbo: the library that Pillow and torchvision use.
//!
//! Anything that libjpeg would remark upon, warnings included, is an `Err` with the reason, so that the caller asks the
//! fallback: what libjpeg makes of broken data is not reproduced here.

use torchfeed_jpeg::{Decoder, Header, Info, Limits, Options, Output, Region, Scale, read_header};

use super::{convert, jpeg_header};
use crate::image::{Rect, Size, Window};

/// A decoder and the buffer for pixels before or after their conversion from CMYK, both kept from image to image.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    decoder: Decoder,
    cmyk: Vec<u8>,
    rgb: Vec<u8>,
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
    let header = header(bytes, size)?;
    let (whole_height, whole_width) = header.size_at(scale);
    out.reset(Size::new(whole_height, whole_width), region, 3);
    let channels = header.channels();
    let pixels = if channels == 4 { &mut scratch.cmyk } else { &mut out.data };
    pixels.resize(region.height * region.width * channels, 0);
    let output = Output { pixels, stride: region.width * channels };
    verdict(scratch.decoder.decode(bytes, &header, &options(scale, region), output))?;
    if channels == 4 {
        convert::cmyk(&scratch.cmyk, &mut out.data);
    }
    Ok(())
}

/// Decodes `region` at full size in strips of a few rows, from the top down. `receive` is called with the first
/// row of each, counted from the top of the region, and its pixels. What it got is worth nothing after an error.
pub(super) fn decode_strips(
    bytes: &[u8],
    size: Size,
    region: Rect,
    scratch: &mut Scratch,
    mut receive: impl FnMut(usize, &[u8]),
) -> Result<(), String> {
    let header = header(bytes, size)?;
    let Scratch { decoder, rgb, .. } = scratch;
    let inks = header.channels() == 4;
    verdict(decoder.decode_strips(bytes, &header, &options(Scale::Full, region), |first, pixels| {
        if !inks {
            return receive(first, pixels);
        }
        rgb.resize(pixels.len() / 4 * 3, 0);
        convert::cmyk(pixels, rgb);
        receive(first, rgb);
    }))
}

/// The header of a file that has its end, and the size that it announced.
fn header(bytes: &[u8], size: Size) -> Result<Header, String> {
    let scan = jpeg_header::parse(bytes)?.scan;
    if !jpeg_header::is_whole(&bytes[scan..]) {
        return Err(format!("truncated JPEG: its {} bytes have no end-of-image marker", bytes.len()));
    }
    let header = read_header(bytes, &limits()).map_err(|error| error.to_string())?;
    if (header.height, header.width) != (size.height, size.width) {
        return Err(format!("the header announced {size:?}, the JPEG has {} x {}", header.height, header.width));
    }
    Ok(header)
}

/// The caller's limit of pixels was checked with the header, and may be higher than the decoder's own default.
fn limits() -> Limits {
    Limits { max_pixels: u64::MAX, ..Limits::default() }
}

fn options(scale: Scale, Rect { top, left, height, width }: Rect) -> Options {
    Options { region: Some(Region { top, left, height, width }), scale, limits: limits(), ..Options::default() }
}

/// Pixels without a warning, or the reason why not.
fn verdict(decoded: torchfeed_jpeg::Result<Info>) -> Result<(), String> {
    match decoded.map_err(|error| error.to_string())?.warnings {
        0 => Ok(()),
        warnings => Err(format!("broken JPEG: {warnings} places that libjpeg would warn of")),
    }
}
