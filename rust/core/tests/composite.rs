//! Composite transforms against their definition: the tree is flattened by hand, then each op is drawn alone.

use proptest::prelude::*;
use torchfeed_core::{
    image::Size,
    rng::{Key, Stream},
    transform::{
        Call, ComposeOp, CropOp, Filter, FlipOp, Layout, Lookup, Op, PadOp, Padding, Plan, RandomChoice, RandomCrop,
        ResizeOp, ResizeOrder, ResizeTo,
    },
};

fn plan(ops: Vec<Op>) -> Plan {
    let lookup = Lookup::new(vec![0; 256], 1, 1, Layout::ChannelsFirst).expect("a table of the right size");
    Plan { ops, lookup, resize_order: ResizeOrder::default() }
}

/// An op that draws nothing and does nothing.
const NOTHING: Op = Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.0 });

fn leaf() -> impl Strategy<Value = Op> {
    let edge = || (1usize..12, 1usize..12).prop_map(|(height, width)| Size::new(height, width));
    prop_oneof![
        Just(Op::Flip(FlipOp::RandomHorizontalFlip { p: 0.5 })),
        Just(Op::Flip(FlipOp::RandomVerticalFlip { p: 0.5 })),
        Just(NOTHING),
        edge().prop_map(|size| Op::Crop(CropOp::CenterCrop { size })),
        edge().prop_map(|size| {
            Op::Crop(CropOp::RandomCrop(RandomCrop { size, padding: Padding::NONE, pad_if_needed: true }))
        }),
        (1usize..12).prop_map(|edge| Op::Resize(ResizeOp::Resize {
            size: ResizeTo::Smaller { edge, max: None },
            interpolation: Filter::Bilinear
        })),
        (-1isize..3, 0isize..3).prop_map(|(top, left)| Op::Pad(PadOp::Pad(Padding { top, left, ..Padding::NONE }))),
    ]
}

fn tree() -> impl Strategy<Value = Op> {
    leaf().prop_recursive(3, 16, 4, |op| {
        let branch = prop::collection::vec(op, 0..3);
        let weighted = prop::collection::vec((prop::sample::select(&[0.0, 0.5, 1.0, 3.0][..]), branch.clone()), 0..4);
        prop_oneof![
            (prop::sample::select(&[0.0, 0.5, 1.0][..]), branch.clone())
                .prop_map(|(p, ops)| Op::Compose(ComposeOp::RandomApply { p, ops })),
            (weighted, branch.clone()).prop_map(|(mut weighted, last)| {
                weighted.push((1.0, last));
                let (weights, branches): (Vec<_>, Vec<_>) = weighted.into_iter().unzip();
                Op::Compose(ComposeOp::RandomChoice(
                    RandomChoice::new(&weights, branches).expect("one positive weight"),
                ))
            }),
            prop::collection::vec(branch, 0..4).prop_map(|branches| Op::Compose(ComposeOp::RandomOrder { branches })),
        ]
    })
}

/// The ops and all that is in them, numbered from `next` on: what runs, in the order in which it does.
fn flatten(ops: &[Op], key: Key, next: &mut usize, runs: bool, out: &mut Vec<(usize, Op)>) {
    for op in ops {
        let position = *next;
        *next += 1;
        let mut stream = Stream::new(key, position as u16);
        match op {
            Op::Compose(ComposeOp::RandomApply { p, ops }) => flatten(ops, key, next, runs && stream.unit() < *p, out),
            Op::Compose(ComposeOp::RandomChoice(choice)) => {
                let mut lists = flatten_each(choice.branches(), key, next);
                let mut left = stream.unit() * choice.weights().iter().sum::<f64>();
                let chosen = choice.weights().iter().position(|weight| {
                    left -= weight;
                    left < 0.0
                });
                if runs {
                    out.append(&mut lists[chosen.expect("less than the sum")]);
                }
            }
            Op::Compose(ComposeOp::RandomOrder { branches }) => {
                let mut lists = flatten_each(branches, key, next);
                for last in (1..lists.len()).rev() {
                    lists.swap(last, stream.below(last + 1));
                }
                if runs {
                    out.extend(lists.into_iter().flatten());
                }
            }
            leaf if runs => out.push((position, leaf.clone())),
            _ => {}
        }
    }
}

fn flatten_each(branches: &[Vec<Op>], key: Key, next: &mut usize) -> Vec<Vec<(usize, Op)>> {
    let mut flat = vec![Vec::new(); branches.len()];
    for (branch, flat) in branches.iter().zip(&mut flat) {
        flatten(branch, key, next, true, flat);
    }
    flat
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    /// What is drawn for an op depends on its position and the size that reaches it, and on nothing else.
    #[test]
    fn composites_are_their_ops_drawn_alone(
        ops in prop::collection::vec(tree(), 0..4),
        seed: u64,
        height in 1usize..20,
        width in 1usize..20,
    ) {
        let key = Key { seed, index: 0, occurrence: 0 };
        let mut flat = Vec::new();
        flatten(&ops, key, &mut 0, true, &mut flat);
        let (mut size, mut expected): (_, Vec<(usize, Call)>) = (Some(Size::new(height, width)), Vec::new());
        for (position, op) in flat {
            let mut alone = vec![NOTHING; position];
            alone.push(op);
            let mut calls = Vec::new();
            size = size.and_then(|size| plan(alone).draw(key, size, &mut calls).ok());
            expected.extend(calls);
        }

        let plan = plan(ops);
        let mut calls = Vec::new();
        let drawn = plan.draw(key, Size::new(height, width), &mut calls).ok();
        prop_assert_eq!(drawn, size);
        if drawn.is_some() {
            prop_assert_eq!(calls, expected);
        }
    }

    /// A size that is said to be known is that of every output.
    #[test]
    fn known_sizes_are_kept(ops in prop::collection::vec(tree(), 0..4), height in 1usize..20, width in 1usize..20) {
        let (input, plan) = (Size::new(height, width), plan(ops));
        for known in [plan.output_size(Some(input)), plan.output_size(None)].into_iter().flatten() {
            for index in 0..20 {
                let drawn = plan.draw(Key { seed: 0, index, occurrence: 0 }, input, &mut Vec::new());
                prop_assert!(drawn.is_err() || drawn.as_ref().is_ok_and(|size| *size == known), "{:?}", drawn);
            }
        }
    }
}
