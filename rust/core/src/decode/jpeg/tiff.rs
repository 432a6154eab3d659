//! The TIFF directory in an EXIF or MPF segment of a JPEG: whether Pillow reads it without a warning.
//!
//! When Pillow opens a file, it looks for the resolution in EXIF and for further images in MPF. It warns of values that it
//! cannot read, and it may refuse a file for a value of an unexpected type.

const BYTE: u16 = 1;
const ASCII: u16 = 2;
const SHORT: u16 = 3;
const LONG: u16 = 4;
const RATIONAL: u16 = 5;
const UNDEFINED: u16 = 7;

const X_RESOLUTION: u16 = 0x011A;
const RESOLUTION_UNIT: u16 = 0x0128;
const NUMBER_OF_IMAGES: u16 = 0xB001;
const MP_ENTRY: u16 = 0xB002;

/// An entry of a directory, with its value.
struct Entry<'a> {
    tag: u16,
    kind: u16,
    count: u32,
    value: &'a [u8],
}

/// Whether Pillow reads the EXIF data in `tiff`, the payload of a segment after its name, without a warning.
pub(super) fn is_plain_exif(tiff: &[u8]) -> bool {
    match order(tiff) {
        // Pillow passes over it without a word.
        Order::None => true,
        Order::Odd => false,
        Order::Known(little) => directory(tiff, little, |entry| match entry.tag {
            X_RESOLUTION => entry.count == 1 && matches!(entry.kind, SHORT | LONG | RATIONAL),
            RESOLUTION_UNIT => entry.count == 1 && entry.kind == SHORT,
            _ => true,
        }),
    }
}

/// Whether Pillow reads the index of further images in `tiff`, the payload of a segment after its name, without a warning.
pub(super) fn is_plain_mpf(tiff: &[u8]) -> bool {
    let Order::Known(little) = order(tiff) else { return false };
    let (mut images, mut entries) = (None, None);
    let plain = directory(tiff, little, |entry| {
        match (entry.tag, entry.kind) {
            (NUMBER_OF_IMAGES, LONG) => images = Some(number(entry.value, little)),
            (NUMBER_OF_IMAGES, _) => return false,
            (MP_ENTRY, UNDEFINED) => entries = Some(entry.value),
            (MP_ENTRY, _) => return false,
            _ => {}
        }
        entry.count == 1 || matches!(entry.kind, BYTE | ASCII | UNDEFINED)
    });
    let (Some(images), Some(entries)) = (images, entries) else { return false };
    let entries = entries.as_chunks::<16>().0;
    // Three bits of the attributes tell the format of an image, which must be JPEG.
    let is_jpeg = |entry: &[u8; 16]| number(entry, little) >> 24 & 7 == 0;
    plain && entries.get(..images as usize).is_some_and(|entries| entries.iter().all(is_jpeg))
}

enum Order {
    /// Whether the least significant byte comes first.
    Known(bool),
    /// No TIFF at all.
    None,
    /// TIFF as Pillow knows it, and hardly anybody else.
    Odd,
}

fn order(tiff: &[u8]) -> Order {
    match tiff {
        [b'I', b'I', b'*', 0, _, _, _, _, ..] => Order::Known(true),
        [b'M', b'M', 0, b'*', _, _, _, _, ..] => Order::Known(false),
        [b'I', b'I', ..] | [b'M', b'M', ..] => Order::Odd,
        _ => Order::None,
    }
}

/// Whether the first directory is whole, with all its values in the data, and `accept` accepts each of its entries.
fn directory<'a>(tiff: &'a [u8], little: bool, mut accept: impl FnMut(&Entry<'a>) -> bool) -> bool {
    let short = |two: [u8; 2]| if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) };
    let start = tiff.get(number(&tiff[4..], little) as usize..).and_then(<[u8]>::split_first_chunk);
    // After the entries comes the place of the next directory.
    let entries = start.and_then(|(&count, rest)| {
        let (entries, next) = rest.split_at_checked(12 * usize::from(short(count)))?;
        (next.len() >= 4).then_some(entries)
    });
    let Some(entries) = entries else { return false };
    let mut bytes = 0_u64;
    for entry in entries.as_chunks::<12>().0 {
        let &[t1, t0, k1, k0, ref rest @ ..] = entry;
        let (tag, kind, count) = (short([t1, t0]), short([k1, k0]), number(rest, little));
        let unit = match kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 | 13 => 4,
            5 | 10 | 12 | 16 => 8,
            _ => continue, // Pillow passes over it.
        };
        let size = u64::from(count) * unit;
        let value = if size <= 4 {
            entry[8..].get(..size as usize)
        } else {
            // Pillow 13 takes values of more bytes than there are for broken, wherever they are.
            bytes += size;
            let whole = tiff.get(number(&entry[8..], little) as usize..).filter(|_| bytes <= tiff.len() as u64);
            whole.and_then(|rest| rest.get(..size as usize))
        };
        let Some(value) = value else { return false };
        if !value.is_empty() && !accept(&Entry { tag, kind, count, value }) {
            return false;
        }
    }
    true
}

fn number(bytes: &[u8], little: bool) -> u32 {
    let four = bytes.first_chunk().copied().unwrap_or_default();
    if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) }
}
