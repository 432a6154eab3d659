//! Any bytes through any pipeline: an error, or an output of exactly the announced size; within the limits either way.
#![no_main]

mod memory;

use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use torchfeed_core::{
    Error,
    batch::{Dataset, Pipeline, Pool, Scratch, TargetForm},
    decode::{Decoder, Limits},
    image::Size,
    source::{Blobs, Source},
    transform::{
        Filter, Layout, Op, PadMode, Padding, PassOrder, Plan, RandomChoice, RandomCrop, RandomResizedCrop, Resize,
        Tail, Target,
    },
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
        let mut ops = Vec::new();
        for _ in 0..u.int_in_range(0..=5)? {
            ops.push(op(u, 2)?);
        }
        let (element, layout) = (*u.choose(&[1, 2, 4, 8])?, *u.choose(&[Layout::ChannelsFirst, Layout::ChannelsLast])?);
        let table = (0..3 * 256 * element).map(|at| at as u8).collect();
        let pass_order = *u.choose(&[PassOrder::HorizontalFirst, PassOrder::CheaperFirst])?;
        let tail = Tail::new(table, 3, element, layout).expect("a table of the right size");
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
        Ok(Self { plan: Plan { ops, tail, pass_order }, seed, occurrence, bytes })
    }
}

/// Mostly what fits an image; sometimes anything.
fn edge(u: &mut Unstructured<'_>) -> arbitrary::Result<usize> {
    Ok(match u.int_in_range(0..=15)? {
        0 => u.arbitrary::<usize>()?,
        1 => u.arbitrary::<u16>()?.into(),
        _ => u.int_in_range(0..=96)?,
    })
}

fn size(u: &mut Unstructured<'_>) -> arbitrary::Result<Size> {
    Ok(Size::new(edge(u)?, edge(u)?))
}

fn padding(u: &mut Unstructured<'_>) -> arbitrary::Result<Padding> {
    let mut side = || match u.int_in_range(0..=15)? {
        0 => u.arbitrary::<isize>(),
        1 => Ok(u.arbitrary::<i16>()?.into()),
        _ => u.int_in_range(-8..=24),
    };
    let [left, top, right, bottom] = [side()?, side()?, side()?, side()?];
    let mode = *u.choose(&[PadMode::Constant, PadMode::Edge, PadMode::Reflect, PadMode::Symmetric])?;
    Ok(Padding { left, top, right, bottom, fill: u.arbitrary()?, mode })
}

fn filter(u: &mut Unstructured<'_>) -> arbitrary::Result<Filter> {
    let all = [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];
    Ok(*u.choose(&all)?)
}

fn pair(u: &mut Unstructured<'_>, usual: (f64, f64)) -> arbitrary::Result<(f64, f64)> {
    if u.ratio(3, 4)? { Ok(usual) } else { u.arbitrary() }
}

fn branches(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Vec<Vec<Op>>> {
    (0..u.int_in_range(0..=3)?).map(|_| (0..u.int_in_range(0..=2)?).map(|_| op(u, depth)).collect()).collect()
}

fn op(u: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Op> {
    let chance = |u: &mut Unstructured<'_>| if u.ratio(7, 8)? { Ok(0.5) } else { u.arbitrary() };
    let most = if depth > 0 { 10 } else { 7 };
    Ok(match u.int_in_range(0..=most)? {
        0 => Op::Resize { target: Target::Exact(size(u)?), filter: filter(u)? },
        1 => {
            let max = if u.arbitrary()? { Some(edge(u)?) } else { None };
            Op::Resize { target: Target::Smaller { edge: edge(u)?, max }, filter: filter(u)? }
        }
        2 => Op::CenterCrop(size(u)?),
        3 => Op::RandomCrop(RandomCrop { size: size(u)?, padding: padding(u)?, pad_if_needed: u.arbitrary()? }),
        4 => Op::RandomResizedCrop(RandomResizedCrop {
            resize: Resize { size: size(u)?, filter: filter(u)? },
            scale: pair(u, (0.08, 1.0))?,
            ratio: pair(u, (0.75, 4.0 / 3.0))?,
        }),
        5 => Op::RandomHorizontalFlip { p: chance(u)? },
        6 => Op::RandomVerticalFlip { p: chance(u)? },
        7 => Op::Pad(padding(u)?),
        8 => Op::RandomApply { p: chance(u)?, ops: branches(u, depth - 1)?.concat() },
        9 => {
            let branches = branches(u, depth - 1)?;
            let weights: Vec<f64> = branches.iter().map(|_| chance(u)).collect::<arbitrary::Result<_>>()?;
            match RandomChoice::new(&weights, branches) {
                Ok(choice) => Op::RandomChoice(choice),
                Err(_) => Op::RandomOrder(Vec::new()),
            }
        }
        _ => Op::RandomOrder(branches(u, depth - 1)?),
    })
}

fuzz_target!(|input: Input| {
    let Input { plan, seed, occurrence, bytes } = input;
    let form = plan.tail.form();
    let end = bytes.len() as u64;
    let source = Arc::new(Source::Blobs(Blobs::new(Box::new(bytes), vec![end]).expect("one file")));
    let dataset = Dataset::new(source, vec![0].into(), [plan]).expect("one label");
    let limits = Limits { max_transformed_pixels: MAX_PIXELS, ..Limits::pixels(MAX_PIXELS) };
    let decoder = Decoder { limits, ..Decoder::default() };
    let pipeline = Pipeline::new(vec![dataset], decoder, TargetForm::Class, Pool::new(0)).expect("one dataset");
    let sample = pipeline.sample(0, None).expect("sample 0");
    let mut scratch = Scratch::default();
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
