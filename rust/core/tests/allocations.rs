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
        self, BlurCall, Call, ColorCall, CropCall, CropOp, Filter, FlipCall, FlipOp, Lookup, Op, PadCall, PadMode,
        Padding, Plan, RandomCrop, RandomResizedCrop, Resize, ResizeCall, ResizeOp, ResizeOrder, ResizeTo,
        execute::Executor,
    },
};

/// The system's allocator, counting what each thread asks of it.
struct Counting;

thread_local! {
    static COUNT: Cell<usize> = const { Cell::new(0) };
    static LARGEST: Cell<usize> = const { Cell::new(0) };
}

fn count(bytes: usize) {
    // A thread that is ending has no counter any more, and is not being measured.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
    let _ = LARGEST.try_with(|largest| largest.set(largest.get().max(bytes)));
}

// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
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

/// The bytes of the largest block that `run` asks for.
fn largest(run: impl FnOnce()) -> usize {
    LARGEST.set(0);
    run();
    LARGEST.get()
}

const CROP: Op = Op::Crop(CropOp::RandomResizedCrop(RandomResizedCrop {
    resize: Resize { size: Size::new(32, 32), filter: Filter::Bilinear },
    scale: (0.08, 1.0),
    ratio: (0.75, 4.0 / 3.0),
}));
const FLIP: Op = Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 });

/// A table of 32-bit floats.
fn lookup(channels: usize) -> Lookup {
    let table = (0..channels * 256).flat_map(|value| (value as f32).to_ne_bytes()).collect();
    Lookup::new(table, channels, 4, transform::Layout::ChannelsFirst).unwrap()
}

fn pipeline<const VIEWS: usize>(source: Source, views: [Vec<Op>; VIEWS], target: TargetForm) -> Arc<Pipeline> {
    let (n, channels) = (source.len(), source.channels());
    let plans = views.map(|ops| {
        let plan = Plan { ops, lookup: lookup(channels), resize_order: ResizeOrder::default() };
        Plan { lookup: lookup(plan.output_channels(channels).expect("the same for all draws")), ..plan }
    });
    let labels: Vec<i64> = (0..n as i64).map(|label| label % 10).collect();
    let dataset = Dataset::new(Arc::new(source), labels.into(), plans).unwrap();
    Arc::new(Pipeline::new(vec![dataset], Decoder::default(), target, Pool::new(4)).unwrap())
}

const SEEDS: u64 = 20;

/// What a second run over epochs that were made before takes.
fn steady_state(pipeline: &Arc<Pipeline>) -> Steady {
    let mut scratch = SampleScratch::default();
    let mut epochs = || {
        let (mut made, mut rest, mut most) = (0, 0, 0);
        for seed in 0..SEEDS {
            let samples: Vec<_> = (0..pipeline.len()).map(|index| (index, 0)).collect();
            let mut batch = None;
            rest = allocations(|| {
                batch = Some(Batch::new(Arc::clone(pipeline), seed, samples, Vec::new(), None, false).unwrap());
            });
            let batch = batch.expect("made above");
            let block = largest(|| made += allocations(|| assert!(batch.work(&mut scratch, || true))));
            most = most.max(block);
            rest += allocations(|| drop(batch.finish().unwrap()));
        }
        Steady { work: made, rest, largest: most }
    };
    epochs();
    epochs()
}

/// Allocations in the second run over some epochs.
struct Steady {
    /// How many there are in [`Batch::work`].
    work: usize,
    /// How many a batch takes apart from it.
    rest: usize,
    /// Bytes of the largest in [`Batch::work`].
    largest: usize,
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
            let Steady { work, rest, .. } = steady_state(&pipeline);
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
        let Steady { work, rest, .. } = steady_state(&pipeline(source, [vec![CROP, FLIP]], TargetForm::Class));
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
    let Steady { work, rest, .. } = steady_state(&pipeline(source, [vec![crop, FLIP]], TargetForm::OneHot(levels)));
    assert_eq!(work, 0);
    assert!(rest <= PER_BATCH, "{rest}");
}

/// The functions of colours, filters and maps, each alone.
fn functions() -> Vec<Call> {
    let functions = [
        r#"{"adjust_brightness": {"brightness_factor": 1.5}}"#,
        r#"{"adjust_contrast": {"contrast_factor": 1.5}}"#,
        r#"{"adjust_saturation": {"saturation_factor": 1.5}}"#,
        r#"{"adjust_hue": {"hue_factor": 0.2}}"#,
        r#"{"rgb_to_grayscale": {"num_output_channels": 3}}"#,
        r#"{"autocontrast": {}}"#,
        r#"{"equalize": {}}"#,
        r#"{"adjust_sharpness": {"sharpness_factor": 1.7}}"#,
        r#"{"pil_gaussian_blur": {"radius": [2.0, 2.0]}}"#,
        r#"{"pil_box_blur": {"radius": [3.0, 700.0]}}"#,
        r#"{"rotate": {"angle": 33.0, "interpolation": 0, "expand": true, "center": null, "fill": [0, 0, 0]}}"#,
        r#"{"transform": {"matrix": [0.9, 0.2, -1.3, -0.15, 1.1, 0.7], "interpolation": 2, "fill": [1, 2, 3]}}"#,
        r#"{"transform": {"matrix": [0.9, 0.2, -1.3, -0.15, 1.1, 0.7], "interpolation": 3, "fill": [1, 2, 3]}}"#,
        r#"{"perspective": {"startpoints": null, "endpoints": null, "interpolation": 2, "fill": [0, 0, 0],
            "coefficients": [0.95, 0.1, -1.5, -0.05, 1.02, 0.25, 0.0002, -0.0003]}}"#,
    ];
    functions.map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))).to_vec()
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
    let plan = Plan { ops: Vec::new(), lookup: lookup(3), resize_order: ResizeOrder::default() };
    let pixels: Vec<u8> = (0..input.height * input.width * 3).map(|i| (i * 7) as u8).collect();
    let mut scratch = Default::default();
    let functions = functions();
    for calls in [&twice[..], &points].into_iter().chain(functions.chunks(1)) {
        let calls: Vec<_> = calls.iter().map(|call| (0, *call)).collect();
        let mut out = vec![0; Executor::new(&plan, &calls, input).output_bytes()];
        let mut run = || {
            let executor = Executor::new(&plan, &calls, input);
            executor.run(View::packed(input, Rect::all(input), 3, &pixels), &mut scratch, &mut out).unwrap();
        };
        run();
        assert_eq!(allocations(run), 0, "{calls:?}");
    }
}

/// A transform of the table of draws.
#[derive(serde::Deserialize)]
struct Row {
    ops: Vec<Op>,
}

/// Every op and composition of the table, on images of 40 x 50 pixels; but what their size refuses. Lists that are longer
/// than usual, and the places that a map along one axis reads, are small blocks; nothing is as large as a part of an image.
#[test]
fn no_op_takes_memory_for_pixels() {
    const N: usize = 3;
    const SMALL: usize = 2048;
    let resize = Resize { size: Size::new(24, 24), filter: Filter::Bilinear };
    let last = Op::Resize(ResizeOp::Resize { size: ResizeTo::Exact(resize.size), interpolation: resize.filter });
    let (mut made, mut refused, mut taking) = (0, Vec::new(), Vec::new());
    for line in include_str!("golden/draws.jsonl").lines() {
        let Row { mut ops } = serde_json::from_str(line).expect("a row of the table");
        let text = serde_json::to_string(&ops).expect("data");
        // All samples of a batch have one size. What is erased is erased at the end.
        if !text.contains("RandomErasing") {
            ops.push(last.clone());
        }
        let data: Vec<u8> = (0..N * 40 * 50 * 3).map(|i| (i * i % 251) as u8).collect();
        let source = Source::Arrays(Arrays::new(Box::new(data), N, Size::new(40, 50), 3).unwrap());
        let pipeline = pipeline(source, [ops], TargetForm::Class);
        let draws = |seed| (0..N).all(|index| pipeline.sample(index, None).unwrap().draw(seed, 0).is_ok());
        if !(0..SEEDS).all(draws) {
            refused.push(text);
            continue;
        }
        made += 1;
        let Steady { work, rest, largest } = steady_state(&pipeline);
        let each = work as f64 / (SEEDS as usize * N) as f64;
        if each > 16.0 || largest > SMALL {
            taking.push(format!("{each:.2} for each sample, {largest} bytes: {text:.200}"));
        }
        assert!(rest <= PER_BATCH, "{text}: {rest}");
    }
    assert!(taking.is_empty(), "{taking:#?}");
    assert!(made > 8 * refused.len(), "{made} ops are made, and not {refused:#?}");
}

/// The inside of a blur is as large as the image, however large the radius.
#[test]
fn a_blur_takes_memory_for_its_image_alone() {
    let size = Size::new(300, 400);
    let bytes = size.height * size.width * 3;
    let pixels: Vec<u8> = (0..bytes).map(|i| (i * 7) as u8).collect();
    let plan = Plan::new(Vec::new(), lookup(3), ResizeOrder::default()).unwrap();
    for radius in [0.3, 9.0, 700.0, 65_536.0] {
        for call in [BlurCall::PilGaussianBlur { radius: [radius; 2] }, BlurCall::PilBoxBlur { radius: [radius; 2] }] {
            let calls = [(0, call.into())];
            let executor = Executor::new(&plan, &calls, size);
            let mut out = vec![0; executor.output_bytes()];
            let most = largest(|| {
                executor
                    .run(View::packed(size, Rect::all(size), 3, &pixels), &mut Default::default(), &mut out)
                    .unwrap();
            });
            assert!((bytes..=2 * bytes).contains(&most), "{call} of {bytes} bytes takes {most} at once");
        }
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
    let Steady { work, rest, .. } = steady_state(&pipeline);
    assert_eq!(work, 0);
    // Two more fields with an owner and a counter each; and lists for four fields, which are more than a batch has room for.
    assert!(rest <= PER_BATCH + 2 * 2 + LISTS, "{rest}");
}

/// The lists of a batch that have one entry for each field or view.
const LISTS: usize = 6;
