//! PNG through the `png` crate: every sample as it is in the file; `convert.rs` makes it RGB.

use std::io::{self, BufRead, Cursor, Read, Seek, SeekFrom};

use ::png::{BitDepth, ColorType, DecodeOptions, Decoder, Reader};

use super::convert::{Colors, Samples};
use crate::{
    Error, Result,
    image::{Rect, Size, Window, resize},
    interrupt,
};

/// Memory that is kept from image to image.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Samples of one row, or of the whole of an interlaced image.
    samples: Vec<u8>,
    colors: Colors,
}

impl Default for Scratch {
    fn default() -> Self {
        Self { samples: Vec::new(), colors: [[0; 3]; 256] }
    }
}

/// Decodes `region` of a PNG of `size` into `out`.
///
/// All rows are decompressed, also those below the region: Pillow refuses a file that is broken there.
pub(super) fn decode(bytes: &[u8], size: Size, region: Rect, scratch: &mut Scratch, out: &mut Window) -> Result<()> {
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
    let samples = samples(&reader, &mut scratch.colors)?;
    let interlaced = info.interlaced;
    let stride = reader.output_line_size(info.width).ok_or_else(|| Error::Format("PNG row is too long".to_owned()))?;
    out.try_reset(size, region, 3)?;
    let mut rows = out.data.chunks_exact_mut(region.width * 3);
    if interlaced {
        // Zeros, because the crate ORs the bits of small samples into the row.
        scratch.samples.clear();
        resize(&mut scratch.samples, stride * size.height)?;
        reader.next_frame(&mut scratch.samples).map_err(broken)?;
        for (row, rgb) in scratch.samples.chunks_exact(stride).skip(region.top).zip(rows) {
            samples.row(row, region.left, rgb);
        }
        return Ok(());
    }
    resize(&mut scratch.samples, stride)?;
    for y in 0..size.height {
        reader.read_row(&mut scratch.samples).map_err(broken)?;
        if y >= region.top
            && let Some(rgb) = rows.next()
        {
            samples.row(&scratch.samples, region.left, rgb);
        }
    }
    // Reads the rest of the compressed data, and so its checksum.
    reader.read_row(&mut scratch.samples).map_err(broken)?;
    Ok(())
}

/// How the samples of this image become RGB.
fn samples<'a, R: BufRead + Seek>(reader: &Reader<R>, colors: &'a mut Colors) -> Result<Samples<'a>> {
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

/// Bytes of a file between two looks whether to go on. They may be a thousand times as many bytes of pixels.
const PIECE: usize = 1 << 14;

/// A file in memory, handed out in pieces. The decoder asks for them whatever it is at, so here is where to stop it.
struct Watched<'a> {
    file: Cursor<&'a [u8]>,
    /// Where the next look is due.
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
