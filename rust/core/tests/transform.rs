//! Executed plans against the slow, obvious version: every call on the whole image, pixel by pixel.

use proptest::prelude::*;
use torchfeed_core::{
    image::{Rect, Size, Window},
    rng::Key,
    transform::{
        BlurCall, Call, ColorCall, ComposeOp, CropCall, CropOp, Filter, FlipOp, Layout, Lookup, Op, PadMode, PadOp,
        Padding, Plan, RandomChoice, RandomCrop, RandomResizedCrop, Resize, ResizeOp, ResizeOrder, ResizeTo, WarpOp,
        execute::{Executor, ExecutorScratch},
    },
};

mod naive;

const FILTERS: [Filter; 6] =
    [Filter::Nearest, Filter::Box, Filter::Bilinear, Filter::Hamming, Filter::Bicubic, Filter::Lanczos];
const MODES: [PadMode; 4] = [PadMode::Constant, PadMode::Edge, PadMode::Reflect, PadMode::Symmetric];

fn filter() -> impl Strategy<Value = Filter> {
    prop::sample::select(&FILTERS[..])
}

fn size(most: usize) -> impl Strategy<Value = Size> {
    (1..most, 1..most).prop_map(|(height, width)| Size::new(height, width))
}

fn padding() -> impl Strategy<Value = Padding> {
    (-2isize..9, -2isize..9, -2isize..9, -2isize..9, any::<[u8; 3]>(), prop::sample::select(&MODES[..]))
        .prop_map(|(left, top, right, bottom, fill, mode)| Padding { left, top, right, bottom, fill, mode })
}

fn op() -> impl Strategy<Value = Op> {
    leaf().prop_recursive(2, 8, 3, |op| {
        let branches = prop::collection::vec(prop::collection::vec(op, 0..3), 1..4);
        (branches, 0..3).prop_map(|(mut branches, kind)| match kind {
            0 => Op::Compose(ComposeOp::RandomApply { p: 0.5, ops: branches.remove(0) }),
            1 => Op::Compose(ComposeOp::RandomChoice(
                RandomChoice::new(&vec![1.0; branches.len()], branches).expect("good weights"),
            )),
            _ => Op::Compose(ComposeOp::RandomOrder { branches }),
        })
    })
}

fn leaf() -> impl Strategy<Value = Op> {
    let smaller = |edge| ResizeTo::Smaller { edge, max: None };
    prop_oneof![
        (size(40), filter()).prop_map(|(size, filter)| Op::Resize(ResizeOp::Resize {
            size: ResizeTo::Exact(size),
            interpolation: filter
        })),
        (1usize..40, filter()).prop_map(move |(edge, filter)| Op::Resize(ResizeOp::Resize {
            size: smaller(edge),
            interpolation: filter
        })),
        size(40).prop_map(|size| Op::Crop(CropOp::CenterCrop { size })),
        (size(20), padding()).prop_map(|(size, padding)| {
            Op::Crop(CropOp::RandomCrop(RandomCrop { size, padding, pad_if_needed: true }))
        }),
        (size(40), filter()).prop_map(|(size, filter)| Op::Crop(CropOp::RandomResizedCrop(RandomResizedCrop {
            resize: Resize { size, filter },
            scale: (0.08, 1.0),
            ratio: (0.75, 4.0 / 3.0),
        }))),
        Just(Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 })),
        Just(Op::Flip(FlipOp::RandomVerticalFlip { p: 0.5 })),
        padding().prop_map(|op| Op::Pad(PadOp::Pad(op))),
        warp().prop_map(Op::Warp),
    ]
}

/// A call that changes colours in their places.
/// An op that maps an image to another.
fn warp() -> impl Strategy<Value = WarpOp> {
    let interpolation = prop::sample::select(&[Filter::Nearest, Filter::Bilinear, Filter::Bicubic][..]);
    let angles = prop_oneof![Just((0.0, 0.0)), Just((90.0, 90.0)), Just((180.0, 180.0)), Just((-200.0, 200.0))];
    let center = prop::option::of(prop::array::uniform2(-9.0f64..50.0));
    let bounds = || prop::option::of((-60.0f64..-1.0, 1.0f64..60.0));
    (0..3, interpolation, any::<[u8; 3]>(), angles, any::<bool>(), center, prop::array::uniform2(bounds())).prop_map(
        |(kind, interpolation, fill, degrees, flag, center, shear)| match kind {
            0 => WarpOp::RandomRotation { degrees, interpolation, expand: flag, center, fill },
            1 => {
                let (translate, scale) = (flag.then_some((0.5, 1.0)), shear[0].map(|_| (0.3, 3.0)));
                WarpOp::RandomAffine { degrees, translate, scale, shear, interpolation, fill, center }
            }
            _ => {
                let distortion_scale = if flag { 1.0 } else { 0.4 };
                WarpOp::RandomPerspective { distortion_scale, p: 1.0, interpolation, fill }
            }
        },
    )
}

/// A call that changes each byte by itself.
fn point() -> impl Strategy<Value = Call> {
    prop_oneof![
        (0.0f64..3.0).prop_map(|factor| ColorCall::AdjustBrightness { brightness_factor: factor }.into()),
        (0.0f64..3.0).prop_map(|factor| ColorCall::AdjustContrast { contrast_factor: factor }.into()),
        (0.0f64..3.0).prop_map(|factor| ColorCall::AdjustSaturation { saturation_factor: factor }.into()),
        Just(ColorCall::RgbToGrayscale { num_output_channels: 3 }.into()),
        Just(ColorCall::Autocontrast {}.into()),
        Just(ColorCall::Equalize {}.into()),
        Just(ColorCall::Invert {}.into()),
        (1u8..=8).prop_map(|bits| ColorCall::Posterize { bits }.into()),
        (-1.0f64..258.0).prop_map(|threshold| ColorCall::Solarize { threshold }.into()),
        (0u8..=255, 0u8..=255).prop_map(|(add, thresh)| ColorCall::SolarizeAdd { add, thresh }.into()),
        (0u8..=255).prop_map(|threshold| ColorCall::Solarize { threshold: f64::from(threshold) }.into()),
    ]
}

/// A call that reads the pixels around each pixel.
fn stencil() -> impl Strategy<Value = Call> {
    let radius = || [0.0f64..9.0, 0.0f64..9.0];

    prop_oneof![
        (-1.0f64..3.0).prop_map(|sharpness_factor| BlurCall::AdjustSharpness { sharpness_factor }.into()),
        radius().prop_map(|radius| BlurCall::PilBoxBlur { radius }.into()),
        radius().prop_map(|radius| BlurCall::PilGaussianBlur { radius }.into()),
        (prop::array::uniform2(0usize..5), prop::array::uniform2(0.1f64..9.0), any::<bool>()).prop_map(
            |(reach, sigma, softmax)| {
                let kernel_size = reach.map(|reach| 2 * reach + 1);
                BlurCall::GaussianBlur { kernel_size, sigma, softmax }.into()
            }
        ),
    ]
}

/// The call, with a kernel that fits an image of `size`.
fn fitting(call: Call, size: Size) -> Call {
    let Call::Blur(BlurCall::GaussianBlur { kernel_size: [across, down], sigma, softmax }) = call else { return call };
    let kernel_size = [across.min(2 * size.width - 1), down.min(2 * size.height - 1)];
    BlurCall::GaussianBlur { kernel_size, sigma, softmax }.into()
}

/// A lookup that leaves bytes as they are, pixel by pixel.
fn identity(channels: usize) -> Lookup {
    let table = (0..channels).flat_map(|_| 0..=255).collect();
    Lookup::new(table, channels, 1, Layout::ChannelsLast).expect("a table of the right size")
}

/// An image of noise.
fn noise(size: Size, channels: usize, seed: u64) -> Window {
    let mut image = Window::default();
    image.reset(size, Rect::all(size), channels);
    let mut state = seed | 1;
    for byte in &mut image.data {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    image
}

/// The part of `image` that is `region`.
fn part(image: &Window, region: Rect) -> Window {
    let mut part = Window::default();
    part.reset(image.size, region, image.channels);
    let stride = part.stride();
    for (y, row) in part.data.chunks_exact_mut(stride).enumerate() {
        row.copy_from_slice(image.view().row(region.top + y, region.left, region.width));
    }
    part
}

fn plan(ops: Vec<Op>, gray: bool, cheaper: bool) -> Plan {
    let resize_order = if cheaper { ResizeOrder::CheaperFirst } else { ResizeOrder::HorizontalFirst };
    Plan { ops, lookup: identity(if gray { 1 } else { 3 }), resize_order }
}

/// Compares what an executor makes of noise, whole and in strips, with one call after the other.
fn check(plan: &Plan, calls: &[(usize, Call)], input: Size, seed: u64) -> Result<(), TestCaseError> {
    let channels = plan.lookup.form().channels;
    let image = noise(input, channels, seed);
    let executor = Executor::new(plan, calls, input);
    prop_assert!(Rect::all(input).contains(&executor.region()));
    let mut out = vec![0; executor.output_bytes()];
    executor.run(part(&image, executor.region()).view(), &mut ExecutorScratch::default(), &mut out).unwrap();

    let mut expected = naive::Image { size: input, channels, data: image.data.clone() };
    for (_, call) in calls {
        expected = naive::apply(expected, call, plan.resize_order);
    }
    prop_assert_eq!(expected.size, executor.output_size());
    prop_assert_eq!(&out, &expected.data);

    if executor.can_stream() {
        let region = part(&image, executor.region());
        let streaming = executor.stream();
        let (mut scratch, mut narrow, mut narrowed) =
            (ExecutorScratch::default(), Window::default(), vec![0; out.len()]);
        let mut rows = streaming.start(input.height, channels, &mut scratch, &mut narrow).unwrap();
        // Strips of 1, 2, 3, ... rows.
        let (mut first, mut count) = (0, 1);
        while first < region.rect.height {
            let last = (first + count).min(region.rect.height);
            rows.push(first, &region.data[first * region.stride()..last * region.stride()]);
            (first, count) = (last, count + 1);
        }
        streaming.rest().run(narrow.view(), &mut scratch, &mut narrowed).unwrap();
        prop_assert_eq!(&narrowed, &expected.data);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Reading only the needed pixels, fusing crops, pads and flips, and resizing only what is shown changes nothing.
    #[test]
    fn fused_plans_equal_one_call_after_the_other(
        ops in prop::collection::vec(op(), 0..5),
        input in size(50),
        gray: bool,
        cheaper: bool,
        seed: u64,
    ) {
        let plan = plan(ops, gray, cheaper);
        let mut calls = Vec::new();
        let Ok(size) = plan.draw(Key { seed, index: 0, occurrence: 0 }, input, &mut calls) else { return Ok(()) };
        prop_assert_eq!(Executor::new(&plan, &calls, input).output_size(), size);
        check(&plan, &calls, input, seed)?;
    }

    /// So does moving functions of bytes between them towards the end, and reading more pixels for those around.
    #[test]
    fn points_and_stencils_may_come_anywhere(
        steps in prop::collection::vec((op(), prop::collection::vec(prop_oneof![point(), stencil()], 0..3)), 0..5),
        first in prop::option::of(prop_oneof![point(), stencil()]),
        input in size(50),
        gray: bool,
        cheaper: bool,
        seed: u64,
    ) {
        let mut calls: Vec<_> = first.into_iter().map(|call| (0, fitting(call, input))).collect();
        let mut size = input;
        for (op, points) in steps {
            let plan = plan(vec![op], gray, cheaper);
            let mut drawn = Vec::new();
            let key = Key { seed, index: calls.len() as u64, occurrence: 0 };
            let Ok(drawn_size) = plan.draw(key, size, &mut drawn) else { return Ok(()) };
            size = drawn_size;
            calls.extend(drawn);
            calls.extend(points.into_iter().map(|call| (0, fitting(call, size))));
        }
        check(&plan(Vec::new(), gray, cheaper), &calls, input, seed)?;
    }

    /// Whatever its parameters, a plan draws or refuses; it never wraps round.
    #[test]
    fn extreme_parameters_are_refused(
        height: usize,
        width: usize,
        sides: [isize; 4],
        pad_if_needed: bool,
        input in size(1 << 20),
        seed: u64,
    ) {
        let [left, top, right, bottom] = sides;
        let size = Size::new(height, width);
        let padding = Padding { left, top, right, bottom, fill: [0; 3], mode: PadMode::Edge };
        let filter = Filter::Bilinear;
        for op in [
            Op::Crop(CropOp::CenterCrop { size }),
            Op::Pad(PadOp::Pad(padding)),
            Op::Crop(CropOp::RandomCrop(RandomCrop { size, padding, pad_if_needed })),
            Op::Crop(CropOp::RandomCrop(RandomCrop { size, padding: Padding::NONE, pad_if_needed })),
            Op::Resize(ResizeOp::Resize { size: ResizeTo::Exact(size), interpolation: filter }),
            Op::Resize(ResizeOp::Resize { size: ResizeTo::Smaller { edge: height, max: None }, interpolation: filter }),
        ] {
            let plan = Plan { ops: vec![op.clone(), op], lookup: identity(3), resize_order: ResizeOrder::default() };
            let drawn = plan.draw(Key { seed, index: 0, occurrence: 0 }, input, &mut Vec::new());
            if let Ok(size) = drawn {
                prop_assert!(size.height.max(size.width) <= i32::MAX as usize);
            }
        }
    }

    /// A drawn crop lies in its image, whatever the image's shape.
    #[test]
    fn crops_fit(
        input in size(2000),
        seed: u64,
        scale in (0.0f64..1.0, 0.0f64..1.0),
        ratio in (0.1f64..9.0, 0.1f64..9.0),
    ) {
        let op = RandomResizedCrop {
            resize: Resize { size: Size::new(8, 8), filter: Filter::Bilinear },
            scale: (scale.0.min(scale.1), scale.0.max(scale.1)),
            ratio: (ratio.0.min(ratio.1), ratio.0.max(ratio.1)),
        };
        let plan = Plan { ops: vec![Op::Crop(CropOp::RandomResizedCrop(op))], lookup: identity(3), resize_order: ResizeOrder::default() };
        let mut calls = Vec::new();
        plan.draw(Key { seed, index: 1, occurrence: 2 }, input, &mut calls).unwrap();
        let Call::Crop(CropCall::ResizedCrop { top, left, crop, .. }) = calls[0].1 else { panic!("{calls:?}") };
        prop_assert!(crop.height > 0 && crop.width > 0);
        prop_assert!(top + crop.height <= input.height && left + crop.width <= input.width);
    }
}
