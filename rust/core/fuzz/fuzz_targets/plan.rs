//! Any bytes through any pipeline: an error, or an output of exactly the announced size; within the limits either way.
#![no_main]

mod memory;
mod ops;

use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use torchfeed_core::{
    Error,
    batch::{Dataset, Pipeline, Pool, SampleScratch, TargetForm},
    decode::{Decoder, Limits},
    source::{Blobs, Source},
    transform::{Layout, ResizeOrder, Plan, Lookup},
};

#[global_allocator]
static MEMORY: memory::Counted = memory::Counted;

/// Of a decoded image, and of every image that a transform makes of it.
const MAX_PIXELS: u64 = 1 << 16;

/// For each pixel of an image that is decoded, gathered, resized or written: at most 24 bytes of output, 16 of samples and
/// maps; each counted twice while its block grows; coefficients of a progressive JPEG and an inflater beside it. A resize
/// has up to six weights of four bytes and as many of eight per position of the longer of two edges.
const MAX_MEMORY: usize = 128 << 20;

/// A PNG of noise.
fn png(height: u32, width: u32, color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(color);
    encoder.set_depth(depth);
    let mut writer = encoder.write_header().expect("a header");
    let row = (color.samples() * depth as usize * width as usize).div_ceil(8);
    let samples: Vec<u8> = (0..row * height as usize).map(|at| (at * at * 31 >> 3) as u8).collect();
    writer.write_image_data(&samples).expect("an image");
    writer.finish().expect("an end");
    bytes
}

/// Images that bytes alone would take long to become.
static SEEDS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../jpeg/tests/data");
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("test data").map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let bytes = paths.iter().filter(|path| path.is_file()).map(|path| std::fs::read(path).unwrap());
    let photos = bytes.filter(|bytes| bytes.len() < 1 << 14);
    use png::{BitDepth::*, ColorType::*};
    let made = [
        png(20, 30, Rgb, Eight),
        png(33, 17, Rgba, Sixteen),
        png(1, 40, Grayscale, One),
        png(5, 1, GrayscaleAlpha, Eight),
        png(1, 60_000, Grayscale, Eight),
    ];
    photos.chain(made).collect()
});

#[derive(Debug)]
struct Input {
    plan: Plan,
    seed: u64,
    occurrence: u32,
    bytes: Vec<u8>,
}

impl<'a> Arbitrary<'a> for Input {
    fn arbitrary(u: &mut Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut made = Vec::new();
        for _ in 0..u.int_in_range(0..=5)? {
            made.push(ops::op(u, 3)?);
        }
        let (element, layout) = (*u.choose(&[1, 2, 4, 8])?, *u.choose(&[Layout::ChannelsFirst, Layout::ChannelsLast])?);
        let table = (0..3 * 256 * element).map(|at| at as u8).collect();
        let resize_order = *u.choose(&[ResizeOrder::HorizontalFirst, ResizeOrder::CheaperFirst])?;
        let lookup = Lookup::new(table, 3, element, layout).expect("a table of the right size");
        let (seed, occurrence) = (u.arbitrary()?, u.arbitrary()?);
        let bytes = match u.int_in_range(0..=3)? {
            // An image with a few bytes changed.
            0 | 1 => {
                let mut bytes = u.choose(&SEEDS)?.clone();
                for _ in 0..u.int_in_range(0..=3)? {
                    let at = u.choose_index(bytes.len())?;
                    bytes[at] = u.arbitrary()?;
                }
                bytes
            }
            _ => {
                let rest = u.len();
                u.bytes(rest)?.to_vec()
            }
        };
        // Where something comes after an erasure, there is no plan.
        let mut plan = Plan::new(made, lookup, resize_order).map_err(|_| arbitrary::Error::IncorrectFormat)?;
        // Where it depends on what is drawn, no dataset takes the plan.
        let channels = plan.output_channels(3).ok_or(arbitrary::Error::IncorrectFormat)?;
        let table = (0..channels * 256 * element).map(|at| at as u8).collect();
        plan.lookup = Lookup::new(table, channels, element, layout).expect("a table of the right size");
        Ok(Self { plan, seed, occurrence, bytes })
    }
}

fuzz_target!(|input: Input| {
    let Input { plan, seed, occurrence, bytes } = input;
    let form = plan.lookup.form();
    let end = bytes.len() as u64;
    let source = Arc::new(Source::Blobs(Blobs::new(Box::new(bytes), vec![end]).expect("one file")));
    let dataset = Dataset::new(source, vec![0].into(), [plan]).expect("one label");
    let limits = Limits { max_transformed_pixels: MAX_PIXELS, ..Limits::pixels(MAX_PIXELS) };
    let decoder = Decoder { limits, ..Decoder::default() };
    let pipeline = Pipeline::new(vec![dataset], decoder, TargetForm::Class, Pool::new(0)).expect("one dataset");
    let sample = pipeline.sample(0, None).expect("sample 0");
    let mut scratch = SampleScratch::default();
    let (made, most) = memory::peak(|| {
        let mut made = None;
        let done = sample.make(seed, occurrence, &mut scratch, |_, executor, image, scratch| {
            let mut out = vec![0; executor.output_bytes()];
            executor.run(image, scratch, &mut out)?;
            made = Some((executor.output_size(), out));
            Ok(())
        });
        done.map(|()| made.expect("one view"))
    });
    assert!(most <= MAX_MEMORY, "{most} bytes");
    match made {
        Ok((size, out)) => {
            assert_eq!(out.len(), size.height * size.width * form.channels * form.element);
            if let Some(announced) = pipeline.output_size(0) {
                assert_eq!(size, announced);
            }
            // What is drawn is what was done, and the same again.
            let (input, calls) = sample.draw(seed, occurrence).expect("drawn before");
            assert_eq!(calls.iter().fold(input, |size, (_, call)| call.output_size(size)), size);
            let mut again = vec![1; out.len()];
            let done = sample.make(seed, occurrence, &mut scratch, |_, executor, image, scratch| {
                executor.run(image, scratch, &mut again)
            });
            assert!(done.is_ok() && again == out, "every byte is written, and the same with used memory");
        }
        Err(error) => match error.split() {
            (Error::Format(_) | Error::Limit(_) | Error::Parameter(_), Some(place)) => assert_eq!(place.index, 0),
            (error, place) => panic!("{error:?} at {place:?}"),
        },
    }
});
