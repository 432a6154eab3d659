use proptest::prelude::*;

use super::*;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let mut crc = u32::MAX;
    for byte in name.iter().chain(data) {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
        }
    }
    [&(data.len() as u32).to_be_bytes(), &name[..], data, &(!crc).to_be_bytes()].concat()
}

/// A zlib stream of one stored block.
fn zlib(data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let (a, b) = data.iter().fold((1, 0), |(a, b), &byte| {
        let a = (a + u32::from(byte)) % 65521;
        (a, (b + a) % 65521)
    });
    [&[0x78, 1, 1], &length.to_le_bytes()[..], &(!length).to_le_bytes(), data, &((b << 16) | a).to_be_bytes()].concat()
}

/// A PNG of rows of samples that come with their filter bytes.
pub(super) fn png(size: Size, bits: u8, color: u8, interlaced: bool, chunks: &[u8], rows: &[u8]) -> Vec<u8> {
    let [height, width] = [size.height, size.width].map(|n| (n as u32).to_be_bytes());
    let header = [&width[..], &height, &[bits, color, 0, 0, interlaced.into()]].concat();
    [SIGNATURE, &chunk(b"IHDR", &header), chunks, &chunk(b"IDAT", &zlib(rows)), &chunk(b"IEND", b"")].concat()
}

/// An 8-bit gray PNG.
pub(super) fn gray(size: Size) -> Vec<u8> {
    let pixels = picture(size, 1);
    png(size, 8, 0, false, b"", &pixels.chunks(size.width).flat_map(|row| [&[0], row].concat()).collect::<Vec<_>>())
}

/// Samples of less than 8 bits, packed into rows with filter bytes: one image, or the seven passes of an interlaced one.
pub(super) fn packed(size: Size, bits: u8, samples: &[u8], interlaced: bool) -> Vec<u8> {
    const PASSES: [[usize; 4]; 7] =
        [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]];
    let passes = if interlaced { &PASSES[..] } else { &[[0, 0, 1, 1]] };
    let mut bytes = Vec::new();
    for &[left, top, dx, dy] in passes.iter().filter(|pass| pass[0] < size.width) {
        for y in (top..size.height).step_by(dy) {
            bytes.push(0);
            let row: Vec<u8> = (left..size.width).step_by(dx).map(|x| samples[y * size.width + x]).collect();
            for group in row.chunks(8 / usize::from(bits)) {
                let fold = |byte, (i, sample): (usize, &u8)| byte | sample << (8 - usize::from(bits) * (i + 1));
                bytes.push(group.iter().enumerate().fold(0, fold));
            }
        }
    }
    bytes
}

/// The first row of pixels of a PNG whose only row has these samples.
fn row(width: usize, bits: u8, color: u8, chunks: &[u8], samples: &[u8]) -> Vec<u8> {
    let bytes = png(Size::new(1, width), bits, color, false, chunks, &[&[0], samples].concat());
    decode(&bytes, None).unwrap().data
}

fn gray_pixels(values: &[u8]) -> Vec<u8> {
    values.iter().flat_map(|&value| [value; 3]).collect()
}

#[test]
fn gray_is_spread_over_all_levels() {
    assert_eq!(row(3, 1, 0, b"", &[0b0100_0000]), gray_pixels(&[0, 255, 0]));
    assert_eq!(row(5, 2, 0, b"", &[0b0001_1011, 0x80]), gray_pixels(&[0, 85, 170, 255, 170]));
    assert_eq!(row(3, 4, 0, b"", &[0x0F, 0x70]), gray_pixels(&[0, 255, 119]));
    assert_eq!(row(3, 8, 0, b"", &[0, 77, 255]), gray_pixels(&[0, 77, 255]));
}

#[test]
fn sixteen_bits_are_clipped_in_gray_and_shifted_elsewhere() {
    assert_eq!(row(4, 16, 0, b"", &[0, 200, 1, 0, 0, 255, 255, 255]), gray_pixels(&[200, 255, 255, 255]));
    assert_eq!(row(1, 16, 4, b"", &[3, 200, 9, 9]), gray_pixels(&[3]));
    assert_eq!(row(1, 16, 2, b"", &[3, 200, 4, 255, 5, 0]), [3, 4, 5]);
    assert_eq!(row(1, 16, 6, b"", &[3, 200, 4, 255, 5, 0, 9, 9]), [3, 4, 5]);
}

#[test]
fn alpha_is_dropped() {
    assert_eq!(row(2, 8, 4, b"", &[3, 0, 4, 128]), gray_pixels(&[3, 4]));
    assert_eq!(row(2, 8, 6, b"", &[1, 2, 3, 0, 4, 5, 6, 128]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(row(2, 8, 2, &chunk(b"tRNS", &[0, 1, 0, 2, 0, 3]), &[1, 2, 3, 4, 5, 6]), [1, 2, 3, 4, 5, 6]);
    assert_eq!(row(2, 8, 0, &chunk(b"tRNS", &[0, 3]), &[3, 4]), gray_pixels(&[3, 4]));
}

#[test]
fn palette_is_looked_up_and_black_beyond_its_end() {
    let palette = chunk(b"PLTE", &[10, 20, 30, 40, 50, 60]);
    let transparent = [&palette[..], &chunk(b"tRNS", &[0, 128])].concat();
    for chunks in [&palette, &transparent] {
        assert_eq!(row(3, 8, 3, chunks, &[1, 0, 2]), [40, 50, 60, 10, 20, 30, 0, 0, 0]);
        assert_eq!(row(3, 4, 3, chunks, &[0x10, 0xF0]), [40, 50, 60, 10, 20, 30, 0, 0, 0]);
        assert_eq!(row(2, 1, 3, chunks, &[0x40]), [10, 20, 30, 40, 50, 60]);
    }
    assert!(decode(&png(Size::new(1, 1), 8, 3, false, b"", &[0, 0]), None).is_err());
}

#[test]
fn modes_are_of_the_same_samples() {
    let palette = chunk(b"PLTE", &[10, 20, 30, 40, 50, 60, 70, 80, 90]);
    let size = Size::new(1, 5);
    let samples = [0, 2, 1, 1, 2];
    for (bits, interlaced) in [(2, false), (2, true), (4, false), (8, false)] {
        let bytes = png(size, bits, 3, interlaced, &palette, &packed(size, bits, &samples, interlaced));
        let decoder = Decoder::default();
        let region = Rect { top: 0, left: 1, height: 1, width: 3 };
        let index = in_mode(&decoder, &bytes, Mode::Index, Some(region)).unwrap();
        assert_eq!((index.size, index.rect, index.channels, index.data.as_slice()), (size, region, 1, &samples[1..4]));
        let gray = in_mode(&decoder, &bytes, Mode::Gray, None).unwrap();
        assert_eq!(gray.data, [18, 78, 48, 48, 78]);
    }
    let gray = super::png::gray(size);
    assert_eq!(in_mode(&Decoder::default(), &gray, Mode::Gray, None).unwrap().data, picture(size, 1));
    assert!(matches!(in_mode(&Decoder::default(), &gray, Mode::Index, None), Err(Error::Parameter(_))));
}

proptest! {
    #[test]
    fn region_and_interlacing_change_nothing(
        (height, width) in (1..20_usize, 1..20_usize),
        log_bits in 0..4_u32,
        fractions in prop::array::uniform4(0.0..1.0),
    ) {
        let (size, bits) = (Size::new(height, width), 1 << log_bits);
        let samples: Vec<u8> = picture(size, 1).iter().map(|sample| sample >> (8 - bits)).collect();
        let (decoder, mut scratch) = (Decoder::default(), DecodeScratch::default());
        let mut window = |region, interlaced| {
            let bytes = png(size, bits, 0, interlaced, b"", &packed(size, bits, &samples, interlaced));
            let mut out = Window::default();
            // One scratch for all: what an image leaves there must not shine through.
            decode_with(&decoder, &mut scratch, &bytes, region, &mut out).unwrap();
            out
        };
        let whole = window(None, false);
        prop_assert_eq!(&window(None, true), &whole);
        prop_assert_eq!(&window(None, true), &whole);
        for interlaced in [false, true] {
            let part = window(Some(region(size, fractions)), interlaced);
            prop_assert_eq!(crop(&whole, part.rect), part.data);
        }
    }
}

#[test]
fn every_truncation_of_the_image_is_an_error() {
    let bytes = gray(Size::new(9, 7));
    let top = Some(Rect { top: 0, left: 0, height: 1, width: 7 });
    assert!(decode(&bytes, top).is_ok());
    // Of IEND nothing is read behind its name.
    assert!(decode(&bytes[..bytes.len() - 4], top).is_ok());
    for length in 0..bytes.len() - 4 {
        assert!(matches!(decode(&bytes[..length], top), Err(Error::Format(_))), "{length} of {}", bytes.len());
    }
}

#[test]
fn broken_checksums_are_errors() {
    let good = [chunk(b"gAMA", &[0, 0, 1, 0]), chunk(b"tEXt", b"a\0b")].concat();
    let size = Size::new(1, 1);
    assert!(decode(&png(size, 8, 0, false, &good, &[0, 5]), None).is_ok());
    let bytes = png(size, 8, 0, false, &good, &[0, 5]);
    // Adler-32 is the last of IDAT, eight bytes before IEND's twelve. Its own CRC hides nothing: it is checked, too.
    for at in [bytes.len() - 17, SIGNATURE.len() + 8 + 13, SIGNATURE.len() + 25 + 12] {
        let mut bytes = bytes.clone();
        bytes[at] ^= 1;
        assert!(decode(&bytes, None).is_err(), "{at}");
    }
}

#[test]
fn chunks_that_pillow_refuses_are_errors() {
    let size = Size::new(1, 1);
    let bad = [
        chunk(b"gAMA", &[0]),
        chunk(b"tRNS", &[0]),
        chunk(b"pHYs", &[0; 8]),
        chunk(b"a\0bc", &[]),
        chunk(b"iCCP", b"profile\0\x01"),
        chunk(b"zTXt", b"a\0\x01"),
        chunk(b"tEXt", b"interlace\x001"),
        chunk(b"fdAT", &[0; 9]),
        chunk(b"fcTL", &[0; 26]),
        chunk(b"IHDR", &[0; 13]),
    ];
    let end = [&[0, 0, 0, 0][..], b"IEND"].concat();
    for bad in bad {
        let before = png(size, 8, 0, false, &bad, &[0, 5]);
        let good = png(size, 8, 0, false, b"", &[0, 5]);
        let at = good.windows(8).position(|bytes| bytes == end).unwrap();
        let behind = [&good[..at], &bad, &good[at..]].concat();
        for bytes in [before, behind] {
            assert!(matches!(decode(&bytes, None), Err(Error::Format(_))), "{bad:?}");
        }
    }
}

#[test]
fn limits_are_checked_before_anything_is_decoded() {
    let bytes = png(Size::new(100_000, 100_000), 8, 0, false, b"", &[]);
    let error = Decoder::default().header(&bytes).unwrap_err();
    assert!(matches!(&error, Error::Limit(message) if message.contains("100000 x 100000")), "{error}");
}

#[test]
fn texts_are_inflated_no_further_than_the_fallback_does() {
    let size = Size::new(1, 1);
    let text = |length| chunk(b"zTXt", &[b"a\0\0", &zlib(&vec![b'x'; length])[..]].concat());
    let allowed = |chunks: &[u8], text_chunk, text_memory| {
        let fallback_limits = FallbackLimits { text_chunk, text_memory, ..FallbackLimits::default() };
        let decoder = Decoder { fallback_limits, ..Decoder::default() };
        decoder.header(&png(size, 8, 0, false, chunks, &[0, 5])).is_ok()
    };
    assert!(allowed(&text(999), 1000, 1 << 20));
    assert!(!allowed(&text(1000), 1000, 1 << 20));
    // Of short texts nobody asks how long they are: at most 1032 times as long.
    assert!(allowed(&text(9), 1 << 20, 1032 * 20));
    assert!(!allowed(&text(9), 1 << 20, 1032 * 19));
    assert!(allowed(&chunk(b"tEXt", b"a\0text"), 0, 4));
    assert!(!allowed(&chunk(b"tEXt", b"a\0text"), 0, 3));
}
