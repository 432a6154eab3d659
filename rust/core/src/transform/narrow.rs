//! Resizing rows as they are decoded.
//!
//! A photo of many megapixels does not fit the caches. Decoded whole and resized afterwards, it goes out to memory and
//! comes back. Where the first pass of the first resize is the horizontal one, it needs one row at a time: so rows are
//! taken as the decoder makes them, some at a time, and only the narrower rows that the pass makes of them are kept. The
//! rest of the work is that of an [`Executor`] for an image whose columns are resized already.

use super::{
    axis::Axis,
    execute::{Executor, Scratch},
    filter::{Interval, Stretch},
};
use crate::{
    Result,
    image::{Rect, Size, Window},
    kernel::Coefficients,
};

/// An executor in two parts: what is done to rows as they come, and the rest.
#[derive(Debug)]
pub struct Narrowing<'p> {
    rest: Executor<'p>,
    stretch: Stretch,
    /// Where the stretch's input begins.
    origin: usize,
    /// The columns of the rows that are to come.
    columns: usize,
}

impl<'p> Executor<'p> {
    /// Whether the first thing to be done to the image is to make its rows narrower, each by itself.
    #[must_use]
    pub fn narrows(&self) -> bool {
        self.geometry.stages.first().is_some_and(|stage| {
            let (input, output) = (stage.gather.size(), stage.resize.size);
            // Without the vertical pass there would be nothing left for the rest to do but to copy.
            let both = stage.passes() == (true, true);
            both && stage.gather.is_window() && !self.plan.pass_order.vertical_first(input, output)
        })
    }

    /// Takes the horizontal pass out: it is for rows of [`Executor::region`], as that is now.
    ///
    /// # Panics
    /// If the executor does not [`narrow`](Self::narrows).
    #[must_use]
    pub fn narrow(mut self) -> Narrowing<'p> {
        assert!(self.narrows(), "the first pass is not the horizontal one");
        let (stage, (read, write)) = (&mut self.geometry.stages[0], &mut self.needs[0]);
        let (origin, stretch, region) = (read.left, stage.stretches().1, self.region);
        let width = stage.resize.size.width;
        stage.gather.columns = Axis::identity(width);
        stage.intervals.1 = Interval::all(width);
        let narrow = |rect: Rect| Rect { left: write.left, width: write.width, ..rect };
        (*read, self.region) = (narrow(*read), narrow(region));
        Narrowing { rest: self, stretch, origin, columns: region.width }
    }
}

impl<'p> Narrowing<'p> {
    /// Prepares `out` for the narrower rows of an image of `height` rows and `channels` channels.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where there is none for them.
    pub fn start<'a>(
        &self,
        height: usize,
        channels: usize,
        scratch: &'a mut Scratch,
        out: &'a mut Window,
    ) -> Result<Narrower<'a>> {
        let Rect { left, width, .. } = self.rest.region;
        let all = self.rest.geometry.stages[0].resize.size.width;
        self.stretch.fill(&mut scratch.horizontal, left, width, self.origin)?;
        out.try_reset(Size::new(height, all), self.rest.region, channels)?;
        Ok(Narrower { table: &scratch.horizontal, stride: self.columns * channels, out })
    }

    /// What is left to do, to the window with all rows in it.
    #[must_use]
    pub fn rest(self) -> Executor<'p> {
        self.rest
    }
}

/// Takes rows, and keeps them narrower.
#[derive(Debug)]
pub struct Narrower<'a> {
    table: &'a Coefficients,
    /// Bytes of a row that comes.
    stride: usize,
    out: &'a mut Window,
}

impl Narrower<'_> {
    /// Takes whole rows of the region from its row `first` on.
    pub fn push(&mut self, first: usize, rows: &[u8]) {
        let (count, stride) = (rows.len() / self.stride, self.out.stride());
        let out = &mut self.out.data[first * stride..][..count * stride];
        self.table.apply_to_rows(rows, self.stride, self.out.channels, out);
    }
}
