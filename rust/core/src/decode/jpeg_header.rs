//! The JPEG marker walk: what must be known before libjpeg is called, and whether the file is one for it.
//!
//! The walk is stricter than libjpeg and than Pillow. Whatever it does not expect is an `Err` with the reason, and the
//! caller asks the fallback. So a file that passes is one that Pillow opens too.

use crate::image::{Rect, Size};

/// What the frame header (SOF) says, and where the first scan starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// The size of the image.
    pub(super) size: Size,
    /// Colour components: 1 (gray), 3 (RGB or YCbCr) or 4 (CMYK or YCCK).
    pub(super) components: usize,
    /// How many columns share a chroma sample (1, 2 or 4). `None` where the image is always decoded whole.
    pub(super) subsampling: Option<usize>,
    /// Where the first scan (SOS) starts in the file.
    pub(super) scan: usize,
}

/// Reads all markers up to the first scan.
pub(super) fn parse(bytes: &[u8]) -> Result<Frame, String> {
    let mut frame = None;
    let mut at = 2; // after SOI
    loop {
        let start = at;
        if bytes.get(at) != Some(&0xFF) {
            return Err(match bytes.get(at) {
                Some(byte) => format!("broken JPEG: {byte:#04x} at byte {at} where a marker was expected"),
                None => truncated(bytes),
            });
        }
        // Any number of fill bytes (0xFF) may come before the marker's code.
        at += bytes[at..].iter().take_while(|&&byte| byte == 0xFF).count();
        let marker = *bytes.get(at).ok_or_else(|| truncated(bytes))?;
        let payload = match marker {
            0xC0..=0xC2 | 0xC4 | 0xDA | 0xDB | 0xDD | 0xE0..=0xEF | 0xFE => segment(bytes, at + 1)?,
            // Lossless, hierarchical and arithmetic-coded frames.
            0xC3 | 0xC5..=0xCF => return Err(format!("JPEG process SOF{} is not decoded natively", marker - 0xC0)),
            _ => return Err(format!("broken JPEG: marker {marker:#04x} at byte {at} before the first scan")),
        };
        match marker {
            0xC0..=0xC2 if frame.is_some() => return Err("broken JPEG: it has two frame headers".to_owned()),
            0xC0..=0xC2 => frame = Some(parse_frame(payload, marker == 0xC2)?),
            0xDA => {
                let frame = frame.ok_or_else(|| "broken JPEG: a scan comes before the frame header".to_owned())?;
                return Ok(Frame { scan: start, ..frame });
            }
            // Pillow refuses these two, libjpeg does not mind.
            0xE2 if payload.starts_with(b"ICC_PROFILE\0") && payload.len() < 14 => {
                return Err(format!("broken JPEG: ICC segment of only {} bytes", payload.len()));
            }
            0xEE if payload.starts_with(b"Adobe") && payload.len() < 7 => {
                return Err(format!("broken JPEG: Adobe segment of only {} bytes", payload.len()));
            }
            _ => {}
        }
        at += 3 + payload.len();
    }
}

/// The payload of the segment whose length field is at `at`.
fn segment(bytes: &[u8], at: usize) -> Result<&[u8], String> {
    let length = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or_else(|| truncated(bytes))?;
    let length = usize::from(u16::from_be_bytes(*length));
    if length < 2 {
        return Err(format!("broken JPEG: segment of length {length} at byte {at}"));
    }
    bytes.get(at + 2..at + length).ok_or_else(|| truncated(bytes))
}

fn truncated(bytes: &[u8]) -> String {
    format!("truncated JPEG: its {} bytes end within the header", bytes.len())
}

fn parse_frame(payload: &[u8], progressive: bool) -> Result<Frame, String> {
    let (&[precision, h1, h0, w1, w0, components], layers) =
        payload.split_first_chunk().ok_or_else(|| format!("broken JPEG: frame header of {} bytes", payload.len()))?;
    let size = Size::new(u16::from_be_bytes([h1, h0]).into(), u16::from_be_bytes([w1, w0]).into());
    let components = usize::from(components);
    if precision != 8 {
        return Err(format!("JPEG of {precision} bits per sample is not decoded natively"));
    }
    if !matches!(components, 1 | 3 | 4) || layers.len() != 3 * components {
        return Err(format!("JPEG of {components} components in {} bytes is not decoded natively", layers.len()));
    }
    if size.height == 0 || size.width == 0 {
        return Err(format!("broken JPEG: {} x {} pixels (width x height)", size.width, size.height));
    }
    // Sampling factors, horizontal and vertical, in one byte. Others are legal, too, but not worth a region decode.
    let factors = [0, 1, 2, 3].map(|layer| layers.get(layer * 3 + 1).copied().unwrap_or(0));
    let subsampling = match factors {
        // All of the entropy decoding is needed anyway, which leaves a gain of 9 %. And where scans are missing, libjpeg
        // smooths over block borders, also over those of a crop.
        _ if progressive => None,
        [0x11, 0, 0, 0] => Some(1),
        [luma @ (0x11 | 0x12 | 0x21 | 0x22 | 0x41), 0x11, 0x11, black] if black == 0 || black == luma => {
            Some(usize::from(luma >> 4))
        }
        _ => None,
    };
    Ok(Frame { size, components, subsampling, scan: 0 })
}

impl Frame {
    /// Whether there is an end-of-image marker after the first scan, that is, whether the file is whole.
    ///
    /// A region decode does not read what lies below the region. Without this check it would accept a truncated file
    /// that Pillow refuses. The marker is at the very end of nearly all files, so the search is short.
    pub(super) fn is_whole(&self, bytes: &[u8]) -> bool {
        bytes[self.scan..].windows(2).rposition(|pair| pair == [0xFF, 0xD9]).is_some()
    }

    /// The least part of the image that libjpeg can decode on its own and that has `region` exactly as in the whole.
    pub(super) fn enclose(&self, region: Rect) -> Rect {
        let all = Rect::all(self.size);
        let Some(subsampling) = self.subsampling else { return all };
        // libjpeg crops at multiples of the widest component's block. Rows need no care: libjpeg decodes the rows of
        // context that the upsampling needs.
        let unit = 8 * subsampling;
        // For 2:1 chroma it uses a triangle filter over the neighbouring columns ("fancy upsampling"), and treats the
        // outermost columns of a crop like those of an image. So one column more is decoded on either side.
        let halo = usize::from(subsampling == 2);
        let mut left = region.left.saturating_sub(halo) / unit * unit;
        let right = ((region.right() + halo).div_ceil(unit) * unit).min(self.size.width);
        // Below two chroma columns libjpeg would silently change to the plain filter.
        if right - left < unit {
            left = left.saturating_sub(unit);
        }
        let rect = Rect { top: region.top, left, height: region.height, width: right - left };
        // Cropping gains nothing where nearly all is asked for, or where the image is tiny.
        let (part, whole) = (rect.height * rect.width, all.height * all.width);
        if whole <= 64 * 64 || part * 8 >= whole * 7 { all } else { rect }
    }
}
