use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use proptest::prelude::*;

use super::*;
use crate::decode::luma::luma;

const SAMPLINGS: [SamplingFactor; 6] = [
    SamplingFactor::F_1_1,
    SamplingFactor::F_2_1,
    SamplingFactor::F_2_2,
    SamplingFactor::F_1_2,
    SamplingFactor::F_4_1,
    SamplingFactor::F_4_2,
];

pub(super) fn encode(
    size: Size,
    sampling: SamplingFactor,
    color: ColorType,
    set: impl FnOnce(&mut Encoder<&mut Vec<u8>>),
) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    encoder.set_sampling_factor(sampling);
    set(&mut encoder);
    let channels = match color {
        ColorType::Luma => 1,
        ColorType::Rgb => 3,
        _ => 4,
    };
    let pixels = picture(size, channels);
    encoder.encode(&pixels, size.width as u16, size.height as u16, color).unwrap();
    bytes
}

fn jpeg(size: Size, sampling: SamplingFactor) -> Vec<u8> {
    encode(size, sampling, ColorType::Rgb, |_| {})
}

proptest! {
    #[test]
    fn region_is_a_crop_of_the_whole(
        (height, width) in (1..160_usize, 1..160_usize),
        sampling in 0..SAMPLINGS.len(),
        variant in 0..6_usize,
        fractions in prop::array::uniform4(0.0..1.0),
    ) {
        let size = Size::new(height, width);
        let sampling = SAMPLINGS[sampling];
        let bytes = match variant {
            1 => encode(size, sampling, ColorType::Rgb, |encoder| encoder.set_progressive(true)),
            2 => encode(size, sampling, ColorType::Rgb, |encoder| encoder.set_restart_interval(3)),
            3 => encode(size, sampling, ColorType::Luma, |encoder| encoder.set_optimized_huffman_tables(true)),
            4 => encode(size, sampling, ColorType::Cmyk, |_| {}),
            5 => encode(size, sampling, ColorType::CmykAsYcck, |_| {}),
            _ => jpeg(size, sampling),
        };
        let whole = decode(&bytes, None).unwrap();
        let part = decode(&bytes, Some(region(size, fractions))).unwrap();
        prop_assert_eq!(crop(&whole, part.rect), part.data);
    }
}

#[test]
fn lossy_but_near() {
    let size = Size::new(90, 70);
    let mut bytes = Vec::new();
    let encoder = Encoder::new(&mut bytes, 100);
    encoder.encode(&picture(size, 3), 70, 90, ColorType::Rgb).unwrap();
    let all = decode(&bytes, None).unwrap();
    let worst = all.data.iter().zip(picture(size, 3)).map(|(&a, b)| a.abs_diff(b)).max().unwrap();
    assert!(worst <= 6, "{worst}");
}

#[test]
fn small_regions_are_decoded_alone() {
    let bytes = jpeg(Size::new(200, 300), SamplingFactor::F_2_2);
    let rect = Rect { top: 50, left: 160, height: 60, width: 32 };
    assert_eq!(decode(&bytes, Some(rect)).unwrap().rect, rect);
}

#[test]
fn limits_are_checked_before_anything_is_decoded() {
    // The start of a file that claims to be as large as a JPEG can be, with no pixel behind it.
    let frame = b"\xFF\xD8\xFF\xC0\0\x0B\x08\xFF\xDC\xFF\xDC\x01\x01\x11\0\xFF\xDA\0\x08\x01\x01\0\0\x3F\0";
    let error = Decoder::default().header(frame).unwrap_err();
    assert!(matches!(&error, Error::Limit(message) if message.contains("65500 x 65500")), "{error}");
}

#[test]
fn every_truncation_is_an_error() {
    let size = Size::new(96, 80);
    let top = Some(Rect { top: 0, left: 0, height: 1, width: 80 });
    for progressive in [false, true] {
        let bytes = encode(size, SamplingFactor::F_2_2, ColorType::Rgb, |encoder| encoder.set_progressive(progressive));
        assert!(decode(&bytes, top).is_ok());
        for length in 0..bytes.len() {
            // Zeros are what an interrupted download leaves in a file of the right size.
            let padded = [&bytes[..length], &[0; 40]].concat();
            assert!(decode(&bytes[..length], top).is_err(), "{length} of {}", bytes.len());
            assert!(decode(&padded, top).is_err(), "{length} of {}, padded", bytes.len());
        }
    }
}

#[test]
fn bytes_after_the_end_are_no_error() {
    let bytes = jpeg(Size::new(30, 40), SamplingFactor::F_2_2);
    let longer = [&bytes[..], &[1; 1000]].concat();
    assert_eq!(decode(&longer, None).unwrap(), decode(&bytes, None).unwrap());
}

#[test]
fn an_error_does_not_spoil_the_next_image() {
    let good = jpeg(Size::new(30, 40), SamplingFactor::F_2_2);
    let expected = decode(&good, None).unwrap();
    let (decoder, mut scratch, mut out) = (Decoder::default(), DecodeScratch::default(), Window::default());
    let failures = (2..good.len()).filter(|&at| {
        let mut bad = good.clone();
        bad[at] = bad[at].wrapping_add(100);
        let failed = decode_with(&decoder, &mut scratch, &bad, None, &mut out).is_err();
        decode_with(&decoder, &mut scratch, &good, None, &mut out).unwrap();
        assert_eq!(out, expected, "after a change of byte {at}");
        failed
    });
    assert!(failures.count() > 100);
}

#[test]
fn warnings_go_to_the_fallback() {
    let size = Size::new(2, 3);
    let good = jpeg(size, SamplingFactor::F_1_1);
    let (decoder, fallback) = with_fallback(3);
    let (mut scratch, mut out) = (DecodeScratch::default(), Window::default());
    decode_with(&decoder, &mut scratch, &good, None, &mut out).unwrap();
    assert_eq!(fallback.calls.load(Ordering::Relaxed), 0);
    // All of the entropy-coded data is missing: libjpeg warns and makes up the pixels.
    let scan = good.windows(2).position(|pair| pair == [0xFF, 0xDA]).unwrap();
    let empty = [&good[..scan + 14], &[0xFF, 0xD9]].concat();
    decode_with(&decoder, &mut scratch, &empty, None, &mut out).unwrap();
    assert_eq!((fallback.calls.load(Ordering::Relaxed), out.data[0]), (1, 7));
}

#[test]
fn exotic_frames_go_to_the_fallback() {
    let good = jpeg(Size::new(2, 3), SamplingFactor::F_1_1);
    let at = good.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    let (decoder, _) = with_fallback(3);
    // Lossless, arithmetic coding, 12 bits, no rows, two components.
    for (offset, byte) in [(1, 0xC3), (1, 0xC9), (4, 12), (6, 0), (9, 2)] {
        let mut bytes = good.clone();
        bytes[at + offset] = byte;
        assert_eq!(decoder.header(&bytes).unwrap().format(), None, "{byte:#x} at {offset}");
        assert!(matches!(decode(&bytes, None), Err(Error::Format(_))));
    }
}

/// The smaller size of an image that is decoded at 1/`denominator`.
fn size_at(size: Size, denominator: usize) -> Size {
    Size::new(size.height.div_ceil(denominator), size.width.div_ceil(denominator))
}

/// What a fast decoder makes of `region` of `bytes` at 1/`denominator`, with a row index in `rows`.
fn scaled(bytes: &[u8], denominator: usize, region: Option<Rect>, rows: Option<RowIndexEntry<'_>>) -> Result<Window> {
    let decoder = Decoder { fast: true, ..Decoder::default() };
    let header = decoder.header(bytes).unwrap();
    let size = size_at(header.size, denominator);
    let request = DecodeRequest { denominator, rows, ..DecodeRequest::new(region.unwrap_or(Rect::all(size))) };
    let mut out = Window::default();
    decoder.decode(bytes, &header, &request, &mut DecodeScratch::default(), Sink::Window(&mut out))?;
    assert_eq!((out.size, out.rect, out.channels), (size, request.region, 3));
    Ok(out)
}

proptest! {
    #[test]
    fn region_of_a_smaller_image_is_a_crop_of_it(
        (height, width) in (1..160_usize, 1..160_usize),
        sampling in 0..SAMPLINGS.len(),
        denominator in prop::sample::select(&[2_usize, 4, 8][..]),
        fractions in prop::array::uniform4(0.0..1.0),
    ) {
        let bytes = jpeg(Size::new(height, width), SAMPLINGS[sampling]);
        let whole = scaled(&bytes, denominator, None, None).unwrap();
        let rect = region(whole.size, fractions);
        prop_assert_eq!(&crop(&whole, rect), &scaled(&bytes, denominator, Some(rect), None).unwrap().data);
        // With a row index, which the first of them begins.
        let indexes = RowIndexes::new(1, 1 << 16).unwrap();
        for _ in 0..3 {
            let rows = Some(RowIndexEntry { indexes: &indexes, at: 0 });
            prop_assert_eq!(&crop(&whole, rect), &scaled(&bytes, denominator, Some(rect), rows).unwrap().data);
        }
    }

    #[test]
    fn strips_and_modes_are_of_the_same_pixels(
        (height, width) in (1..90_usize, 1..90_usize),
        variant in 0..3_usize,
        fractions in prop::array::uniform4(0.0..1.0),
    ) {
        let size = Size::new(height, width);
        let color = [ColorType::Rgb, ColorType::Luma, ColorType::Cmyk][variant];
        let bytes = encode(size, SamplingFactor::F_2_2, color, |_| {});
        let (decoder, region) = (Decoder::default(), region(size, fractions));
        let rgb = in_mode(&decoder, &bytes, Mode::Rgb, Some(region)).unwrap();
        let gray = in_mode(&decoder, &bytes, Mode::Gray, Some(region)).unwrap();
        prop_assert_eq!((gray.size, gray.rect, gray.channels), (size, region, 1));
        let lumas: Vec<u8> = rgb.data.as_chunks().0.iter().map(|&pixel| luma(pixel)).collect();
        prop_assert_eq!(&gray.data, &lumas);
        for (mode, window) in [(Mode::Rgb, rgb), (Mode::Gray, gray)] {
            let (header, request) = (decoder.header(&bytes).unwrap(), DecodeRequest { mode, ..DecodeRequest::new(region) });
            let mut all = Vec::new();
            let mut receive = |first: usize, strip: &[u8]| {
                assert_eq!(all.len(), first * window.stride());
                all.extend_from_slice(strip);
            };
            let sink = Sink::Strips(&mut receive);
            decoder.decode(&bytes, &header, &request, &mut DecodeScratch::default(), sink).unwrap();
            prop_assert_eq!(&all, &window.data);
        }
    }
}

#[test]
fn only_what_is_offered_is_done() {
    let size = Size::new(40, 40);
    let good = jpeg(size, SamplingFactor::F_2_2);
    assert!(scaled(&good, 8, None, None).is_ok());
    let refused = |result: Result<Window>| matches!(result, Err(Error::Parameter(_)));
    assert!(refused(scaled(&good, 3, None, None)));
    assert!(refused(scaled(&good, 2, Some(Rect { top: 0, left: 0, height: 21, width: 1 }), None)));
    assert!(refused(scaled(&super::png::gray(size), 2, None, None)));
    let exact = Decoder::default();
    assert!(refused(in_mode(&exact, &good, Mode::Index, None)));
    // A decoder that is not fast.
    let header = exact.header(&good).unwrap();
    assert_eq!(exact.offer(&header).denominators, [0; 0]);
    let request = DecodeRequest { denominator: 2, ..DecodeRequest::new(Rect::all(Size::new(20, 20))) };
    let mut out = Window::default();
    let done = exact.decode(&good, &header, &request, &mut DecodeScratch::default(), Sink::Window(&mut out));
    assert!(refused(done.map(|()| out)));
    // A PNG in strips.
    let bytes = super::png::gray(size);
    let (header, request) = (exact.header(&bytes).unwrap(), DecodeRequest::new(Rect::all(size)));
    let strips = Sink::Strips(&mut |_, _| panic!("no strips are offered"));
    let done = exact.decode(&bytes, &header, &request, &mut DecodeScratch::default(), strips);
    assert!(refused(done.map(|()| Window::default())));
}

#[test]
fn the_fallback_is_asked_about_a_damaged_file_only_at_full_size_and_whole() {
    let size = Size::new(2, 3);
    let good = jpeg(size, SamplingFactor::F_1_1);
    let damaged = &good[..good.len() - 2]; // without its end
    let (decoder, fallback) = with_fallback(3);
    let decoder = Decoder { fast: true, ..decoder };
    let header = decoder.header(damaged).unwrap();
    let decode = |request: DecodeRequest<'_>, sink: Sink<'_>| {
        let done = decoder.decode(damaged, &header, &request, &mut DecodeScratch::default(), sink);
        (done.map_err(|error| matches!(error, Error::Format(_))), fallback.calls.load(Ordering::Relaxed))
    };
    let (all, mut out) = (DecodeRequest::new(Rect::all(size)), Window::default());
    let half = DecodeRequest { denominator: 2, ..DecodeRequest::new(Rect::all(size_at(size, 2))) };
    assert_eq!(decode(half, Sink::Window(&mut out)), (Err(true), 0));
    assert_eq!(decode(all, Sink::Strips(&mut |_, _| {})), (Err(true), 0));
    assert_eq!(decode(all, Sink::Window(&mut out)), (Ok(()), 1));
    assert_eq!(out.data, [7; 18]);
}
