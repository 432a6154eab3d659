//! Any bytes: no panic; vector and portable code agree; a region is a crop; an index changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use torchfeed_jpeg::{Decoder, Limits, Options, Output, Region, RowIndex, Scale, read_header};

fuzz_target!(|input: (u8, [u8; 4], &[u8])| {
    let (choice, corners, bytes) = input;
    let limits = Limits { max_pixels: 1 << 16, max_memory: 16 << 20, max_scans: 20 };
    let Ok(header) = read_header(bytes, &limits) else { return };
    let scale = [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth][usize::from(choice & 3)];
    let options = Options { scale, allow_truncated: choice & 4 != 0, limits, ..Options::default() };
    let (height, width) = header.size_at(scale);
    let channels = header.channels();
    let mut whole = vec![0; height * width * channels];
    let mut portable = whole.clone();
    let stride = width * channels;
    let mut decoder = Decoder::new();
    let info = decoder.decode(bytes, &header, &options, Output { pixels: &mut whole, stride });
    let other = Decoder::portable().decode(bytes, &header, &options, Output { pixels: &mut portable, stride });
    assert_eq!(info, other);
    let Ok(info) = info else { return };
    assert!(whole == portable);
    let span = |start: u8, length: u8, whole: usize| {
        let start = usize::from(start) * whole / 256;
        (start, 1 + usize::from(length) * (whole - start - 1) / 256)
    };
    let ((top, height), (left, width)) = (span(corners[0], corners[1], height), span(corners[2], corners[3], width));
    let options = Options { region: Some(Region { top, left, height, width }), ..options };
    let mut index = RowIndex::new();
    for _ in 0..2 {
        let mut part = vec![0; height * width * channels];
        let output = Output { pixels: &mut part, stride: width * channels };
        let result = decoder.decode_indexed(bytes, &header, &options, &mut index, output);
        // A region may be fine where the whole has warnings, and with skipped segments it does not see them.
        assert!(result.is_ok_and(|part| part.warnings <= info.warnings));
        for (row, part) in part.chunks(width * channels).enumerate() {
            assert!(part == &whole[(top + row) * stride + left * channels..][..width * channels]);
        }
    }
});
