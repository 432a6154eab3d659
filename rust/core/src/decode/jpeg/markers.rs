//! The walk from marker to marker through a JPEG: its header, whether Pillow opens it, and whether it ends.
//!
//! The walk is stricter than libjpeg and than Pillow. Anything unexpected is an `Err` with the reason, and the caller asks
//! the fallback. So Pillow opens every file that passes.
//!
//! Pillow reads the segments of applications when it opens a file. It refuses a file for some segments that no pixel depends
//! on. So a segment that differs from what cameras and programs write is a remark: the file is decoded natively if Pillow
//! opens it.

use torchfeed_jpeg::read_header;

use super::tiff::{is_plain_exif, is_plain_mpf};
use crate::{decode::Limits, image::Size};

/// The header of a file that passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::decode) struct JpegHeader {
    /// The decoder's own header.
    pub(super) frame: torchfeed_jpeg::Header,
    /// Where the first scan (SOS) starts in the file.
    pub(super) scan: usize,
    /// What decoding it may cost, beside its pixels.
    pub(super) limits: torchfeed_jpeg::Limits,
}

/// Reads all markers up to the first scan. Also returns the reason to ask Pillow about the file, if there is one.
pub(super) fn parse(bytes: &[u8], limits: &Limits) -> Result<(JpegHeader, Option<&'static str>), String> {
    let mut segments = Segments::default();
    let scan = first_scan(bytes, &mut segments)?;
    // The number of pixels is held against the limit with that of other formats.
    let free = torchfeed_jpeg::Limits { max_pixels: u64::MAX, max_memory: u64::MAX, max_scans: limits.max_scans };
    let frame = read_header(bytes, &free).map_err(|error| error.to_string())?;
    let beside = limits.bytes_beside(Size::new(frame.height, frame.width));
    let limits = torchfeed_jpeg::Limits { max_memory: beside, ..free };
    Ok((JpegHeader { frame, scan, limits }, segments.remark()))
}

/// The number of scans in a file that may be damaged: at least as many as libjpeg would decode.
///
/// As libjpeg does, it takes 0xFF and a code for a marker, and passes over the bytes before it. It does not decode the data
/// in between.
pub(in crate::decode) fn count_scans(bytes: &[u8]) -> u64 {
    let (mut count, mut at) = (0, 2); // after SOI
    while let Some(start) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) {
        at += start + 1;
        let Some(&code) = bytes.get(at) else { break };
        match code {
            // Stuffed bytes, fill bytes, restart markers, TEM: nothing follows that belongs to them.
            0x00 | 0x01 | 0xD0..=0xD7 => at += 1,
            0xFF => {}
            0xD9 => break,
            _ => {
                count += u64::from(code == 0xDA);
                let length =
                    bytes.get(at + 1..).and_then(<[u8]>::first_chunk).map_or(2, |&two| u16::from_be_bytes(two));
                at += 1 + usize::from(length.max(2));
            }
        }
    }
    count
}

/// What the segments of applications tell.
#[derive(Default)]
struct Segments<'a> {
    remark: Option<&'static str>,
    /// The first EXIF segment.
    exif: Option<&'a [u8]>,
    /// Whether a JFIF segment gives the resolution; if not, Pillow looks for it in EXIF.
    resolution: bool,
}

impl<'a> Segments<'a> {
    /// Takes note of the segment with this marker.
    fn read(&mut self, marker: u8, payload: &'a [u8]) {
        let plain = match marker {
            0xE0 if payload.starts_with(b"JFIF") => {
                self.resolution |= payload.len() >= 12 && matches!(payload[7], 1 | 2);
                payload.len() >= 7
            }
            0xE1 => match payload.strip_prefix(b"Exif\0\0") {
                // Pillow joins several.
                Some(tiff) => self.exif.replace(tiff).is_none() && !tiff.starts_with(b"Exif\0\0"),
                None => true,
            },
            0xE2 if payload.starts_with(b"ICC_PROFILE\0") => payload.len() >= 14,
            0xE2 => payload.strip_prefix(b"MPF\0").is_none_or(is_plain_mpf),
            0xED => payload.strip_prefix(b"Photoshop 3.0\0").is_none_or(is_plain_photoshop),
            0xEE if payload.starts_with(b"Adobe") => payload.len() >= 7,
            _ => true,
        };
        if !plain {
            self.remark = Some("broken JPEG: application segment that is cut off, or odd");
        }
    }

    fn remark(&self) -> Option<&'static str> {
        let exif = self.exif.filter(|tiff| !self.resolution && !is_plain_exif(tiff));
        self.remark.or(exif.map(|_| "broken JPEG: EXIF data that are cut off, or odd"))
    }
}

/// Whether image resources, the payload of a segment after its name, do not end behind the number of one.
fn is_plain_photoshop(mut resources: &[u8]) -> bool {
    let mut at = 0;
    loop {
        let Some(rest) = resources.get(at..).and_then(|rest| rest.strip_prefix(b"8BIM")) else { return true };
        resources = rest;
        let Some(&[_, _, name]) = resources.first_chunk() else { return resources.len() < 2 };
        // The number, and the name with its length, which are padded to an even length, as the data are.
        at = (3 + usize::from(name)).next_multiple_of(2);
        let Some(&size) = resources.get(at..).and_then(<[u8]>::first_chunk) else { return true };
        at += 4 + (u32::from_be_bytes(size) as usize).next_multiple_of(2);
    }
}

/// Where the first scan starts, if nothing before it is odd but for `segments`.
fn first_scan<'a>(bytes: &'a [u8], segments: &mut Segments<'a>) -> Result<usize, String> {
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
        if marker == 0xDA {
            return Ok(start);
        }
        segments.read(marker, payload);
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

/// Whether there is an end-of-image marker in `data`, which starts with the first scan: that is, whether the file is
/// whole.
///
/// A decode does not read the data below its region. Without this check it would accept a truncated file that Pillow
/// refuses. The marker is at the very end of nearly all files, so the search is short.
pub(super) fn is_whole(data: &[u8]) -> bool {
    data.windows(2).rposition(|pair| pair == [0xFF, 0xD9]).is_some()
}
