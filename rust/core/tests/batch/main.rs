//! Batches: the same for any number of threads, errors in order, panics reported, threads joined.

mod claims;
mod interrupt;
mod memory;
mod order;
mod parts;
mod rows;
mod views;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use torchfeed_core::{
    Error, Result,
    batch::{Dataset, Epoch, Finished, Pipeline, Pool, Request, TargetForm, one_hot::Levels},
    decode::{Decoder, Fallback},
    image::{Size, Window},
    source::{Arrays, Blobs, Source},
    transform::{
        CropOp, Filter, FlipOp, Layout, Lookup, Op, PadMode, PadOp, Padding, Plan, RandomCrop, ResizeOp, ResizeOrder,
        ResizeTo,
    },
};

const CROP: Op = Op::Crop(CropOp::RandomCrop(RandomCrop {
    size: Size::new(5, 5),
    padding: Padding { left: 2, top: 2, right: 2, bottom: 2, fill: [0; 3], mode: PadMode::Constant },
    pad_if_needed: false,
}));

fn plan(ops: Vec<Op>, channels: usize) -> Plan {
    let table = (0..channels).flat_map(|_| 0..=255).collect();
    let lookup = Lookup::new(table, channels, 1, Layout::ChannelsFirst).unwrap();
    Plan { ops, lookup, resize_order: ResizeOrder::default() }
}

/// `n` gray images of 6 x 6 pixels, each pixel different from its neighbours.
fn arrays(n: usize) -> Source {
    let data: Vec<u8> = (0..n * 36).map(|i| (i * 7 % 251) as u8).collect();
    Source::Arrays(Arrays::new(Box::new(data), n, Size::new(6, 6), 1).unwrap())
}

fn pipeline(source: Source, ops: Vec<Op>, target: TargetForm, decoder: Decoder) -> Arc<Pipeline> {
    let (n, channels) = (source.len(), source.channels());
    let dataset = Dataset::new(Arc::new(source), (0..n as i64).collect(), [plan(ops, channels)]).unwrap();
    Arc::new(Pipeline::new(vec![dataset], decoder, target, Pool::new(usize::MAX)).unwrap())
}

fn wait(epoch: &mut Epoch) -> Result<Finished> {
    while epoch.wait(Duration::from_millis(20), true)?.is_none() {}
    epoch.take(0)
}

fn bytes(memory: &torchfeed_core::batch::Memory) -> Vec<u8> {
    // SAFETY: the batch is finished, so nobody writes to its memory any more.
    unsafe { std::slice::from_raw_parts(memory.start().as_ptr(), memory.len()) }.to_vec()
}

/// The bytes of all images.
fn images(done: &Finished) -> Vec<u8> {
    bytes(&done.fields[0].memory)
}

/// The bytes of all targets.
fn targets(done: &Finished) -> Vec<u8> {
    bytes(&done.fields.last().unwrap().memory)
}

/// The size of every image.
fn image_size(done: &Finished) -> Size {
    done.fields[0].size.unwrap()
}

#[test]
fn batches_do_not_depend_on_threads_or_cuts() {
    let ops = vec![CROP, Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 })];
    let pipeline = pipeline(arrays(40), ops, TargetForm::Class, Decoder::default());
    let run = |workers, size| {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 5, workers).unwrap();
        // Every index twice: its second occurrence must be drawn anew.
        let indices: Vec<usize> = (0..40).chain(0..40).collect();
        indices.chunks(size).for_each(|chunk| epoch.submit(chunk).unwrap());
        let mut all = (Vec::new(), Vec::new());
        while epoch.pending() > 0 {
            let done = wait(&mut epoch).unwrap();
            all.0.extend(images(&done));
            all.1.extend(targets(&done));
        }
        all
    };
    let expected = run(0, 1);
    for (workers, size) in [(0, 7), (1, 80), (2, 7), (5, 3)] {
        assert_eq!(run(workers, size), expected, "{workers} workers, batches of {size}");
    }
    let (first, second) = expected.0.split_at(40 * 25);
    assert_ne!(first, second);
}

#[test]
fn the_first_bad_sample_is_reported_and_the_epoch_goes_on() {
    let good = png();
    let files = [good.clone(), b"junk".to_vec(), good.clone(), b"junk too".to_vec()].concat();
    let ends = [good.len(), good.len() + 4, 2 * good.len() + 4, files.len()].map(|end| end as u64).to_vec();
    let source = Source::Blobs(Blobs::new(Box::new(files), ends).unwrap());
    let pipeline = pipeline(source, vec![], TargetForm::Class, Decoder::default());
    for workers in [0, 1, 3] {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, workers).unwrap();
        epoch.submit(&[0, 2, 3, 1]).unwrap();
        epoch.submit(&[0, 2]).unwrap();
        let (error, place) = wait(&mut epoch).unwrap_err().split();
        assert!(matches!(error, Error::Format(_)), "{error:?}");
        assert_eq!(place.unwrap().index, 3);
        let done = wait(&mut epoch).unwrap();
        assert_eq!((done.len, image_size(&done)), (2, Size::new(3, 4)));
        assert!(matches!(epoch.submit(&[4]), Err(Error::Parameter(_))));
    }
}

/// Images of the sizes (3, 4), of which the second and the fourth are none.
fn half_broken_files() -> (Source, Decoder) {
    let good = png();
    let files = [good.clone(), b"junk".to_vec(), good.clone(), b"junk too".to_vec()].concat();
    let ends = [good.len(), good.len() + 4, 2 * good.len() + 4, files.len()].map(|end| end as u64).to_vec();
    (Source::Blobs(Blobs::new(Box::new(files), ends).unwrap()), Decoder::default())
}

/// The same, transformed: with a crop the size is known before.
fn half_broken(ops: Vec<Op>, decoder: Decoder) -> Arc<Pipeline> {
    pipeline(half_broken_files().0, ops, TargetForm::Class, decoder)
}

#[test]
fn a_tolerant_batch_names_all_that_failed_and_makes_the_others() {
    let crop = Op::Crop(CropOp::CenterCrop { size: Size::new(2, 2) });
    for (ops, size) in [(vec![], Size::new(3, 4)), (vec![crop], Size::new(2, 2))] {
        let known = !ops.is_empty();
        let pipeline = half_broken(ops, Decoder::default());
        for workers in [0, 1, 3] {
            let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, workers).unwrap();
            for indices in [&[1, 2, 3, 0][..], &[2, 0], &[3, 1]] {
                epoch.submit(Request { tolerant: true, ..Request::from(indices) }).unwrap();
            }
            let [some, none, all] = [(); 3].map(|()| wait(&mut epoch).unwrap());
            let positions = |done: &Finished| done.failures.iter().map(|(position, _)| *position).collect::<Vec<_>>();
            assert_eq!((positions(&some), positions(&none), positions(&all)), (vec![0, 2], vec![], vec![0, 1]));
            assert_eq!((some.len, image_size(&some), image_size(&none)), (4, size, size));
            let image = size.height * size.width * 3;
            // One after the other: sample 2 at positions 1 and 0, sample 0 at 3 and 1.
            assert_eq!(images(&some)[image..2 * image], images(&none)[..image]);
            assert_eq!(images(&some)[3 * image..], images(&none)[image..]);
            assert_eq!(image_size(&all), if known { size } else { Size::new(0, 0) });
            assert_eq!(images(&all).len(), 2 * image_size(&all).height * image_size(&all).width * 3);
            let (position, error) = &some.failures[0];
            assert!(matches!(error, Error::Sample { place, .. } if place.index == 1), "{position}: {error:?}");
        }
    }
}

#[test]
fn what_this_library_is_to_blame_for_ends_a_tolerant_batch_too() {
    let pipeline = half_broken(vec![], Decoder { fallback: Some(Arc::new(Panics)), ..Decoder::default() });
    let mut epoch = Epoch::new(pipeline, 0, 2).unwrap();
    epoch.submit(Request { tolerant: true, ..Request::from(&[0, 1]) }).unwrap();
    assert!(wait(&mut epoch).unwrap_err().is_panic());
}

#[derive(Debug)]
struct Panics;

impl Fallback for Panics {
    fn size(&self, _: &[u8]) -> Result<Size> {
        panic!("deliberate")
    }
    fn decode(&self, _: &[u8], _: &mut Window) -> Result<()> {
        unreachable!()
    }
}

#[test]
fn a_panic_becomes_an_error_at_the_consumer() {
    let good = png();
    let files = [b"odd".to_vec(), good.clone()].concat();
    let source = Source::Blobs(Blobs::new(Box::new(files), vec![3, 3 + good.len() as u64]).unwrap());
    let decoder = Decoder { fallback: Some(Arc::new(Panics)), ..Decoder::default() };
    let pipeline = pipeline(source, vec![], TargetForm::Class, decoder);
    for workers in [0, 2] {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, workers).unwrap();
        epoch.submit(&[0]).unwrap();
        epoch.submit(&[1]).unwrap();
        let (error, place) = wait(&mut epoch).unwrap_err().split();
        assert!(matches!(&error, Error::Panic(message) if message == "deliberate"), "{error:?}");
        assert_eq!(place.unwrap().index, 0);
        assert_eq!(wait(&mut epoch).unwrap().len, 1);
    }
}

/// Pixels that cannot be had the first time that somebody wants them: when a thread asks for the next sample's to be
/// brought into the cache, before it begins with the one that it has.
struct PanicsOnce {
    pixels: Vec<u8>,
    armed: Arc<AtomicBool>,
}

impl AsRef<[u8]> for PanicsOnce {
    fn as_ref(&self) -> &[u8] {
        assert!(!self.armed.swap(false, Ordering::Relaxed), "deliberate");
        &self.pixels
    }
}

#[test]
fn a_panic_right_after_a_claim_is_an_error_of_that_sample() {
    let armed = Arc::new(AtomicBool::new(false));
    let pixels = PanicsOnce { pixels: vec![7; 6 * 36], armed: Arc::clone(&armed) };
    let source = Source::Arrays(Arrays::new(Box::new(pixels), 6, Size::new(6, 6), 1).unwrap());
    let pipeline = pipeline(source, vec![], TargetForm::Class, Decoder::default());
    for workers in [0, 1, 2] {
        for tolerant in [false, true] {
            let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, workers).unwrap();
            armed.store(true, Ordering::Relaxed);
            epoch.submit(Request { tolerant, ..Request::from(&[4, 5, 3]) }).unwrap();
            let (error, place) = wait(&mut epoch).unwrap_err().split();
            assert!(matches!(&error, Error::Panic(message) if message == "deliberate"), "{error:?}");
            assert_eq!(place.unwrap().index, 4, "{workers} workers");
            epoch.submit(&[0, 1, 2]).unwrap();
            assert_eq!(images(&wait(&mut epoch).unwrap()), [7; 3 * 36], "the threads go on");
        }
    }
}

#[test]
fn one_hot_rows_and_unknown_labels() {
    let levels = Levels::new(3, vec![1], vec![0]).unwrap();
    let pipeline = pipeline(arrays(4), vec![], TargetForm::OneHot(levels), Decoder::default());
    let mut epoch = Epoch::new(pipeline, 0, 2).unwrap();
    epoch.submit(&[2, 0]).unwrap();
    assert_eq!(targets(&wait(&mut epoch).unwrap()), [0, 0, 1, 1, 0, 0]);
    epoch.submit(&[3]).unwrap();
    let error = wait(&mut epoch).unwrap_err();
    assert!(error.to_string().contains("label 3 is out of range for 3 classes [sample 3]"), "{error}");
}

/// Threads take several samples of pixels in memory at once, so a later one may fail before an earlier one is made.
#[test]
fn the_first_bad_label_is_reported_however_samples_are_shared_out() {
    let side = 64;
    let data = Box::new(vec![7; 256 * side * side]);
    let source = Source::Arrays(Arrays::new(data, 256, Size::new(side, side), 1).unwrap());
    let levels = TargetForm::OneHot(Levels::new(200, vec![1], vec![0]).unwrap());
    let pipeline = pipeline(source, vec![], levels, Decoder::default());
    // Labels are the indices: from 200 on there is no class.
    let indices: Vec<usize> = (0..300).map(|i| if i % 5 == 4 { 255 - i / 5 % 50 } else { i % 200 }).collect();
    for workers in [0, 1, 3] {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, workers).unwrap();
        for _ in 0..50 {
            epoch.submit(&indices[..]).unwrap();
            let (_, place) = wait(&mut epoch).unwrap_err().split();
            assert_eq!(place.unwrap().index, 255, "{workers} workers");
        }
    }
}

#[test]
fn an_epoch_dropped_in_the_middle_joins_its_threads() {
    let pipeline = pipeline(arrays(1000), vec![CROP], TargetForm::Class, Decoder::default());
    for _ in 0..20 {
        let mut epoch = Epoch::new(Arc::clone(&pipeline), 0, 4).unwrap();
        for start in (0..1000).step_by(100) {
            epoch.submit(&(start..start + 100).collect::<Vec<_>>()[..]).unwrap();
        }
        let _ = epoch.wait(Duration::ZERO, true);
    }
    // Each thread holds its batch, and each batch the pipeline: joined threads hold none.
    assert_eq!(Arc::strong_count(&pipeline), 1);
}

/// A few bytes may be a long line of pixels, of which `Resize` would make a plane.
#[test]
fn an_image_that_a_transform_would_blow_up_is_refused() {
    let mut line = Vec::new();
    let mut encoder = png::Encoder::new(&mut line, 1 << 20, 1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&vec![9; 3 << 20]).unwrap();
    let end = vec![line.len() as u64];
    let source = || Source::Blobs(Blobs::new(Box::new(line.clone()), end.clone()).unwrap());
    let resize = |edge| {
        Op::Resize(ResizeOp::Resize { size: ResizeTo::Smaller { edge, max: None }, interpolation: Filter::Bilinear })
    };
    let padding = Padding { top: 1 << 20, mode: PadMode::Edge, ..Padding::NONE };
    let crop = RandomCrop { size: Size::new(1, 1), padding, pad_if_needed: false };
    for op in [resize(64), Op::Crop(CropOp::RandomCrop(crop)), Op::Pad(PadOp::Pad(padding))] {
        let mut epoch = Epoch::new(pipeline(source(), vec![op], TargetForm::Class, Decoder::default()), 0, 1).unwrap();
        epoch.submit(&[0]).unwrap();
        let (error, place) = wait(&mut epoch).unwrap_err().split();
        assert!(matches!(&error, Error::Limit(_)), "{error:?}");
        assert_eq!(place.unwrap().index, 0);
    }
}

/// A PNG of 3 x 4 pixels.
fn png() -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 4, 3);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&[9; 36]).unwrap();
    bytes
}
