//! The loops in which the time goes, on one thread and through the public API: `make bench-kernels`.
#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use torchfeed_core::{
    batch::{collate::Strided, one_hot::Levels},
    image::{Rect, Size, View},
    rng::Key,
    transform::{Filter, FlipOp, Layout, Lookup, Op, Plan, Resize, ResizeOp, ResizeOrder, ResizeTo, execute},
};

const PHOTO: Size = Size::new(375, 500);
const CROP: Size = Size::new(224, 224);

/// Pixels without a pattern that a branch could learn.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A plan that ends in float32, each value being that of the pixel.
fn plan(ops: Vec<Op>, layout: Layout) -> Plan {
    let table = (0..3).flat_map(|_| (0..256u16).flat_map(|value| f32::from(value).to_ne_bytes())).collect();
    let lookup = Lookup::new(table, 3, 4, layout).expect("a table of the right length");
    Plan { ops, lookup, resize_order: ResizeOrder::CheaperFirst }
}

fn run(plan: &Plan, size: Size, pixels: &[u8], scratch: &mut execute::ExecutorScratch, out: &mut Vec<u8>) {
    let mut calls = Vec::new();
    plan.draw(Key { seed: 0, index: 0, occurrence: 0 }, size, &mut calls).expect("a plan for any size");
    let executor = execute::Executor::new(plan, &calls, size);
    out.resize(executor.output_bytes(), 0);
    executor.run(View::packed(size, Rect::all(size), 3, pixels), scratch, out).expect("memory");
}

/// Benchmarks a plan on noise, after a look at what it makes of an image of one colour.
fn bench_plan(c: &mut Criterion, group: &str, name: &str, plan: &Plan, size: Size) {
    let mut scratch = execute::ExecutorScratch::default();
    let mut out = Vec::new();
    let flat = vec![7; size.height * size.width * 3];
    run(plan, size, &flat, &mut scratch, &mut out);
    assert!(out.as_chunks().0.iter().all(|&bytes| f32::from_ne_bytes(bytes) == 7.0), "{name}");

    let pixels = noise(flat.len());
    let mut group = c.benchmark_group(group);
    group.throughput(Throughput::Elements((size.height * size.width) as u64));
    group.bench_function(name, |b| b.iter(|| run(plan, size, black_box(&pixels), &mut scratch, &mut out)));
    group.finish();
}

fn resize(c: &mut Criterion) {
    for (name, filter) in [
        ("nearest", Filter::Nearest),
        ("box", Filter::Box),
        ("bilinear", Filter::Bilinear),
        ("hamming", Filter::Hamming),
        ("bicubic", Filter::Bicubic),
        ("lanczos", Filter::Lanczos),
    ] {
        let op = Op::Resize(ResizeOp::Resize { size: ResizeTo::Exact(CROP), interpolation: filter });
        bench_plan(c, "resize 500 x 375 to 224 x 224", name, &plan(vec![op], Layout::ChannelsFirst), PHOTO);
    }
    let up = Resize { size: PHOTO, filter: Filter::Bilinear };
    let op = Op::Resize(ResizeOp::Resize { size: ResizeTo::Exact(up.size), interpolation: up.filter });
    bench_plan(c, "resize 224 x 224 to 500 x 375", "bilinear", &plan(vec![op], Layout::ChannelsFirst), CROP);
}

fn table(c: &mut Criterion) {
    bench_plan(c, "table 224 x 224", "channels first", &plan(Vec::new(), Layout::ChannelsFirst), CROP);
    bench_plan(c, "table 224 x 224", "channels last", &plan(Vec::new(), Layout::ChannelsLast), CROP);
    let flip = vec![Op::Flip(FlipOp::RandomHorizontalFlip { p: 1.0 })];
    bench_plan(c, "table 224 x 224", "flipped", &plan(flip, Layout::ChannelsFirst), CROP);
}

fn collate(c: &mut Criterion) {
    let data = noise(3 * 224 * 224 * 4);
    let mut out = vec![0; data.len()];
    let mut group = c.benchmark_group("collate 3 x 224 x 224 f32");
    group.throughput(Throughput::Bytes(data.len() as u64));
    for (name, strides) in [("contiguous", [224 * 224, 224, 1]), ("channels last", [1, 3 * 224, 3])] {
        let sample = Strided { data: &data, shape: &[3, 224, 224], strides: &strides };
        sample.copy_to(4, &mut out).expect("data of that shape");
        // The second value of the first channel.
        assert_eq!(out[4..8], data[strides[2] * 4..][..4], "{name}");
        group.bench_function(name, |b| b.iter(|| black_box(&sample).copy_to(4, &mut out)));
    }
    group.finish();
}

fn one_hot(c: &mut Criterion) {
    let classes = 1000;
    let labels: Vec<i64> = (0..4096).map(|i| i * 7919 % classes as i64).collect();
    let mut group = c.benchmark_group("one-hot 4096 x 1000 f32");
    for (name, on, off) in [("plain", 1.0f32, 0.0f32), ("smoothed", 0.9001, 0.0001)] {
        let levels =
            Levels::new(classes, on.to_ne_bytes().to_vec(), off.to_ne_bytes().to_vec()).expect("equal lengths");
        let mut out = vec![0; labels.len() * levels.row_bytes()];
        levels.write(&labels, &mut out).expect("labels in range");
        let ones = out.as_chunks().0.iter().filter(|&&bytes| f32::from_ne_bytes(bytes) == on).count();
        assert_eq!(ones, labels.len(), "{name}");
        group.throughput(Throughput::Bytes(out.len() as u64));
        group.bench_function(name, |b| b.iter(|| levels.write(black_box(&labels), &mut out)));
    }
    group.finish();
}

criterion_group!(kernels, resize, table, collate, one_hot);
criterion_main!(kernels);
