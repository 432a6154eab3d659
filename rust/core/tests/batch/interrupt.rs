//! Samples that are given up in the middle.

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use jpeg_encoder::{ColorType, Encoder};
use torchfeed_core::{
    batch::{Epoch, Pipeline, TargetForm},
    decode::Decoder,
    image::Size,
    interrupt,
    source::{Blobs, Source},
    transform::{CropOp, Filter, Op, ResizeOp, ResizeTo},
};

use crate::{images, pipeline, targets, wait};

const LONG: Duration = Duration::from_secs(3600);
const SIDE: usize = 2600;

/// Pixels that do not compress well.
fn noise() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..3 * SIDE * SIDE).map(|_| next() & 0xF0).collect()
}

fn jpeg(configure: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = Encoder::new(&mut file, 50);
    configure(&mut encoder);
    encoder.encode(&noise(), SIDE as u16, SIDE as u16, ColorType::Rgb).unwrap();
    file
}

fn png() -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, SIDE as u32, SIDE as u32);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header().unwrap().write_image_data(&noise()).unwrap();
    file
}

/// Two small images of each large file: decoded as a whole, or as a part whose rows are made narrower as they come.
fn pipelines() -> Vec<(&'static str, Arc<Pipeline>)> {
    let files = [
        ("PNG", png()),
        ("baseline JPEG", jpeg(|_| ())),
        ("JPEG with restart markers", jpeg(|encoder| encoder.set_restart_interval(7))),
        ("progressive JPEG", jpeg(|encoder| encoder.set_progressive(true))),
    ];
    let resize =
        Op::Resize(ResizeOp::Resize { size: ResizeTo::Exact(Size::new(9, 8)), interpolation: Filter::Bilinear });
    let crop = Op::Crop(CropOp::CenterCrop { size: Size::new(5, 6) });
    let mut all = Vec::new();
    for (name, file) in files {
        for op in [&resize, &crop] {
            let ends = vec![file.len() as u64, 2 * file.len() as u64];
            let source = Source::Blobs(Blobs::new(Box::new(file.repeat(2)), ends).unwrap());
            all.push((name, pipeline(source, vec![op.clone()], TargetForm::Class, Decoder::default())));
        }
    }
    all
}

/// At whichever look: the sample is made from the start by whoever asks next, and is as if nothing had been.
#[test]
fn a_sample_that_is_given_up_is_made_again() {
    for (name, pipeline) in pipelines() {
        let batch = |epoch: &mut Epoch| {
            let done = wait(epoch).unwrap();
            (images(&done), targets(&done))
        };
        let mut undisturbed = Epoch::new(Arc::clone(&pipeline), 0, 0).unwrap();
        undisturbed.submit(&[0, 1]).unwrap();
        let expected = batch(&mut undisturbed);

        let mut epoch = Epoch::new(pipeline, 0, 0).unwrap();
        epoch.submit(&[0, 1]).unwrap();
        let mut times = 0;
        loop {
            let looks = Rc::new(Cell::new(0));
            let look = move || {
                looks.set(looks.get() + 1);
                looks.get() > times
            };
            if interrupt::watching(look, || epoch.wait(LONG, true)).unwrap().is_some() {
                break;
            }
            times += 1 + times / 2;
        }
        // With restart markers there is next to nothing to do for a small crop.
        assert!(times > 1 || name.contains("restart"), "nobody looks while a {name} is decoded");
        assert_eq!(batch(&mut epoch), expected, "{name}, given up {times} times");
    }
}

/// What is wrong with a file is found all the same, and being given up is nothing that is wrong with it.
#[test]
fn an_interrupted_sample_is_no_bad_one() {
    let mut file = png();
    let middle = file.len() / 2;
    file[middle] ^= 0xFF;
    let ends = vec![file.len() as u64];
    let source = Source::Blobs(Blobs::new(Box::new(file), ends).unwrap());
    let mut epoch = Epoch::new(pipeline(source, vec![], TargetForm::Class, Decoder::default()), 0, 0).unwrap();
    epoch.submit(&[0]).unwrap();
    assert_eq!(interrupt::watching(|| true, || epoch.wait(LONG, true)).unwrap(), None);
    let error = wait(&mut epoch).unwrap_err().to_string();
    assert!(error.contains("broken PNG"), "{error}");
}
