//! The transforms of a dataset, and drawing all of them.

use std::fmt;

use super::{
    Call, Lookup, Op, ResizeOrder,
    ops::{compose, drawing::Drawing, erase::Erases},
};
use crate::{Error, Result, image::Size, rng::Key};

/// The transforms of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The geometric transforms, in order.
    pub ops: Vec<Op>,
    /// How pixels become output values.
    pub lookup: Lookup,
    /// Which Pillow's resize is reproduced.
    pub resize_order: ResizeOrder,
}

/// The most ops in a plan, those inside others included: streams beyond these numbers are drawn from for other things
/// than ops (see [`crate::rng`]).
pub(crate) const MOST_OPS: usize = u16::MAX as usize - 1;

impl Plan {
    /// A plan of some ops.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there are too many: each op has a stream of random numbers of its own; and where one that
    /// erases is not among the last.
    pub fn new(ops: Vec<Op>, lookup: Lookup, resize_order: ResizeOrder) -> Result<Self> {
        let count = compose::positions(&ops);
        if count > MOST_OPS {
            return Err(Error::Parameter(format!("{count} transforms: a pipeline has at most {MOST_OPS}")));
        }
        let mut ends = ops.iter().skip_while(|op| op.erases() == Erases::Not);
        if let Some(op) = ends.find(|op| op.erases() != Erases::Only) {
            return Err(Error::Parameter(format!("{op} comes after an erasure, or with one: erasures come last")));
        }
        Ok(Self { ops, lookup, resize_order })
    }

    /// Whether what is done to a sample may depend on random numbers.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.ops.iter().any(Op::is_random)
    }

    /// Draws every random parameter of the sample `key`, whose image has size `input`, into `calls` (cleared first), in
    /// the order in which they are to be applied: pairs of the transform's position and its call. Returns the output
    /// size.
    ///
    /// Positions count over the tree of [`Plan::ops`]: each op before those that are in it. They number the streams of
    /// random numbers too, so what an op draws does not depend on whether others are applied.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a transform cannot be applied to an image of that size; [`Error::Limit`] where it makes
    /// an edge of more than `i32::MAX` pixels.
    pub fn draw(&self, key: Key, input: Size, calls: &mut Vec<(usize, Call)>) -> Result<Size> {
        calls.clear();
        self.draw_from(0, key, input, calls)
    }

    /// [`Plan::draw`] with positions that count from `first` on, added to `calls`: one of several plans for one sample draws
    /// from other streams than the plans before it.
    ///
    /// # Errors
    /// As [`Plan::draw`].
    pub fn draw_from(&self, first: usize, key: Key, input: Size, calls: &mut Vec<(usize, Call)>) -> Result<Size> {
        let mut drawing = Drawing::new(key, input, calls);
        drawing.all(&self.ops, first)?;
        Ok(drawing.size)
    }

    /// The number of positions that the plan's ops take.
    #[must_use]
    pub fn positions(&self) -> usize {
        compose::positions(&self.ops)
    }

    /// The channels of every output for images of so many, 1 or 3; `None` where they depend on what is drawn.
    #[must_use]
    pub fn output_channels(&self, channels: usize) -> Option<usize> {
        compose::output_channels(&self.ops, channels)
    }

    /// The size of every output, where it does not depend on the input; `input` is the size of all inputs, if known.
    #[must_use]
    pub fn output_size(&self, input: Option<Size>) -> Option<Size> {
        compose::output_size(&self.ops, input)
    }
}

/// The ops, as a list.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        compose::List(&self.ops).fmt(f)
    }
}
