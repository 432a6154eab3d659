//! `Resample`: Pillow's separable resize (`src/libImaging/Resample.c`).

use std::fmt;

use super::{
    PassScratch,
    filter::{Filter, Interval, Stretch},
};
use crate::{
    Result,
    image::{Rect, Size, View, Window, resize as make_room},
    interrupt::{self, Pace},
};

/// Which direction of a resize comes first. The pixels between the two are rounded to 8 bits, so the order shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ResizeOrder {
    /// Pillow 12 and older.
    HorizontalFirst,
    /// Pillow 13 and newer: vertical first where that saves more work.
    #[default]
    CheaperFirst,
}

impl ResizeOrder {
    /// Whether a resize from `input` to `output` goes down the columns first.
    const fn vertical_first(self, input: Size, output: Size) -> bool {
        match self {
            ResizeOrder::HorizontalFirst => false,
            ResizeOrder::CheaperFirst => input.height > output.height + 2 * input.width.saturating_sub(output.width),
        }
    }
}

/// A filtered resize of a rectangle of its input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Resample {
    /// The rectangle of the input that is resized. Nothing outside of it is read.
    pub(crate) window: Rect,
    /// The part of the window's rows that is resized: all of them, except in an image that is decoded at a scale.
    pub(crate) rows: Interval,
    /// The part of the window's columns.
    pub(crate) columns: Interval,
    /// The size of the output.
    pub(crate) size: Size,
    pub(crate) filter: Filter,
    pub(crate) order: ResizeOrder,
}

/// Rows that go through both directions together, while they are in the cache.
const ROWS_PER_STRIP: usize = 8;

impl Resample {
    /// Resizes `window` to `size`.
    pub(crate) const fn new(window: Rect, size: Size, filter: Filter, order: ResizeOrder) -> Self {
        let (rows, columns) = (Interval::all(window.height), Interval::all(window.width));
        Self { window, rows, columns, size, filter, order }
    }

    /// The filter as it is stretched over rows.
    fn vertical(&self) -> Stretch {
        Stretch::new(self.filter, self.window.height, self.rows, self.size.height)
    }

    /// The filter as it is stretched over columns.
    pub(crate) fn horizontal(&self) -> Stretch {
        Stretch::new(self.filter, self.window.width, self.columns, self.size.width)
    }

    /// Whether rows change their number.
    fn resizes_rows(&self) -> bool {
        !Stretch::copies(self.window.height, self.rows, self.size.height)
    }

    /// Whether columns change their number.
    fn resizes_columns(&self) -> bool {
        !Stretch::copies(self.window.width, self.columns, self.size.width)
    }

    /// Whether the columns come first.
    fn vertical_first(&self) -> bool {
        self.order.vertical_first(Size::new(self.window.height, self.window.width), self.size)
    }

    /// Whether rows are resized one by one, and the columns of the result afterwards.
    pub(crate) fn is_horizontal_first(&self) -> bool {
        self.resizes_rows() && self.resizes_columns() && !self.vertical_first()
    }

    /// The rectangle of the window that `rect` of the output reads, counted from the window's corner.
    fn reads(&self, rect: Rect) -> Rect {
        let (top, height) = self.vertical().span(rect.top, rect.height);
        let (left, width) = self.horizontal().span(rect.left, rect.width);
        Rect { top, left, height, width }
    }

    /// The rectangle of the input that `rect` of the output reads.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        let reads = self.reads(rect);
        Rect { top: self.window.top + reads.top, left: self.window.left + reads.left, ..reads }
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(&self, image: View<'_>, rect: Rect, scratch: &mut PassScratch, out: &mut Window) -> Result<()> {
        let PassScratch { horizontal, vertical, between, .. } = scratch;
        let (reads, channels) = (self.reads(rect), image.channels);
        self.vertical().fill(vertical, rect.top, rect.height, reads.top)?;
        self.horizontal().fill(horizontal, rect.left, rect.width, reads.left)?;
        out.try_reset(self.size, rect, channels)?;
        let (rows, row_stride) = from_corner(image, self.needs(rect));
        let stride = out.stride();
        if !self.resizes_rows() {
            horizontal.apply_to_rows(rows, row_stride, channels, &mut out.data);
        } else if !self.resizes_columns() {
            vertical.apply_to_columns(rows, row_stride, 0, &mut out.data, stride);
        } else if self.vertical_first() {
            let width = reads.width * channels;
            make_room(between, ROWS_PER_STRIP * width)?;
            let mut pace = Pace::new();
            for (strip, out) in out.data.chunks_mut(ROWS_PER_STRIP * stride).enumerate() {
                if pace.after(out.len()) {
                    break;
                }
                let between = &mut between[..out.len() / stride * width];
                vertical.apply_to_columns(rows, row_stride, strip * ROWS_PER_STRIP, between, width);
                horizontal.apply_to_rows(between, width, channels, out);
            }
        } else {
            make_room(between, reads.height * stride)?;
            horizontal.apply_to_rows(rows, row_stride, channels, between);
            if !interrupt::requested() {
                vertical.apply_to_columns(between, stride, 0, &mut out.data, stride);
            }
        }
        Ok(())
    }
}

/// The bytes of `image` from the corner of `rect` on, and the bytes from one row to the next.
fn from_corner<'a>(image: View<'a>, rect: Rect) -> (&'a [u8], usize) {
    let View { rect: held, channels, data, .. } = image;
    let corner = (rect.top - held.top) * held.width + (rect.left - held.left);
    (&data[corner * channels..], held.width * channels)
}

impl fmt::Display for Resample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { window, size, filter, .. } = self;
        let (rows, columns) = (window.top..window.bottom(), window.left..window.right());
        let (height, width) = (size.height, size.width);
        write!(f, "resample rows {rows:?}, columns {columns:?} to {height} x {width} ({filter:?})")
    }
}
