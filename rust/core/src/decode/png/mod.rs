//! PNG through the `png` crate: every sample as it is in the file; `samples.rs` makes pixels of them.

mod chunks;
mod samples;
mod texts;

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use ::png::{BitDepth, ColorType, DecodeOptions, Decoder, Reader};

pub(super) use self::chunks::PngHeader;
use self::samples::{Colors, Samples, unpack};
use super::{
    DecodeRequest, FallbackLimits, Limits, Mode, Offer, Sink,
    format::{Found, NativeFormat, Unclean},
    luma::luma_row,
};
use crate::{
    Error, Result,
    image::{Rect, Size, Window, resize},
    interrupt,
};

/// The row of the table of formats.
#[derive(Debug)]
pub(super) struct Png;

impl NativeFormat for Png {
    const NAME: &'static str = "PNG";
    type Header = PngHeader;
    type Scratch = PngScratch;

    fn matches(bytes: &[u8]) -> bool {
        bytes.starts_with(b"\x89PNG\r\n\x1a\n")
    }

    fn header(bytes: &[u8], _: &Limits, fallback: &FallbackLimits) -> std::result::Result<Found<PngHeader>, Unclean> {
        let header = match chunks::parse(bytes, fallback) {
            Ok(header) => header,
            Err(reason) => return Err(Unclean { reason, size: chunks::size(bytes) }),
        };
        let beside = if header.interlaced { header.samples } else { 0 };
        let least_bytes = header.samples / texts::MOST_INFLATED;
        Ok(Found { header, size: header.size, beside, least_bytes, remark: None })
    }

    fn offer(header: &PngHeader) -> Offer {
        let modes: &[Mode] =
            if header.has_palette() { &[Mode::Rgb, Mode::Gray, Mode::Index] } else { &[Mode::Rgb, Mode::Gray] };
        Offer { denominators: &[], strips: false, regions: true, modes }
    }

    /// Broken data are an error.
    fn can_wait(_: &[u8], _: &PngHeader) -> bool {
        false
    }

    fn decode(
        bytes: &[u8],
        header: &PngHeader,
        request: &DecodeRequest<'_>,
        scratch: &mut PngScratch,
        sink: Sink<'_>,
    ) -> Result<()> {
        let Sink::Window(out) = sink else { return Err(Error::Parameter("PNG is not decoded in strips".to_owned())) };
        decode(bytes, header.size, request.region, request.mode, scratch, out)
    }
}

/// Memory that is kept from image to image.
#[derive(Debug)]
pub(super) struct PngScratch {
    /// Samples of one row, or of the whole of an interlaced image.
    samples: Vec<u8>,
    /// A row of RGB before it becomes gray.
    rgb: Vec<u8>,
    colors: Colors,
}

impl Default for PngScratch {
    fn default() -> Self {
        Self { samples: Vec::new(), rgb: Vec::new(), colors: [[0; 3]; 256] }
    }
}

/// Decodes `region` of a PNG of `size` into `out`.
///
/// All rows are decompressed, also those below the region: Pillow refuses a file that is broken there.
fn decode(
    bytes: &[u8],
    size: Size,
    region: Rect,
    mode: Mode,
    scratch: &mut PngScratch,
    out: &mut Window,
) -> Result<()> {
    let mut options = DecodeOptions::default();
    // What Pillow checks is checked: its header chunks' CRC and zlib's Adler-32. What no pixel depends on is skipped.
    options.set_ignore_adler32(false);
    options.set_skip_ancillary_crc_failures(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let decoder = Decoder::new_with_options(Watched::new(bytes), options);
    let mut reader = decoder.read_info().map_err(broken)?;
    let info = reader.info();
    if (info.height as usize, info.width as usize) != (size.height, size.width) {
        return Err(Error::Format(format!(
            "the header announced {size:?}, the PNG has {} x {}",
            info.width, info.height
        )));
    }
    if info.frame_control.is_some_and(|frame| (frame.width, frame.height) != (info.width, info.height)) {
        return Err(Error::Format("APNG whose first frame is not the whole image is not decoded natively".to_owned()));
    }
    let PngScratch { samples, rgb, colors } = scratch;
    let converter = samples_of(&reader, colors)?;
    let (interlaced, bits) = (info.interlaced, info.bit_depth as u8);
    let stride = reader.output_line_size(info.width).ok_or_else(|| Error::Format("PNG row is too long".to_owned()))?;
    out.try_reset(size, region, mode.channels())?;
    if mode == Mode::Gray {
        resize(rgb, region.width * 3)?;
        rgb.truncate(region.width * 3);
    }
    let mut convert = |row: &[u8], out: &mut [u8]| match mode {
        Mode::Rgb => converter.row(row, region.left, out),
        Mode::Gray => {
            converter.row(row, region.left, rgb);
            luma_row(rgb, out);
        }
        Mode::Index => unpack(bits, row, region.left, out),
    };
    let mut rows = out.data.chunks_exact_mut(region.width * mode.channels());
    if interlaced {
        // Zeros, because the crate ORs the bits of small samples into the row.
        samples.clear();
        resize(samples, stride * size.height)?;
        reader.next_frame(samples).map_err(broken)?;
        for (row, out) in samples.chunks_exact(stride).skip(region.top).zip(rows) {
            convert(row, out);
        }
        return Ok(());
    }
    resize(samples, stride)?;
    for y in 0..size.height {
        reader.read_row(samples).map_err(broken)?;
        if y >= region.top
            && let Some(out) = rows.next()
        {
            convert(samples, out);
        }
    }
    // Reads the rest of the compressed data, and so its checksum.
    reader.read_row(samples).map_err(broken)?;
    Ok(())
}

/// How the samples of this image become RGB.
fn samples_of<'a, R: BufRead + Seek>(reader: &Reader<R>, colors: &'a mut Colors) -> Result<Samples<'a>> {
    let info = reader.info();
    let bits = info.bit_depth as u8;
    Ok(match (info.color_type, info.bit_depth) {
        (ColorType::Grayscale, BitDepth::Sixteen) => Samples::Gray16,
        (ColorType::Grayscale, _) => Samples::gray(bits, colors),
        (ColorType::Indexed, _) => {
            let palette =
                info.palette.as_ref().ok_or_else(|| Error::Format("broken PNG: it has no palette".to_owned()))?;
            if palette.len() > 3 * 256 {
                return Err(Error::Format(format!("broken PNG: palette of {} bytes", palette.len())));
            }
            Samples::palette(bits, palette, colors)
        }
        (ColorType::GrayscaleAlpha, BitDepth::Sixteen) => Samples::Bytes { stride: 4, rgb: [0, 0, 0] },
        (ColorType::GrayscaleAlpha, _) => Samples::Bytes { stride: 2, rgb: [0, 0, 0] },
        (ColorType::Rgb, BitDepth::Sixteen) => Samples::Bytes { stride: 6, rgb: [0, 2, 4] },
        (ColorType::Rgb, _) => Samples::Bytes { stride: 3, rgb: [0, 1, 2] },
        (ColorType::Rgba, BitDepth::Sixteen) => Samples::Bytes { stride: 8, rgb: [0, 2, 4] },
        (ColorType::Rgba, _) => Samples::Bytes { stride: 4, rgb: [0, 1, 2] },
    })
}

/// Bytes of a file between two checks for an interrupt. They may become a thousand times as many bytes of pixels.
const PIECE: usize = 1 << 14;

/// A file in memory, handed out in pieces. The decoder asks for pieces in every stage, so this is the place to stop it.
struct Watched<'a> {
    file: Cursor<&'a [u8]>,
    /// Where the next check is due.
    end: u64,
}

impl<'a> Watched<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { file: Cursor::new(bytes), end: PIECE as u64 }
    }
}

impl BufRead for Watched<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let at = self.file.position();
        if at >= self.end {
            if interrupt::requested() {
                return Err(io::Error::other("interrupted"));
            }
            self.end = at + PIECE as u64;
        }
        let rest = self.file.fill_buf()?;
        Ok(&rest[..rest.len().min((self.end - at) as usize)])
    }

    fn consume(&mut self, amount: usize) {
        self.file.consume(amount);
    }
}

impl Read for Watched<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.file.read(out)
    }
}

impl Seek for Watched<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

fn broken(error: ::png::DecodingError) -> Error {
    match interrupt::stopped() {
        true => Error::Interrupted,
        false => Error::Format(format!("broken PNG: {error}")),
    }
}
