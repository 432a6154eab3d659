//! Any bytes: a header within the limits or an error, and hardly any memory for it.
#![no_main]

mod memory;

use libfuzzer_sys::fuzz_target;
use torchfeed_core::{
    Error,
    decode::{Decoder, Limits, sniff},
};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

fuzz_target!(|input: (u32, &[u8])| {
    let (max_pixels, bytes) = (u64::from(input.0), input.1);
    let decoder = Decoder { limits: Limits::pixels(max_pixels), ..Decoder::default() };
    let (header, most) = memory::peak(|| decoder.header(bytes));
    // What a PNG's texts become is looked at, no more than 1 MiB of each, in memory that doubles; then there are messages.
    let text = if bytes.len() < 1016 { 0 } else { 4 << 20 };
    assert!(most < 4096 + text, "{most} bytes for a header");
    match header {
        Ok(header) => {
            let pixels = header.size.height as u64 * header.size.width as u64;
            assert!((1..=max_pixels).contains(&pixels), "{header:?} within {max_pixels} pixels");
            assert!(header.format().is_some() && header.format() == sniff(bytes));
        }
        Err(error) => assert!(matches!(error, Error::Format(_) | Error::Limit(_)), "{error:?}"),
    }
    // The limit decides on the size only: without it the same is found. (A header keeps the limits that it was read with.)
    let free = Decoder { limits: Limits::pixels(u64::MAX), ..Decoder::default() };
    match (free.header(bytes), decoder.header(bytes)) {
        (Ok(free), Ok(header)) => assert_eq!((free.format(), free.size), (header.format(), header.size)),
        (Ok(_), Err(error)) => assert!(matches!(error, Error::Limit(_)), "{error:?}"),
        (Err(_), Err(error)) => assert!(matches!(error, Error::Format(_)), "{error:?}"),
        (Err(_), Ok(header)) => panic!("{header:?} is found with a limit only"),
    }
});
