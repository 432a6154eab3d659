use jpeg_encoder::{ColorType, SamplingFactor};

use super::*;
use crate::decode::jpeg::count_scans;

const SIZE: Size = Size::new(64, 48);
const PIXELS: u64 = 3 * 64 * 48;

fn rgb(progressive: bool) -> Vec<u8> {
    jpeg::encode(SIZE, SamplingFactor::F_1_1, ColorType::Rgb, |encoder| encoder.set_progressive(progressive))
}

/// An 8-bit gray PNG.
fn gray(interlaced: bool) -> Vec<u8> {
    let rows = png::packed(SIZE, 8, &picture(SIZE, 1), interlaced);
    png::png(SIZE, 8, 0, interlaced, b"", &rows)
}

fn limited(max_decoded_bytes: u64) -> Decoder {
    Decoder { limits: Limits { max_decoded_bytes, ..Limits::default() }, ..Decoder::default() }
}

#[test]
fn bytes_are_held_against_the_limit_before_they_are_taken() {
    // 129 bytes for each of 8 x 6 blocks of three planes.
    let coefficients = 129 * 3 * 8 * 6;
    let cases = [
        ("JPEG", rgb(false), PIXELS),
        ("progressive JPEG", rgb(true), PIXELS + coefficients),
        ("PNG", gray(false), PIXELS),
        ("interlaced PNG", gray(true), PIXELS + 64 * 48),
    ];
    for (name, bytes, needed) in cases {
        let decode = |most| {
            let mut out = Window::default();
            let result = decode_with(&limited(most), &mut DecodeScratch::default(), &bytes, None, &mut out);
            result.map_err(|error| (error, out.data.capacity()))
        };
        // A JPEG's decoder needs a little more, for itself and for a copy of the file.
        let more = if name.ends_with("JPEG") { 2 * bytes.len() as u64 + 5000 } else { 0 };
        decode(needed + more).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        let (error, capacity) = decode(needed - 1).unwrap_err();
        assert!(
            matches!(&error, Error::Limit(message) if message.contains("Limits.max_decoded_bytes")),
            "{name}: {error:?}"
        );
        assert!(capacity == 0 || name == "progressive JPEG", "{name}");
        // Whatever part is asked for.
        let corner = Rect { top: 0, left: 0, height: 1, width: 1 };
        let decoder = limited(needed - 1);
        let part = decode_with(&decoder, &mut DecodeScratch::default(), &bytes, Some(corner), &mut Window::default());
        assert!(matches!(part, Err(Error::Limit(_))), "{name}");
    }
}

#[test]
fn bytes_of_the_fallback_are_seven_for_each_pixel() {
    for (most, fits) in [(7 * 6, true), (7 * 6 - 1, false)] {
        let (mut decoder, fallback) = with_fallback(3);
        decoder.limits.max_decoded_bytes = most;
        let done = decode_with(&decoder, &mut DecodeScratch::default(), b"GIF89a", None, &mut Window::default());
        assert_eq!((done.is_ok(), fallback.calls.load(Ordering::Relaxed)), (fits, usize::from(fits)));
    }
}

#[test]
fn scans_are_counted_before_the_fallback_is_asked() {
    let size = Size::new(2, 3);
    let progressive = jpeg::encode(size, SamplingFactor::F_1_1, ColorType::Rgb, |encoder| {
        encoder.set_progressive(true);
    });
    let scans = count_scans(&progressive) as u32;
    assert!((2..20).contains(&scans), "{scans}");
    // Another decoder than ours must be asked: bytes before the first marker, which libjpeg passes over.
    let odd = [&progressive[..2], b"odd", &progressive[2..]].concat();
    assert_eq!(count_scans(&odd), u64::from(scans));
    let odd = [&progressive[..progressive.len() - 2], b"\xFF\x00\xFF\xFF\xDA"].concat();
    assert_eq!(count_scans(&odd), u64::from(scans) + 1, "fill bytes, and a file that ends within a segment");
    assert_eq!(count_scans(&[&progressive[..], b"\xFF\xDA\0\x02"].concat()), u64::from(scans), "behind the end");
    for bytes in [progressive.clone(), progressive[..progressive.len() - 2].to_vec()] {
        let (mut decoder, fallback) = with_fallback(3);
        decoder.limits.max_scans = scans - 1;
        let mut out = Window::default();
        let error = decode_with(&decoder, &mut DecodeScratch::default(), &bytes, None, &mut out).unwrap_err();
        assert!(matches!(&error, Error::Limit(message) if message.contains("max_scans")), "{error:?}");
        assert_eq!(fallback.calls.load(Ordering::Relaxed), 0);
        decoder.limits.max_scans = scans;
        decode_with(&decoder, &mut DecodeScratch::default(), &bytes, None, &mut out).unwrap();
    }
}
