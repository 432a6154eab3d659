//! Functions of images that are large: they are given up in the middle, and what is too large is refused beforehand.
#![allow(missing_docs, reason = "tests")]

use std::{cell::Cell, rc::Rc, sync::Arc, time::Duration};

use jpeg_encoder::{ColorType, Encoder};
use serde_json::{Value, json};
use torchfeed_core::{
    Error,
    batch::{Dataset, Epoch, Pipeline, Pool, TargetForm},
    decode::{Decoder, Limits},
    image::{Rect, Size, View},
    interrupt,
    source::{Arrays, Blobs, Source},
    transform::{
        Call, Layout, Lookup, Op, Plan, ResizeOrder,
        execute::{Executor, ExecutorScratch},
    },
};

fn identity() -> Lookup {
    Lookup::new((0..3).flat_map(|_| 0..=255).collect(), 3, 1, Layout::ChannelsLast).unwrap()
}

/// Each function of whole images, and its parameters.
fn functions() -> Vec<Value> {
    let matrix = [0.9, 0.2, -1.3, -0.15, 1.1, 0.7];
    let mapped = |interpolation: u8| json!({"matrix": matrix, "interpolation": interpolation, "fill": [1, 2, 3]});
    let affine = json!({"angle": 20.0, "translate": [3.0, 9.0], "scale": 0.8, "shear": [3.0, 0.0], "interpolation": 2,
        "fill": [0, 0, 0], "center": null});
    let rotate = json!({"angle": 33.0, "interpolation": 0, "expand": false, "center": null, "fill": [0, 0, 0]});
    let perspective = json!({"startpoints": null, "endpoints": null, "interpolation": 3, "fill": [0, 0, 0],
        "coefficients": [0.95, 0.1, -1.5, -0.05, 1.02, 0.25, 0.0002, -0.0003]});
    vec![
        json!({"adjust_brightness": {"brightness_factor": 1.5}}),
        json!({"adjust_contrast": {"contrast_factor": 1.5}}),
        json!({"adjust_saturation": {"saturation_factor": 1.5}}),
        json!({"adjust_hue": {"hue_factor": 0.2}}),
        json!({"rgb_to_grayscale": {"num_output_channels": 3}}),
        json!({"autocontrast": {}}),
        json!({"equalize": {}}),
        json!({"invert": {}}),
        json!({"posterize": {"bits": 3}}),
        json!({"solarize": {"threshold": 99.5}}),
        json!({"solarize_add": {"add": 30, "thresh": 128}}),
        json!({"adjust_sharpness": {"sharpness_factor": 1.7}}),
        json!({"pil_gaussian_blur": {"radius": [2.0, 2.0]}}),
        json!({"pil_gaussian_blur": {"radius": [60000.0, 60000.0]}}),
        json!({"pil_box_blur": {"radius": [0.0, 700.0]}}),
        json!({"pil_box_blur": {"radius": [700.0, 0.0]}}),
        json!({"affine": affine}),
        json!({"rotate": rotate}),
        json!({"perspective": perspective}),
        json!({"transform": mapped(0)}),
        json!({"transform": mapped(2)}),
        json!({"transform": mapped(3)}),
    ]
}

fn call(data: &Value) -> Call {
    serde_json::from_value(data.clone()).unwrap_or_else(|error| panic!("{data}: {error}"))
}

/// Runs a call on an image of noise, and gives up at the look of this number; returns how many looks there were, whether
/// the work was given up, and what was made.
fn run(call: &Call, size: Size, scratch: &mut ExecutorScratch, most: usize) -> (usize, bool, Vec<u8>) {
    let pixels: Vec<u8> = (0..size.height * size.width * 3).map(|i| ((i * 2_654_435_761) >> 13) as u8).collect();
    let plan = Plan::new(Vec::new(), identity(), ResizeOrder::default()).unwrap();
    let calls = [(0, *call)];
    let executor = Executor::new(&plan, &calls, size);
    let mut out = vec![0; executor.output_bytes()];
    let looks = Rc::new(Cell::new(0));
    let look = {
        let looks = Rc::clone(&looks);
        move || {
            looks.set(looks.get() + 1);
            looks.get() >= most
        }
    };
    let stopped = interrupt::watching(look, || {
        executor.run(View::packed(size, Rect::all(size), 3, &pixels), scratch, &mut out).unwrap();
        interrupt::stopped()
    });
    (looks.get(), stopped, out)
}

const SMALL: Size = Size::new(1000, 900);
const LARGE: Size = Size::new(2000, 1800);
const BYTES: usize = 3 * 2000 * 1800;

#[test]
fn every_function_looks_as_often_as_the_image_is_large() {
    let mut scratch = ExecutorScratch::default();
    for data in functions() {
        let [small, large] = [SMALL, LARGE].map(|size| run(&call(&data), size, &mut scratch, usize::MAX).0);
        // A megabyte or two between looks.
        assert!(large >= BYTES >> 21, "{data}: {large} looks");
        assert!(large >= 3 * small, "{data}: {small} looks, and {large} for an image four times as large");
    }
}

#[test]
fn every_function_is_given_up_where_it_is_told_to() {
    let mut scratch = ExecutorScratch::default();
    for data in functions() {
        let call = call(&data);
        let (every, stopped, expected) = run(&call, SMALL, &mut scratch, usize::MAX);
        assert!(!stopped && every > 0, "{data}");
        for most in [1, every / 2, every] {
            let (looks, stopped, _) = run(&call, SMALL, &mut scratch, most.max(1));
            assert_eq!((looks, stopped), (most.max(1), true), "{data}: it goes on");
        }
        assert_eq!(run(&call, SMALL, &mut scratch, usize::MAX), (every, false, expected), "{data}, again");
    }
}

/// A white image in memory.
fn array(size: Size) -> Source {
    Source::Arrays(Arrays::new(Box::new(vec![255; size.height * size.width * 3]), 1, size, 3).unwrap())
}

/// A file of one pixel: how large an image a batch has room for is not known before it is read.
fn file() -> Source {
    let mut bytes = Vec::new();
    Encoder::new(&mut bytes, 85).encode(&[255; 3], 1, 1, ColorType::Rgb).unwrap();
    let end = bytes.len() as u64;
    Source::Blobs(Blobs::new(Box::new(bytes), vec![end]).unwrap())
}

/// An epoch of one image.
fn epoch(source: Source, op: Value, limits: Limits) -> torchfeed_core::Result<()> {
    let op: Op = serde_json::from_value(op).expect("an op");
    let plan = Plan::new(vec![op], identity(), ResizeOrder::default())?;
    let dataset = Dataset::new(Arc::new(source), (0..1).collect(), [plan])?;
    let decoder = Decoder { limits, ..Decoder::default() };
    let pipeline = Pipeline::new(vec![dataset], decoder, TargetForm::Class, Pool::new(usize::MAX))?;
    let mut epoch = Epoch::new(Arc::new(pipeline), 0, 0)?;
    epoch.submit(&[0])?;
    while epoch.wait(Duration::from_secs(60), true)?.is_none() {}
    epoch.take(0).map(drop)
}

/// Gigapixels for which there is no memory: so nothing is taken before the limit is looked at.
#[test]
fn images_that_become_too_large_are_refused() {
    let rotation = |degrees: f64| {
        json!({"RandomRotation": {"degrees": [degrees, degrees], "interpolation": 2, "expand": true, "center": null,
            "fill": [0, 0, 0]}})
    };
    let padding = |sides: i64| json!({"Pad": {"padding": [sides, sides, sides, sides], "fill": [0, 0, 0], "padding_mode": "constant"}});
    for (source, op) in [
        (array(Size::new(1, 300_000)), rotation(45.0)),
        (array(Size::new(300_000, 2)), rotation(30.0)),
        (file(), padding(200_000)),
    ] {
        let refused = epoch(source, op.clone(), Limits::default());
        let is_limit = |error: &Error| error.to_string().contains("Limits.max_transformed_pixels");
        assert!(refused.as_ref().is_err_and(is_limit), "{op}: {refused:?}");
    }
}

/// The limit is that of the pixels that a rotation makes: 99 x 99 pixels, turned by 45 degrees, are 140 x 140.
#[test]
fn a_rotation_that_fits_is_made() {
    let op = json!({"RandomRotation": {"degrees": [45.0, 45.0], "interpolation": 0, "expand": true, "center": null,
        "fill": [0, 0, 0]}});
    let limits = |pixels| Limits { max_transformed_pixels: pixels, ..Limits::default() };
    let image = || array(Size::new(99, 99));
    epoch(image(), op.clone(), limits(142 * 142)).unwrap();
    assert!(epoch(image(), op, limits(139 * 139)).is_err());
}
