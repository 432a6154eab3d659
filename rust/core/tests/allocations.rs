//! Making a sample takes no memory from the system once a thread's buffers are as large as its samples need.
#![allow(missing_docs, reason = "tests")]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    fs,
    io::Cursor,
    sync::Arc,
};

use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use torchfeed_core::{
    batch::{Batch, Dataset, Pipeline, Pool, SampleScratch, TargetForm, one_hot::Levels},
    decode::{Decoder, RowIndexMemory},
    image::{Rect, Size, View},
    source::{Arrays, Blobs, Files, Source},
    transform::{
        self, Call, ColorCall, CropCall, CropOp, Filter, FlipCall, FlipOp, Lookup, Op, PadCall, PadMode, Padding, Plan,
        RandomCrop, RandomResizedCrop, Resize, ResizeCall, ResizeOrder, execute::Executor,
    },
};

/// The system's allocator, counting what each thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is ending has no counter any more, and is not being measured.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `run` asks for memory.
fn allocations(run: impl FnOnce()) -> usize {
    let before = COUNT.get();
    run();
    COUNT.get() - before
}

const CROP: Op = Op::Crop(CropOp::RandomResizedCrop(RandomResizedCrop {
    resize: Resize { size: Size::new(32, 32), filter: Filter::Bilinear },
    scale: (0.08, 1.0),
    ratio: (0.75, 4.0 / 3.0),
}));
const FLIP: Op = Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 });

fn pipeline<const VIEWS: usize>(source: Source, views: [Vec<Op>; VIEWS], target: TargetForm) -> Arc<Pipeline> {
    let (n, channels) = (source.len(), source.channels());
    let table = (0..channels * 256).flat_map(|value| (value as f32).to_ne_bytes()).collect();
    let lookup = Lookup::new(table, channels, 4, transform::Layout::ChannelsFirst).unwrap();
    let plans = views.map(|ops| Plan { ops, lookup: lookup.clone(), resize_order: ResizeOrder::default() });
    let labels: Vec<i64> = (0..n as i64).map(|label| label % 10).collect();
    let dataset = Dataset::new(Arc::new(source), labels.into(), plans).unwrap();
    Arc::new(Pipeline::new(vec![dataset], Decoder::default(), target, Pool::new(4)).unwrap())
}

/// Allocations in [`Batch::work`] of a second run over epochs that were made before, and those of a batch apart from it.
fn steady_state(pipeline: &Arc<Pipeline>) -> (usize, usize) {
    let mut scratch = SampleScratch::default();
    let mut epochs = || {
        let (mut work, mut rest) = (0, 0);
        for seed in 0..20 {
            let samples: Vec<_> = (0..pipeline.len()).map(|index| (index, 0)).collect();
            let mut batch = None;
            rest = allocations(|| {
                batch = Some(Batch::new(Arc::clone(pipeline), seed, samples, Vec::new(), None, false).unwrap());
            });
            let batch = batch.expect("made above");
            work += allocations(|| assert!(batch.work(&mut scratch, || true)));
            rest += allocations(|| drop(batch.finish().unwrap()));
        }
        (work, rest)
    };
    epochs();
    epochs()
}

/// A JPEG, busy enough for every code of its tables.
fn jpeg(seed: usize, configure: impl FnOnce(&mut Encoder<&mut Vec<u8>>), gray: bool) -> Vec<u8> {
    let (height, width, channels) = (40 + 7 * seed, 90 - 5 * seed, if gray { 1 } else { 3 });
    let value = |i: usize| ((i * (seed + 3)) ^ (i / width * 5)) as u8;
    let pixels: Vec<u8> = (0..height * width * channels).map(value).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 85);
    configure(&mut encoder);
    let color = if gray { ColorType::Luma } else { ColorType::Rgb };
    encoder.encode(&pixels, width as u16, height as u16, color).unwrap();
    bytes
}

/// Files of these contents, in a folder that `use_it` may read.
fn with_files(name: &str, contents: &[Vec<u8>], use_it: impl FnOnce(Source)) {
    let root = std::env::temp_dir().join(format!("torchfeed-allocations-{name}-{}", std::process::id()));
    fs::create_dir_all(&root).unwrap();
    let mut files = Files::default();
    for (number, bytes) in contents.iter().enumerate() {
        let path = root.join(number.to_string());
        fs::write(&path, bytes).unwrap();
        files.push(&[path.to_str().expect("a UTF-8 temporary folder").as_bytes()]);
    }
    use_it(Source::Files(files));
    fs::remove_dir_all(&root).unwrap();
}

#[test]
fn jpeg_files_take_none() {
    // The small tables of an encoder that optimises them differ from file to file.
    let files = [
        jpeg(0, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2), false),
        jpeg(1, |encoder| encoder.set_optimized_huffman_tables(true), false),
        jpeg(2, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_1), false),
        jpeg(3, |encoder| encoder.set_optimized_huffman_tables(true), true),
        jpeg(4, |encoder| encoder.set_restart_interval(3), false),
        jpeg(5, |encoder| encoder.set_progressive(true), false),
        jpeg(6, |encoder| encoder.add_icc_profile(&[7; 100]).unwrap(), false),
    ];
    with_files("jpeg", &files, |source| {
        let memory = RowIndexMemory::new(1 << 20);
        let plain = pipeline(source, [vec![CROP, FLIP]], TargetForm::Class);
        let parts = vec![plain.datasets()[0].clone()];
        let indexed = Pipeline::new(parts, Decoder::default(), TargetForm::Class, Pool::new(4)).unwrap();
        for pipeline in [plain, Arc::new(indexed.with_row_indexes(&memory))] {
            let (work, rest) = steady_state(&pipeline);
            assert_eq!(work, 0);
            assert!(rest <= PER_BATCH, "{rest}");
        }
        assert!(memory.in_use().0 > 0);
    });
}

/// What a batch itself takes: its own state, and for its images and its targets each an owner and a counter.
const PER_BATCH: usize = 5;

/// The `png` crate takes memory for every image; nothing else does.
#[test]
fn png_files_take_only_what_the_png_crate_takes() {
    let png = |color, depth, channels: usize| {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 40, 50);
        encoder.set_color(color);
        encoder.set_depth(depth);
        encoder.set_palette(vec![5; 3 * 16]);
        let data: Vec<u8> = (0..50 * 40 * channels * depth as usize / 8).map(|i| (i * 7) as u8).collect();
        encoder.write_header().unwrap().write_image_data(&data).unwrap();
        bytes
    };
    let files = [
        png(png::ColorType::Rgb, png::BitDepth::Eight, 3),
        png(png::ColorType::Rgba, png::BitDepth::Sixteen, 4),
        png(png::ColorType::Grayscale, png::BitDepth::Eight, 1),
        png(png::ColorType::Indexed, png::BitDepth::Four, 1),
    ];
    let theirs: usize = files.iter().map(|bytes| allocations(|| decode_png(bytes))).sum();
    with_files("png", &files, |source| {
        let (work, rest) = steady_state(&pipeline(source, [vec![CROP, FLIP]], TargetForm::Class));
        assert_eq!(work, 20 * theirs);
        assert!(rest <= PER_BATCH, "{rest}");
    });
}

/// Reads all rows, as the decode stage does.
fn decode_png(bytes: &[u8]) {
    let mut options = png::DecodeOptions::default();
    options.set_ignore_adler32(false);
    options.set_skip_ancillary_crc_failures(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut reader = png::Decoder::new_with_options(Cursor::new(bytes), options).read_info().unwrap();
    let mut row = [0; 40 * 8];
    let stride = reader.output_line_size(40).unwrap();
    while reader.read_row(&mut row[..stride]).unwrap().is_some() {}
}

#[test]
fn arrays_take_none() {
    let data: Vec<u8> = (0..10 * 32 * 32 * 3).map(|i| (i % 251) as u8).collect();
    let source = Source::Arrays(Arrays::new(Box::new(data), 10, Size::new(32, 32), 3).unwrap());
    let padding = Padding { left: 4, top: 4, right: 4, bottom: 4, fill: [0; 3], mode: PadMode::Constant };
    let crop = Op::Crop(CropOp::RandomCrop(RandomCrop { size: Size::new(32, 32), padding, pad_if_needed: false }));
    let levels = Levels::new(10, vec![1], vec![0]).unwrap();
    let (work, rest) = steady_state(&pipeline(source, [vec![crop, FLIP]], TargetForm::OneHot(levels)));
    assert_eq!(work, 0);
    assert!(rest <= PER_BATCH, "{rest}");
}

#[test]
fn passes_take_none() {
    let input = Size::new(40, 50);
    let resize = |height, width| Resize { size: Size::new(height, width), filter: Filter::Bicubic };
    let crop = Call::from(CropCall::ResizedCrop { top: 3, left: 4, crop: Size::new(20, 30), resize: resize(16, 16) });
    let white = Padding { left: 2, top: 2, right: 2, bottom: 2, fill: [255; 3], mode: PadMode::Constant };
    let resized = |height, width| Call::from(ResizeCall::Resize(resize(height, width)));
    let (flip, upside_down) = (FlipCall::HorizontalFlip {}.into(), FlipCall::VerticalFlip {}.into());
    let twice = [flip, resized(30, 20), upside_down, resized(9, 9)];
    // White is not what posterizing makes, so the padding cannot come before it.
    let posterize = ColorCall::Posterize { bits: 3 }.into();
    let solarize = ColorCall::Solarize { threshold: 99.5 }.into();
    let points = [ColorCall::Invert {}.into(), crop, posterize, PadCall::Pad(white).into(), solarize];
    let table = (0..3 * 256).flat_map(|value| (value as f32).to_ne_bytes()).collect();
    let lookup = Lookup::new(table, 3, 4, transform::Layout::ChannelsFirst).unwrap();
    let plan = Plan { ops: Vec::new(), lookup, resize_order: ResizeOrder::default() };
    let pixels: Vec<u8> = (0..input.height * input.width * 3).map(|i| (i * 7) as u8).collect();
    let mut scratch = Default::default();
    for calls in [&twice[..], &points] {
        let calls: Vec<_> = calls.iter().map(|call| (0, *call)).collect();
        let mut out = vec![0; Executor::new(&plan, &calls, input).output_bytes()];
        let mut run = || {
            let executor = Executor::new(&plan, &calls, input);
            executor.run(View::packed(input, Rect::all(input), 3, &pixels), &mut scratch, &mut out).unwrap();
        };
        run();
        assert_eq!(allocations(run), 0);
    }
}
/// Several views of an image are made from one decode, and take no memory for what is drawn for each.
#[test]
fn views_take_none() {
    let files = [
        jpeg(0, |encoder| encoder.set_sampling_factor(SamplingFactor::F_2_2), false),
        jpeg(1, |encoder| encoder.set_progressive(true), false),
    ];
    let ends = [files[0].len(), files[0].len() + files[1].len()].map(|end| end as u64).to_vec();
    let source = Source::Blobs(Blobs::new(Box::new(files.concat()), ends).unwrap());
    let pipeline = pipeline(source, [vec![CROP, FLIP], vec![FLIP, CROP], vec![CROP]], TargetForm::Class);
    let (work, rest) = steady_state(&pipeline);
    assert_eq!(work, 0);
    // Two more fields with an owner and a counter each; and lists for four fields, which are more than a batch has room for.
    assert!(rest <= PER_BATCH + 2 * 2 + LISTS, "{rest}");
}

/// The lists of a batch that have one entry for each field or view.
const LISTS: usize = 6;
