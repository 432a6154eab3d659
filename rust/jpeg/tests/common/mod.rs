//! The small files in `data/`, and what tests do with them.
#![allow(dead_code)]

use std::path::Path;

use torchfeed_jpeg::{Decoder, Error, Header, Info, Limits, Options, Output, Region, Scale, read_header};

/// Name and bytes of all files.
pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(directory().join("data"))
        .expect("tests/data")
        .map(|entry| {
            let path = entry.expect("an entry").path();
            (path.file_stem().expect("a name").to_string_lossy().into_owned(), std::fs::read(path).expect("a file"))
        })
        .collect();
    files.sort();
    files
}

/// Bytes of one file.
pub(crate) fn file(name: &str) -> Vec<u8> {
    std::fs::read(directory().join(format!("data/{name}.jpg"))).expect("a file")
}

/// `tests`.
pub(crate) fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests"))
}

/// What `scale` is called in `golden.txt`.
pub(crate) fn scale(denominator: usize) -> Scale {
    [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth][denominator.ilog2() as usize]
}

/// Pixels without gaps, and what else is known.
pub(crate) fn decode(decoder: &mut Decoder, bytes: &[u8], options: &Options) -> Result<(Vec<u8>, Header, Info), Error> {
    let header = read_header(bytes, &Limits { max_pixels: 1 << 20, ..Limits::default() })?;
    let (height, width) = options.region.map_or(header.size_at(options.scale), |region| (region.height, region.width));
    let stride = width * header.channels();
    let mut pixels = vec![0; height * stride];
    let info = decoder.decode(bytes, &header, options, Output { pixels: &mut pixels, stride })?;
    Ok((pixels, header, info))
}

/// The same part of pixels that are `width` to a row.
pub(crate) fn crop(pixels: &[u8], width: usize, channels: usize, region: Region) -> Vec<u8> {
    let rows = pixels.chunks_exact(width * channels).skip(region.top).take(region.height);
    rows.flat_map(|row| &row[region.left * channels..][..region.width * channels]).copied().collect()
}

/// FNV-1a of 64 bits, as `make_data.py` has it.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    let step = |hash: u64, &byte: &u8| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}
