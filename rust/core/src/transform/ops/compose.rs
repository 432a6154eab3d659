//! `RandomApply`, `RandomChoice` and `RandomOrder`: which of their ops run, and in which order.

use std::fmt;

use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

use super::{Family, Op, drawing::Drawing, erase::Erases};
use crate::{Error, Result, image::Size, rng::Stream};

/// The ops that hold others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum ComposeOp {
    /// `torchvision.transforms.RandomApply`: all of some ops, or none.
    RandomApply {
        /// The probability.
        p: f64,
        /// The ops.
        ops: Vec<Op>,
    },
    /// `torchvision.transforms.RandomChoice`: one of several lists of ops.
    RandomChoice(RandomChoice),
    /// `torchvision.transforms.RandomOrder`: several lists of ops, in any order.
    RandomOrder {
        /// The lists.
        branches: Vec<Vec<Op>>,
    },
}

impl Family for ComposeOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        match self {
            ComposeOp::RandomApply { p, ops } if stream.unit() < *p => drawing.all(ops, position + 1),
            ComposeOp::RandomApply { .. } => Ok(()),
            ComposeOp::RandomChoice(choice) => {
                let (before, ops) = choice.draw(stream);
                drawing.all(ops, position + 1 + before)
            }
            ComposeOp::RandomOrder { branches } => {
                in_random_order(branches, stream, |before, ops| drawing.all(ops, position + 1 + before))
            }
        }
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        match self {
            ComposeOp::RandomApply { ops, .. } => optional_output_size(ops, input),
            ComposeOp::RandomChoice(choice) => choice.output_size(input),
            ComposeOp::RandomOrder { branches } => unordered_output_size(branches, input),
        }
    }

    fn output_channels(&self, channels: usize) -> Option<usize> {
        let keep = |ops: &[Op]| output_channels(ops, channels) == Some(channels);
        let all_keep = match self {
            ComposeOp::RandomApply { ops, .. } => keep(ops),
            ComposeOp::RandomChoice(choice) => choice.branches().iter().all(|ops| keep(ops)),
            ComposeOp::RandomOrder { branches } => branches.iter().all(|ops| keep(ops)),
        };
        all_keep.then_some(channels)
    }

    fn is_random(&self) -> bool {
        true
    }

    fn erases(&self) -> Erases {
        match self {
            ComposeOp::RandomApply { ops, .. } => Erases::of(ops),
            ComposeOp::RandomChoice(choice) => Erases::of(choice.branches().iter().flatten()),
            ComposeOp::RandomOrder { branches } => Erases::of(branches.iter().flatten()),
        }
    }

    fn positions(&self) -> usize {
        1 + match self {
            ComposeOp::RandomApply { ops, .. } => positions(ops),
            ComposeOp::RandomChoice(choice) => positions(choice.branches().iter().flatten()),
            ComposeOp::RandomOrder { branches } => positions(branches.iter().flatten()),
        }
    }
}

impl fmt::Display for ComposeOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ComposeOp::RandomApply { p, ops } => write!(f, "RandomApply({}, p={p})", List(ops)),
            ComposeOp::RandomChoice(RandomChoice { weights, branches, .. }) => {
                write!(f, "RandomChoice({}, p={weights:?})", Branches(branches))
            }
            ComposeOp::RandomOrder { branches } => write!(f, "RandomOrder({})", Branches(branches)),
        }
    }
}

/// The channels after `ops`, for an image of so many; `None` where they depend on what is drawn.
pub(in super::super) fn output_channels(ops: &[Op], channels: usize) -> Option<usize> {
    ops.iter().try_fold(channels, |channels, op| op.output_channels(channels))
}

/// Ops, written as a list.
pub(in super::super) struct List<'a>(pub(in super::super) &'a [Op]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ops: Vec<String> = self.0.iter().map(Op::to_string).collect();
        write!(f, "[{}]", ops.join(", "))
    }
}

/// Lists of ops, written as a list.
struct Branches<'a>(&'a [Vec<Op>]);

impl fmt::Display for Branches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists: Vec<String> = self.0.iter().map(|ops| List(ops).to_string()).collect();
        write!(f, "[{}]", lists.join(", "))
    }
}

/// `torchvision.transforms.RandomChoice`: one of several lists of transforms.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Choices", into = "Choices")]
pub struct RandomChoice {
    weights: Vec<f64>,
    /// The sum of the weights.
    total: f64,
    branches: Vec<Vec<Op>>,
}

/// A choice as data.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choices {
    weights: Vec<f64>,
    branches: Vec<Vec<Op>>,
}

impl From<RandomChoice> for Choices {
    fn from(RandomChoice { weights, branches, .. }: RandomChoice) -> Self {
        Self { weights, branches }
    }
}

impl TryFrom<Choices> for RandomChoice {
    type Error = Error;

    fn try_from(Choices { weights, branches }: Choices) -> Result<Self> {
        Self::new(&weights, branches)
    }
}

impl RandomChoice {
    /// A choice of one of `branches`, each with a probability proportional to its weight.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is not one weight of at least 0 per branch, or their sum is 0 or not finite.
    pub fn new(weights: &[f64], branches: Vec<Vec<Op>>) -> Result<Self> {
        let total = ends(weights).last().unwrap_or(0.0);
        let positive = total > 0.0 && total.is_finite() && weights.iter().all(|&weight| weight >= 0.0);
        if !positive || weights.len() != branches.len() {
            return Err(Error::Parameter(format!(
                "weights {weights:?} of {} branches: each must have one of at least 0, and their sum must be positive \
                 and finite",
                branches.len()
            )));
        }
        Ok(Self { weights: weights.to_vec(), total, branches })
    }

    /// The weight of each branch.
    #[must_use]
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    /// The lists of transforms.
    #[must_use]
    pub fn branches(&self) -> &[Vec<Op>] {
        &self.branches
    }

    /// The number of ops before the drawn branch, and the branch.
    fn draw(&self, stream: &mut Stream) -> (usize, &[Op]) {
        let at = stream.unit() * self.total;
        // A branch of weight 0 ends where the one before it does, so it is never the first that ends after `at`. The
        // product may be rounded up to the total where that is subnormal; then it is the first that ends there.
        let drawn = ends(&self.weights).position(|end| end > at || end == self.total);
        let drawn = drawn.expect("the last branch ends at the total");
        (positions(self.branches[..drawn].iter().flatten()), &self.branches[drawn])
    }

    /// The size after any of the branches that may be drawn, where it is one.
    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        let possible = self.branches.iter().zip(&self.weights).filter(|(_, weight)| **weight > 0.0);
        let mut sizes = possible.map(|(branch, _)| output_size(branch, input));
        let first = sizes.next()?;
        first.filter(|_| sizes.all(|size| size == first))
    }
}

/// The sums of the weights up to and with each.
fn ends(weights: &[f64]) -> impl Iterator<Item = f64> {
    weights.iter().scan(0.0, |end, weight| {
        *end += weight;
        Some(*end)
    })
}

/// Hands each of `branches` to `run` with the number of ops before it, in a random order.
fn in_random_order(
    branches: &[Vec<Op>],
    stream: &mut Stream,
    mut run: impl FnMut(usize, &[Op]) -> Result<()>,
) -> Result<()> {
    // Fisher and Yates: every order is equally likely.
    let mut order: SmallVec<[usize; 16]> = (0..branches.len()).collect();
    for last in (1..order.len()).rev() {
        order.swap(last, stream.below(last + 1));
    }
    order.into_iter().try_for_each(|i| run(positions(branches[..i].iter().flatten()), &branches[i]))
}

/// The number of ops in a tree, with the composite ones.
pub(in super::super) fn positions<'a>(ops: impl IntoIterator<Item = &'a Op>) -> usize {
    ops.into_iter().map(Op::positions).sum()
}

/// The size after `ops`, where it is the same for every input of size `input` (`None`: for every input at all).
pub(in super::super) fn output_size(ops: &[Op], input: Option<Size>) -> Option<Size> {
    ops.iter().fold(input, |size, op| op.output_size(size))
}

/// The size after `ops` or without them.
fn optional_output_size(ops: &[Op], input: Option<Size>) -> Option<Size> {
    input.filter(|_| output_size(ops, input) == input)
}

/// The size after all `branches`, in whatever order.
fn unordered_output_size(branches: &[Vec<Op>], input: Option<Size>) -> Option<Size> {
    // One branch that makes everything this size, and none that changes it: whatever comes before and after that branch,
    // this is the size in the end.
    let fixed = branches.iter().find_map(|branch| output_size(branch, None));
    fixed.or(input).filter(|&size| branches.iter().all(|branch| output_size(branch, Some(size)) == Some(size)))
}

#[cfg(test)]
mod tests {
    use super::{
        super::{crop::CropOp, flip::FlipOp},
        *,
    };
    use crate::rng::Key;

    const FLIP: Op = Op::Flip(FlipOp::RandomHorizontalFlip { p: 1.0 });

    fn crop(edge: usize) -> Op {
        CropOp::CenterCrop { size: Size::new(edge, edge) }.into()
    }

    fn streams() -> impl Iterator<Item = Stream> {
        (0..10_000).map(|index| Stream::new(Key { seed: 3, index, occurrence: 0 }, 0))
    }

    #[test]
    fn branches_are_chosen_by_weight() {
        let branches = vec![vec![], vec![FLIP; 2], vec![FLIP], vec![FLIP; 3], vec![]];
        let choice = RandomChoice::new(&[0.0, 3.0, 0.0, 1.0, 0.0], branches).unwrap();
        let mut drawn = [0; 4];
        for mut stream in streams() {
            let (before, ops) = choice.draw(&mut stream);
            assert_eq!(before, if ops.len() == 2 { 0 } else { 3 });
            drawn[ops.len()] += 1;
        }
        assert!(drawn[0] == 0 && drawn[1] == 0 && (7_300..7_700).contains(&drawn[2]), "{drawn:?}");
    }

    #[test]
    fn subnormal_weights_never_choose_what_has_none() {
        let tiny = f64::from_bits(1);
        let choice = RandomChoice::new(&[tiny, 0.0], vec![vec![FLIP], vec![]]).unwrap();
        assert!(streams().all(|mut stream| choice.draw(&mut stream).1.len() == 1));
    }

    #[test]
    fn bad_weights_are_refused() {
        let new = |weights: &[f64], n| RandomChoice::new(weights, vec![vec![FLIP]; n]);
        assert!(new(&[1.0, 0.0], 2).is_ok());
        let bad: [&[f64]; 6] = [&[], &[1.0], &[0.0, 0.0], &[2.0, -1.0], &[f64::NAN, 1.0], &[f64::MAX, f64::MAX]];
        for weights in bad {
            assert!(matches!(new(weights, weights.len().max(2)), Err(Error::Parameter(_))), "{weights:?}");
        }
        assert!(new(&[f64::INFINITY], 1).is_err());
        assert!(new(&[], 0).is_err());
    }

    #[test]
    fn every_order_is_equally_likely() {
        let branches = vec![vec![FLIP; 1], vec![FLIP; 2], vec![FLIP; 3]];
        let mut seen = std::collections::BTreeMap::new();
        for mut stream in streams() {
            let mut order = Vec::new();
            in_random_order(&branches, &mut stream, |before, ops| {
                assert_eq!(before, [0, 1, 3][ops.len() - 1]);
                order.push(ops.len());
                Ok(())
            })
            .unwrap();
            *seen.entry(order).or_insert(0) += 1;
        }
        assert_eq!(seen.len(), 6);
        assert!(seen.values().all(|n| (1_500..1_850).contains(n)), "{seen:?}");
    }

    #[test]
    fn sizes_are_known_where_nothing_drawn_changes_them() {
        let (some, other) = (Some(Size::new(8, 8)), Some(Size::new(6, 6)));
        let apply = |ops| Op::from(ComposeOp::RandomApply { p: 0.5, ops });
        assert_eq!(apply(vec![FLIP]).output_size(some), some);
        assert_eq!(apply(vec![crop(8)]).output_size(some), some);
        assert_eq!(apply(vec![crop(8)]).output_size(None), None);
        assert_eq!(apply(vec![crop(6)]).output_size(some), None);

        let choice = |branches| ComposeOp::RandomChoice(RandomChoice::new(&[1.0, 1.0, 0.0], branches).unwrap());
        assert_eq!(choice(vec![vec![crop(6)], vec![FLIP, crop(6)], vec![]]).output_size(None), other);
        assert_eq!(choice(vec![vec![crop(6)], vec![], vec![]]).output_size(other), other);
        assert_eq!(choice(vec![vec![crop(6)], vec![], vec![]]).output_size(some), None);

        let order = |branches| ComposeOp::RandomOrder { branches };
        assert_eq!(order(vec![vec![crop(6)], vec![FLIP]]).output_size(None), other);
        assert_eq!(order(vec![vec![crop(6)], vec![crop(8)]]).output_size(some), None);
        assert_eq!(order(vec![vec![FLIP], vec![apply(vec![FLIP])]]).output_size(some), some);
        assert_eq!(order(vec![vec![FLIP]]).output_size(None), None);
        assert_eq!(order(vec![]).output_size(some), some);
    }
}
