//! Drawing: the calls of one sample, op by op.

use super::{Call, Op};
use crate::{
    Error, Result,
    image::Size,
    rng::{Key, Stream},
};

/// The calls that are drawn so far for one sample.
pub(in crate::transform) struct Drawing<'a> {
    key: Key,
    /// The size of the image after `calls`.
    pub(in crate::transform) size: Size,
    calls: &'a mut Vec<(usize, Call)>,
}

impl<'a> Drawing<'a> {
    /// Starts with an image of `size`. Calls are added to `calls`.
    pub(in crate::transform) fn new(key: Key, size: Size, calls: &'a mut Vec<(usize, Call)>) -> Self {
        Self { key, size, calls }
    }

    /// The random numbers of the op at `position`.
    pub(super) fn stream(&self, position: usize) -> Stream {
        Stream::new(self.key, position as u16)
    }

    /// Draws `ops`, the first of which is at `position`.
    pub(in crate::transform) fn all(&mut self, ops: &[Op], mut position: usize) -> Result<()> {
        for op in ops {
            op.draw(position, self)?;
            if self.size.height == 0 || self.size.width == 0 {
                return Err(Error::Parameter(format!("{op} leaves no pixels of the image")));
            }
            check_edges(self.size)?;
            position += op.positions();
        }
        Ok(())
    }

    /// Adds a call of the op at `position` with probability `p`. The decision takes one number of the op's `stream`.
    pub(super) fn push_with_probability(
        &mut self,
        p: f64,
        stream: &mut Stream,
        position: usize,
        call: impl Into<Call>,
    ) {
        if stream.unit() < p {
            self.push(position, call);
        }
    }

    /// Adds a call of the op at `position`.
    pub(super) fn push(&mut self, position: usize, call: impl Into<Call>) {
        let call = call.into();
        self.size = call.output_size(self.size);
        self.calls.push((position, call));
    }
}

/// Refuses an edge that is longer than a map of it can say: random numbers and fills are counted in 32 bits.
pub(super) fn check_edges(size: Size) -> Result<()> {
    const MOST: usize = i32::MAX as usize;
    if size.height > MOST || size.width > MOST {
        return Err(Error::Limit(format!(
            "a transform makes an image of {} x {} pixels (width x height): an edge has at most {MOST}",
            size.width, size.height
        )));
    }
    Ok(())
}
