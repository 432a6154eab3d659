//! The walk from chunk to chunk through a PNG: its size, and whether Pillow and the `png` crate read it alike.
//!
//! Pillow reads every chunk, also behind the image data. It refuses files for some chunks that no pixel depends on, and
//! others change its pixels. The `png` crate ignores these chunks. So anything unusual is an `Err` with the reason, and the
//! fallback decides. The crate checks the checksums before the image data; Pillow checks no others.

use super::texts::Texts;
use crate::{decode::FallbackLimits, image::Size};

/// The header of a file that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct PngHeader {
    pub(super) size: Size,
    /// Bytes of all its samples.
    pub(super) samples: u64,
    pub(super) interlaced: bool,
    color: u8,
}

impl PngHeader {
    /// Whether samples are numbers of a palette's colours (colour type 3).
    pub(super) const fn has_palette(&self) -> bool {
        self.color == 3
    }
}

/// The size in the header, even if the rest of the file is damaged.
pub(super) fn size(bytes: &[u8]) -> Option<Size> {
    header(Chunks::new(bytes).next().ok()?).ok().map(|png| png.size)
}

/// Reads all chunks.
pub(super) fn parse(bytes: &[u8], limits: &FallbackLimits) -> Result<PngHeader, String> {
    let mut chunks = Chunks::new(bytes);
    let png = header(chunks.next()?)?;
    let mut texts = Texts::new(limits);
    let mut frames = Frames::default();
    let mut has_data = false;
    loop {
        let chunk @ Chunk { name, data } = chunks.next()?;
        match name {
            b"IDAT" => has_data = true,
            b"IEND" if has_data => return Ok(png),
            // Here the second frame begins, and Pillow stops.
            b"fcTL" if has_data && frames.are_many() => return Ok(png),
            b"acTL" | b"fcTL" if !has_data => frames.read(chunk, png.size)?,
            b"iCCP" => texts.profile(data)?,
            b"tEXt" => texts.plain(data)?,
            b"zTXt" => texts.compressed(data)?,
            b"iTXt" => texts.international(data)?,
            _ if is_plain(chunk, png.color) => {}
            _ => return Err(unusual(chunk)),
        }
    }
}

/// Whether Pillow and the `png` crate read a chunk alike. It is no text, no frame and no image data.
fn is_plain(Chunk { name, data }: Chunk<'_>, color: u8) -> bool {
    let length = data.len();
    match name {
        b"gAMA" => length >= 4,
        b"cHRM" => length >= 32,
        b"sRGB" => length >= 1,
        b"pHYs" => length >= 9,
        b"PLTE" => (3..=768).contains(&length) && length.is_multiple_of(3),
        b"tRNS" => match color {
            0 => length == 2,
            2 => length == 6,
            3 => (1..=256).contains(&length),
            _ => true,
        },
        b"IHDR" | b"IEND" | b"acTL" | b"fcTL" | b"fdAT" => false,
        _ => name.iter().all(u8::is_ascii_alphabetic),
    }
}

/// Reads the first chunk, which must be a header of thirteen bytes.
fn header(chunk: Chunk<'_>) -> Result<PngHeader, String> {
    let (b"IHDR", &[w3, w2, w1, w0, h3, h2, h1, h0, bits, color, _, _, interlaced]) = (chunk.name, chunk.data) else {
        return Err(unusual(chunk));
    };
    let [width, height] = [[w3, w2, w1, w0], [h3, h2, h1, h0]].map(u32::from_be_bytes);
    if width == 0 || height == 0 {
        return Err(format!("broken PNG: {width} x {height} pixels (width x height)"));
    }
    let bits = u64::from(bits) * [1, 1, 3, 1, 2, 1, 4][usize::from(color.min(6))];
    let samples = (u64::from(width) * bits).div_ceil(8).saturating_mul(height.into());
    Ok(PngHeader { size: Size::new(height as usize, width as usize), samples, interlaced: interlaced != 0, color })
}

/// The frames of an APNG, as far as they are announced before the image data.
#[derive(Debug, Default)]
struct Frames {
    /// The announced number of frames.
    count: Option<u32>,
    /// Whether the image data are the first of them.
    begun: bool,
}

impl Frames {
    fn read(&mut self, chunk: Chunk<'_>, size: Size) -> Result<(), String> {
        let number =
            |at: usize| chunk.data.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |&four| u32::from_be_bytes(four));
        let known = match (chunk.name, chunk.data.len()) {
            (b"acTL", 8) => {
                let first = self.count.is_none() && !self.begun;
                self.count = Some(number(0));
                first && (1..=1 << 31).contains(&number(0))
            }
            (b"fcTL", 26) => {
                let first = self.count.is_some() && !self.begun;
                self.begun = true;
                let whole = [0, size.width as u32, size.height as u32, 0, 0];
                first && [0, 4, 8, 12, 16].map(number) == whole
            }
            _ => false,
        };
        if known { Ok(()) } else { Err(unusual(chunk)) }
    }

    /// Whether Pillow takes the file for an animation.
    fn are_many(&self) -> bool {
        self.count.is_some_and(|count| count > 1 || !self.begun)
    }
}

#[derive(Debug, Clone, Copy)]
struct Chunk<'a> {
    name: &'a [u8; 4],
    data: &'a [u8],
}

/// A position in a file, moved from chunk to chunk.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Chunks<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 8 } // after the signature
    }

    fn next(&mut self) -> Result<Chunk<'a>, String> {
        let chunk = self.bytes.get(self.at..).and_then(<[u8]>::split_first_chunk::<4>);
        let chunk = chunk.and_then(|(&length, rest)| {
            let (name, rest) = rest.split_first_chunk::<4>()?;
            Some(Chunk { name, data: rest.get(..u32::from_be_bytes(length) as usize)? })
        });
        let chunk = chunk.ok_or_else(|| format!("truncated PNG: its {} bytes end within a chunk", self.bytes.len()))?;
        self.at += 12 + chunk.data.len(); // length, name, data, checksum
        Ok(chunk)
    }
}

fn unusual(Chunk { name, data }: Chunk<'_>) -> String {
    format!("broken PNG: {} chunk of {} bytes, here", name.escape_ascii(), data.len())
}
