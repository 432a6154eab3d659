//! Any bytes as a PNG: an error or exactly the announced pixels; a region is a crop of the whole.
#![no_main]

mod memory;

use libfuzzer_sys::fuzz_target;
use torchfeed_core::{
    Error,
    decode::{DecodeRequest, Decoder, Format, Limits, DecodeScratch, Sink},
    image::{Rect, Window},
};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

const MAX_PIXELS: u64 = 1 << 16;

/// Eight bytes of samples and three of RGB per pixel, each counted twice while its block grows, and what the inflater
/// and the reader of chunks keep.
const MAX_MEMORY: usize = (8 + 3) * 2 * MAX_PIXELS as usize + (4 << 20);

fuzz_target!(|input: (bool, [u8; 4], &[u8])| {
    let (whole_first, corners, bytes) = input;
    let signed;
    // Half of all inputs need not find the signature first.
    let bytes = if whole_first {
        bytes
    } else {
        signed = [b"\x89PNG\r\n\x1a\n", bytes].concat();
        &signed
    };
    let decoder = Decoder { limits: Limits::pixels(MAX_PIXELS), ..Decoder::default() };
    let Ok(header) = decoder.header(bytes) else { return };
    if header.format() != Some(Format::Png) {
        return;
    }
    let size = header.size;
    let (mut scratch, mut whole, mut part) = (DecodeScratch::default(), Window::default(), Window::default());
    let all = Rect::all(size);
    let (result, most) = memory::peak(|| {
        decoder.decode(bytes, &header, &DecodeRequest::new(all), &mut scratch, Sink::Window(&mut whole))
    });
    assert!(most <= MAX_MEMORY, "{most} bytes for {size:?}");

    let span = |start: u8, length: u8, whole: usize| {
        let start = usize::from(start) * whole / 256;
        (start, 1 + usize::from(length) * (whole - start - 1) / 256)
    };
    let (top, height) = span(corners[0], corners[1], size.height);
    let (left, width) = span(corners[2], corners[3], size.width);
    let region = Rect { top, left, height, width };
    let again = decoder.decode(bytes, &header, &DecodeRequest::new(region), &mut scratch, Sink::Window(&mut part));
    match (&result, &again) {
        (Ok(()), Ok(())) => {}
        (Err(Error::Format(one)), Err(Error::Format(other))) if one == other => return,
        _ => panic!("whole: {result:?}, {region:?}: {again:?}"),
    }
    assert!(whole.size == size && whole.rect == all && whole.channels == 3);
    assert_eq!(whole.data.len(), size.height * size.width * 3);
    assert!(part.size == size && part.rect.contains(&region) && part.channels == 3);
    assert_eq!(part.data.len(), part.rect.height * part.stride());
    for y in top..top + height {
        assert!(part.view().row(y, left, width) == whole.view().row(y, left, width), "row {y}");
    }
});
