//! The views of one image. Each has a plan of its own; all are made from one read, one header and one decode.

use crate::{
    Result,
    decode::Limits,
    image::{Rect, Size},
    rng::Key,
    transform::{Call, Plan, execute::Executor},
};

/// What is drawn for the views of one image.
#[derive(Debug, Default)]
pub(super) struct Draws {
    /// The calls of all views, one view after the other: each with the position of its op.
    calls: Vec<(usize, Call)>,
    /// Where the calls of each view end.
    ends: Vec<usize>,
}

impl Draws {
    /// Draws for the sample `key`, whose image has `size`. The positions of a view's ops follow those of the view before:
    /// so views are drawn independently, and a view that is alone is drawn as any plan.
    ///
    /// # Errors
    /// Where a transform does not apply to the size; [`crate::Error::Limit`] where one makes too large an image: a few bytes
    /// may be a line of a million pixels, of which a `Resize` makes many gigabytes.
    pub(super) fn draw(&mut self, plans: &[Plan], key: Key, size: Size, limits: &Limits) -> Result<()> {
        self.calls.clear();
        self.ends.clear();
        let mut position = 0;
        for (number, plan) in plans.iter().enumerate() {
            if number > 0 {
                position += plans[number - 1].positions();
            }
            let start = self.calls.len();
            plan.draw_from(position, key, size, &mut self.calls)?;
            let mut size = size;
            for (_, call) in &self.calls[start..] {
                limits.check_transformed(call.largest_size(size))?;
                size = call.output_size(size);
            }
            self.ends.push(self.calls.len());
        }
        Ok(())
    }

    /// The calls of a view.
    pub(super) fn view(&self, number: usize) -> &[(usize, Call)] {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.calls[start..self.ends[number]]
    }

    /// The calls of all views.
    pub(super) fn into_calls(self) -> Vec<(usize, Call)> {
        self.calls
    }

    /// The smallest rectangle of an image of `size` that holds what each view reads of it.
    ///
    /// To decode it once is cheaper than to decode a region for each view: the codes of a JPEG must be read up to the last
    /// row of a region, and a PNG inflated, whatever lies above and beside it.
    pub(super) fn region(&self, plans: &[Plan], size: Size) -> Rect {
        let regions =
            plans.iter().enumerate().map(|(number, plan)| Executor::new(plan, self.view(number), size).region());
        regions.reduce(|all, region| all.bounding(&region)).expect("a dataset has a plan")
    }

    /// Hands every view to `make`, with its number: what is left to do to `image`, which has `size` as a whole.
    pub(super) fn each(
        &self,
        plans: &[Plan],
        size: Size,
        mut make: impl FnMut(usize, &Executor<'_>) -> Result<()>,
    ) -> Result<()> {
        plans
            .iter()
            .enumerate()
            .try_for_each(|(number, plan)| make(number, &Executor::new(plan, self.view(number), size)))
    }
}
