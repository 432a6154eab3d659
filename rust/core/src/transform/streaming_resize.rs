//! Resizing rows while they are decoded.
//!
//! A photo of many megapixels does not fit the caches. If it is decoded whole and resized afterwards, it goes out to memory
//! and comes back. A resize that goes along the rows first needs one row at a time. So it can take rows as the decoder makes
//! them, a few at a time, and only the narrower rows that it makes of them are kept. The rest of the work is that of an
//! [`Executor`] for an image whose columns are resized already.

use super::{
    execute::{Executor, ExecutorScratch},
    passes::{
        Pass, Resample,
        filter::{Interval, Stretch},
    },
};
use crate::{
    Result,
    image::{Rect, Size, Window},
    kernel::Coefficients,
};

/// An executor in two parts: what is done to each row as it comes, and the rest.
#[derive(Debug)]
pub struct StreamingResize<'p> {
    rest: Executor<'p>,
    stretch: Stretch,
    /// The width of the whole image that the narrower rows make.
    width: usize,
    /// The column of the resized rectangle that the first byte of a row belongs to.
    origin: usize,
    /// The columns of each row that comes.
    columns: usize,
}

impl<'p> Executor<'p> {
    /// The first pass, if it resizes rows one by one before it does anything else.
    fn first_rows_resize(&self) -> Option<&Resample> {
        match self.program.passes.first() {
            Some(Pass::Resample(resample)) if resample.is_horizontal_first() => Some(resample),
            _ => None,
        }
    }

    /// Whether the first step is to make each row narrower by itself.
    #[must_use]
    pub fn can_stream(&self) -> bool {
        self.first_rows_resize().is_some()
    }

    /// Takes that step out. It is for rows of [`Executor::region`] as it is now.
    ///
    /// # Panics
    /// If [`Executor::can_stream`] is false.
    #[must_use]
    pub fn stream(mut self) -> StreamingResize<'p> {
        let whole = *self.first_rows_resize().expect("the first pass resizes rows first");
        let (made, region, width) = (self.made[0], self.region, whole.size.width);
        let window = Rect { left: 0, width, ..whole.window };
        let down = Resample { window, columns: Interval::all(width), ..whole };
        self.program.passes[0] = Pass::Resample(down);
        self.region = Rect { left: made.left, width: made.width, ..region };
        let origin = region.left - whole.window.left;
        StreamingResize { rest: self, stretch: whole.horizontal(), width, origin, columns: region.width }
    }
}

impl<'p> StreamingResize<'p> {
    /// Prepares `out` for the narrower rows of an image of `height` rows and `channels` channels.
    ///
    /// # Errors
    /// [`crate::Error::Memory`] where memory for them runs out.
    pub fn start<'a>(
        &self,
        height: usize,
        channels: usize,
        scratch: &'a mut ExecutorScratch,
        out: &'a mut Window,
    ) -> Result<RowResizer<'a>> {
        let (region, table) = (self.rest.region, &mut scratch.pass.horizontal);
        self.stretch.fill(table, region.left, region.width, self.origin)?;
        out.try_reset(Size::new(height, self.width), region, channels)?;
        Ok(RowResizer { table, stride: self.columns * channels, out })
    }

    /// What is left to do with the window once it holds all rows.
    #[must_use]
    pub fn rest(self) -> Executor<'p> {
        self.rest
    }
}

/// Takes rows, and keeps narrower ones.
#[derive(Debug)]
pub struct RowResizer<'a> {
    table: &'a Coefficients,
    /// Bytes of a row that comes.
    stride: usize,
    out: &'a mut Window,
}

impl RowResizer<'_> {
    /// Takes whole rows, from row `first` of the region on.
    pub fn push(&mut self, first: usize, rows: &[u8]) {
        let (count, stride) = (rows.len() / self.stride, self.out.stride());
        let out = &mut self.out.data[first * stride..][..count * stride];
        self.table.apply_to_rows(rows, self.stride, self.out.channels, out);
    }
}
