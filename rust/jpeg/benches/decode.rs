//! Whole files, regions, scales and small files, on one thread and through the public API: `make bench-kernels`.
//!
//! The pictures are made here; `side_by_side` times photos, beside libjpeg-turbo.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use torchfeed_jpeg::{Decoder, Limits, Options, Output, Region, RowIndex, Scale, read_header};

const HEIGHT: usize = 375;
const WIDTH: usize = 500;

/// Half of the height and of the width, in the midst and not on the grid of MCUs.
const QUARTER: Region = Region { top: 93, left: 125, height: 187, width: 250 };

/// A number from 0 to 1 that is always the same for a place, and without a pattern.
fn hash(layer: u32, y: u32, x: u32) -> f32 {
    let mut bits = layer.wrapping_mul(0x9E37_79B1) ^ y.wrapping_mul(0x85EB_CA77) ^ x.wrapping_mul(0xC2B2_AE3D);
    for _ in 0..2 {
        bits = (bits ^ bits >> 15).wrapping_mul(0x2C1B_3C6D);
    }
    (bits >> 8) as f32 / (1 << 24) as f32
}

/// Values of a grid with this pitch, and straight lines in between.
fn smooth(layer: u32, pitch: u32, y: u32, x: u32) -> f32 {
    let (row, column) = (y / pitch, x / pitch);
    let [down, right] = [y, x].map(|at| (at % pitch) as f32 / pitch as f32);
    let line = |row| {
        let [a, b] = [column, column + 1].map(|column| hash(layer, row, column));
        a + (b - a) * right
    };
    line(row) + (line(row + 1) - line(row)) * down
}

/// A picture with the spectrum of a photo: half the pitch, half the contrast. Colours change more slowly than light.
fn picture(height: usize, width: usize) -> Vec<u8> {
    let octaves = |layer: u32, finest: u32, y: u32, x: u32| -> f32 {
        let pitches = (0..7).map(|octave| 64 >> octave).filter(|&pitch| pitch >= finest);
        pitches.map(|pitch| (smooth(layer + pitch, pitch, y, x) - 0.5) * pitch.max(8) as f32).sum()
    };
    let mut pixels = Vec::with_capacity(height * width * 3);
    for y in 0..height as u32 {
        for x in 0..width as u32 {
            let light = 128.0 + 2.0 * octaves(0, 1, y, x);
            pixels.extend([1000, 2000, 3000].map(|layer| (light + octaves(layer, 8, y, x)) as u8));
        }
    }
    pixels
}

fn encode(height: usize, width: usize, quality: u8, configure: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    configure(&mut encoder);
    encoder.encode(&picture(height, width), width as u16, height as u16, ColorType::Rgb).expect("a good picture");
    bytes
}

/// A photo, 4:2:0.
fn photo(configure: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    encode(HEIGHT, WIDTH, 90, |encoder| {
        encoder.set_sampling_factor(SamplingFactor::F_2_2);
        configure(encoder);
    })
}

/// Benchmarks one way of decoding, headers included, after a look at the pixels if they are known. Counts pixels of the
/// output.
fn bench(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    (decoder, bytes): (&mut Decoder, &[u8]),
    options: Options,
    mut index: Option<&mut RowIndex>,
    expected: Option<&[u8]>,
) {
    let header = read_header(bytes, &Limits::default()).expect(name);
    let (height, width) = options.region.map_or(header.size_at(options.scale), |region| (region.height, region.width));
    let stride = width * header.channels();
    let mut pixels = vec![0; height * stride];
    let mut run = |pixels: &mut Vec<u8>| {
        let header = read_header(black_box(bytes), &Limits::default()).expect(name);
        let output = Output { pixels, stride };
        let info = match index.as_deref_mut() {
            Some(index) => decoder.decode_indexed(bytes, &header, &options, index, output),
            None => decoder.decode(bytes, &header, &options, output),
        };
        assert_eq!(info.expect(name).warnings, 0, "{name}");
    };
    run(&mut pixels);
    assert!(expected.is_none_or(|expected| pixels == expected), "{name}");
    group.throughput(Throughput::Elements((height * width) as u64));
    group.bench_function(name, |b| b.iter(|| run(&mut pixels)));
}

fn whole(c: &mut Criterion) {
    let mut group = c.benchmark_group("jpeg 500 x 375");
    let (mut best, mut portable) = (Decoder::new(), Decoder::portable());
    let all = Options::default();
    let baseline = photo(|_| ());
    let (pixels, ..) = common::decode(&mut portable, &baseline, &all).expect("a good file");
    bench(&mut group, "4:2:0", (&mut best, &baseline), all, None, Some(&pixels));
    bench(&mut group, "4:2:0, portable", (&mut portable, &baseline), all, None, Some(&pixels));
    let full = photo(|encoder| encoder.set_sampling_factor(SamplingFactor::F_1_1));
    bench(&mut group, "4:4:4", (&mut best, &full), all, None, None);
    let restart = photo(|encoder| encoder.set_restart_interval(4));
    bench(&mut group, "4:2:0, restart markers", (&mut best, &restart), all, None, Some(&pixels));
    let progressive = photo(|encoder| encoder.set_progressive(true));
    bench(&mut group, "4:2:0, progressive", (&mut best, &progressive), all, None, Some(&pixels));
    group.finish();
}

fn parts(c: &mut Criterion) {
    let mut group = c.benchmark_group("jpeg part of 500 x 375");
    let mut decoder = Decoder::new();
    let file = photo(|_| ());
    let (pixels, ..) = common::decode(&mut decoder, &file, &Options::default()).expect("a good file");
    let quarter = Options { region: Some(QUARTER), ..Options::default() };
    let expected = common::crop(&pixels, WIDTH, 3, QUARTER);
    bench(&mut group, "quarter", (&mut decoder, &file), quarter, None, Some(&expected));
    let mut index = RowIndex::new();
    bench(&mut group, "quarter, with index", (&mut decoder, &file), quarter, Some(&mut index), Some(&expected));
    for (name, scale) in [("scale 1/2", Scale::Half), ("scale 1/4", Scale::Quarter), ("scale 1/8", Scale::Eighth)] {
        let options = Options { scale, ..Options::default() };
        bench(&mut group, name, (&mut decoder, &file), options, None, None);
    }
    group.finish();
}

fn small(c: &mut Criterion) {
    let mut group = c.benchmark_group("jpeg small");
    let mut decoder = Decoder::new();
    let tile = encode(32, 32, 90, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2));
    bench(&mut group, "32 x 32", (&mut decoder, &tile), Options::default(), None, None);
    for name in ["baseline-gray", "baseline-cmyk", "progressive-444-40x48"] {
        bench(&mut group, name, (&mut decoder, &common::file(name)), Options::default(), None, None);
    }
    group.finish();
}

criterion_group!(decode, whole, parts, small);
criterion_main!(decode);
