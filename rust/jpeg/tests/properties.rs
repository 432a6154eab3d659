//! What holds for every region, every scale and every file, damaged ones included.

mod common;

use std::sync::LazyLock;

use proptest::{prelude::*, sample::Index};
use torchfeed_jpeg::{Decoder, Limits, Options, Output, Region, RowIndex, read_header};

static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(common::files);

/// A region of an image of this size, from fractions.
fn region([top, left, bottom, right]: [f64; 4], (height, width): (usize, usize)) -> Region {
    let span = |a: f64, b: f64, length: usize| {
        let [a, b] = [a.min(b), a.max(b)].map(|x| (x * length as f64) as usize);
        (a.min(length - 1), (b + 1).min(length) - a.min(length - 1))
    };
    let ((top, height), (left, width)) = (span(top, bottom, height), span(left, right, width));
    Region { top, left, height, width }
}

/// 600, or as many as PROPTEST_CASES says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(600)
}

fn fractions() -> impl Strategy<Value = [f64; 4]> {
    [0.0..1.0, 0.0..1.0, 0.0..1.0, 0.0..1.0]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// A region is the same part of the whole, by every way of decoding.
    #[test]
    fn region_is_a_crop(file in any::<Index>(), corners in fractions(), scale in 0_u32..4, other in fractions(), fast in any::<bool>()) {
        let (name, bytes) = file.get(&FILES);
        let mut decoder = if fast { Decoder::new() } else { Decoder::portable() };
        let options = Options { scale: common::scale(1 << scale), ..Options::default() };
        let (whole, header, _) = common::decode(&mut decoder, bytes, &options).expect(name);
        let size = header.size_at(options.scale);
        let region = region(corners, size);
        let options = Options { region: Some(region), ..options };
        let expected = common::crop(&whole, size.1, header.channels(), region);
        let (part, _, _) = common::decode(&mut decoder, bytes, &options).expect(name);
        prop_assert!(part == expected, "{}: {:?}", name, region);

        // In strips, with and without an index.
        let row = region.width * header.channels();
        let mut index = RowIndex::new();
        for index in [None, Some(&mut index)] {
            let mut strips = Vec::new();
            decoder.decode_strips(bytes, &header, &options, index, |first, rows| {
                assert_eq!(first * row, strips.len());
                strips.extend_from_slice(rows);
            }).expect(name);
            prop_assert!(strips == expected, "{} in strips: {:?}", name, region);
        }

        // With an index, which the strips began, and the decode of another region goes on with.
        for region in [self::region(other, size), region, region] {
            let options = Options { region: Some(region), ..options };
            let stride = region.width * header.channels() + 5;
            let mut pixels = vec![0; region.height * stride];
            let output = Output { pixels: &mut pixels, stride };
            decoder.decode_indexed(bytes, &header, &options, &mut index, output).expect(name);
            let expected = common::crop(&whole, size.1, header.channels(), region);
            for (row, expected) in pixels.chunks(stride).zip(expected.chunks(stride - 5)) {
                prop_assert!(&row[..stride - 5] == expected, "{} with an index: {:?}", name, region);
            }
        }
    }

    /// Nothing in a file makes the decoder panic or fail to end, and both sets of kernels agree.
    #[test]
    fn damage_is_survived(
        file in any::<Index>(),
        flips in prop::collection::vec((any::<Index>(), any::<u8>()), 0..6),
        end in prop::option::of(any::<Index>()),
        corners in prop::option::of(fractions()),
        scale in 0_u32..4,
        allow_truncated in any::<bool>(),
    ) {
        let mut bytes = file.get(&FILES).1.clone();
        if let Some(end) = end {
            bytes.truncate(end.index(bytes.len()));
        }
        for (at, value) in flips {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] ^= value;
            }
        }
        let limits = Limits { max_pixels: 1 << 20, max_memory: 64 << 20, max_scans: 50 };
        let Ok(header) = read_header(&bytes, &limits) else { return Ok(()) };
        let scale = common::scale(1 << scale);
        let region = corners.map(|corners| region(corners, header.size_at(scale)));
        let options = Options { region, scale, allow_truncated, limits, ..Options::default() };
        let best = common::decode(&mut Decoder::new(), &bytes, &options);
        let portable = common::decode(&mut Decoder::portable(), &bytes, &options);
        prop_assert!(best == portable);
        if best.is_ok() {
            let (height, width) = region.map_or(header.size_at(scale), |region| (region.height, region.width));
            let mut pixels = vec![0; height * width * header.channels()];
            let mut index = RowIndex::new();
            for _ in 0..2 {
                let output = Output { pixels: &mut pixels, stride: width * header.channels() };
                let info = Decoder::new().decode_indexed(&bytes, &header, &options, &mut index, output);
                prop_assert!(info.is_ok());
            }
            prop_assert!(best.is_ok_and(|(best, ..)| best == pixels));
        }
    }

    #[test]
    fn noise_is_survived(noise in prop::collection::vec(any::<u8>(), 0..400)) {
        let bytes = [&[0xFF, 0xD8, 0xFF][..], &noise].concat();
        let _ = common::decode(&mut Decoder::new(), &bytes, &Options::default());
    }
}

/// A file that ends before its last marker is an error, whichever part of it is asked for.
#[test]
fn truncation_is_an_error() {
    let mut decoder = Decoder::new();
    for (name, bytes) in FILES.iter().filter(|(name, _)| !name.starts_with("damaged")) {
        for end in 0..bytes.len() - 1 {
            let region = Region { top: 0, left: 0, height: 1, width: 1 };
            for region in [None, Some(region)] {
                let options = Options { region, ..Options::default() };
                let result = common::decode(&mut decoder, &bytes[..end], &options);
                assert!(result.is_err(), "{name}: {end} of {} bytes, {region:?}", bytes.len());
            }
        }
    }
}
