//! The PNG chunk walk: the size, and what Pillow refuses but a decoder of pixels would not notice.

use crate::image::Size;

/// Reads the chunks up to the image data. Returns the size of the image, and the bytes of its samples if it is interlaced,
/// and so decoded as a whole.
///
/// Pillow raises an error for ancillary chunks that are too short, although no pixel depends on them. The `png` crate
/// ignores those chunks, so they are found here. Checksums are left to the crate.
pub(super) fn parse(bytes: &[u8]) -> Result<(Size, u64), String> {
    let mut size = None;
    let mut color = 0;
    let mut at = 8; // after the signature
    loop {
        let chunk = bytes.get(at..).and_then(<[u8]>::split_first_chunk::<8>);
        let (&[l3, l2, l1, l0, ref name @ ..], rest) = chunk.ok_or_else(|| truncated(bytes))?;
        let length = u32::from_be_bytes([l3, l2, l1, l0]) as usize;
        if name == b"IDAT" {
            return size.ok_or_else(|| "broken PNG: image data come before the header".to_owned());
        }
        let data = rest.get(..length).ok_or_else(|| truncated(bytes))?;
        // Two bytes for gray and six for RGB; not looked at in the other colour types.
        let transparency = if color == 0 { 2 } else { 6 };
        let least = match name {
            b"IHDR" => 13,
            b"acTL" => 8,
            b"cHRM" => 32,
            b"gAMA" => 4,
            b"pHYs" => 9,
            b"sRGB" => 1,
            b"tRNS" if matches!(color, 0 | 2) => transparency,
            _ => 0,
        };
        if length < least {
            return Err(format!("broken PNG: {} chunk of {length} bytes", String::from_utf8_lossy(name)));
        }
        if name == b"IHDR" {
            let [width, height] = [0, 4].map(|i| u32::from_be_bytes([data[i], data[i + 1], data[i + 2], data[i + 3]]));
            if width == 0 || height == 0 {
                return Err(format!("broken PNG: {width} x {height} pixels (width x height)"));
            }
            color = data[9];
            let bits = u64::from(data[8]) * [1, 1, 3, 1, 2, 1, 4][usize::from(color.min(6))];
            let samples = (u64::from(width) * bits).div_ceil(8).saturating_mul(height.into());
            size = Some((Size::new(height as usize, width as usize), if data[12] == 0 { 0 } else { samples }));
        }
        if !name.iter().all(u8::is_ascii_alphanumeric) {
            return Err(format!("broken PNG: chunk with the name {name:02x?} at byte {at}"));
        }
        at += 12 + length; // length, name, data, checksum
    }
}

fn truncated(bytes: &[u8]) -> String {
    format!("truncated PNG: its {} bytes end before the image data", bytes.len())
}
