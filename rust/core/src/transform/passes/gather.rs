//! `Gather`: pixels that are moved and not changed.

use std::fmt;

use smallvec::SmallVec;

use super::{
    index_map::{IndexMap, Run, nearest},
    padding::Padding,
};
use crate::{
    Result,
    image::{Rect, Size, View, Window},
    interrupt::Pace,
};

/// Any sequence of crops, flips, paddings and nearest-neighbour resizes, as one index map for each axis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Gather {
    pub(crate) rows: IndexMap,
    pub(crate) columns: IndexMap,
    /// The colours that negative entries of the maps stand for. Few samples are padded more than once.
    fills: SmallVec<[[u8; 3]; 4]>,
}

impl Gather {
    /// Leaves an image of `size` as it is.
    pub(crate) fn identity(size: Size) -> Self {
        let (rows, columns) = (IndexMap::identity(size.height), IndexMap::identity(size.width));
        Self { rows, columns, fills: SmallVec::new() }
    }

    /// The size of the output.
    pub(crate) const fn size(&self) -> Size {
        Size::new(self.rows.len(), self.columns.len())
    }

    /// The smallest rectangle of the input that holds every pixel that `rect` of the output shows. It is empty where
    /// `rect` shows fills only.
    pub(crate) fn needs(&self, rect: Rect) -> Rect {
        let (top, height) = self.rows.span(rect.top, rect.height);
        let (left, width) = self.columns.span(rect.left, rect.width);
        Rect { top, left, height, width }
    }

    /// The rectangle of the input that the output is, where pixels are only cut off.
    pub(crate) fn window(&self) -> Option<Rect> {
        let (IndexMap::Run(rows), IndexMap::Run(columns)) = (&self.rows, &self.columns) else { return None };
        let forward = |run: &Run| run.is_bare() && !run.reversed;
        let window = Rect { top: rows.start, left: columns.start, height: rows.len, width: columns.len };
        (forward(rows) && forward(columns)).then_some(window)
    }

    /// Whether every pixel of the output is one of the input.
    pub(crate) fn has_no_fill(&self) -> bool {
        self.fills.is_empty()
    }

    /// Whether the output has the pixels of an image of `size`, each once.
    pub(crate) fn is_permutation(&self, size: Size) -> bool {
        let (IndexMap::Run(rows), IndexMap::Run(columns)) = (&self.rows, &self.columns) else { return false };
        rows.is_bare() && columns.is_bare() && Size::new(rows.len, columns.len) == size
    }

    /// The runs of both axes and the one colour around them, where the gather consists of no more than that.
    pub(crate) fn runs(&self) -> Option<(Run, Run, [u8; 3])> {
        let (IndexMap::Run(rows), IndexMap::Run(columns)) = (&self.rows, &self.columns) else { return None };
        let fill = match (rows.is_bare(), columns.is_bare()) {
            (true, true) => return Some((*rows, *columns, [0; 3])),
            (true, false) => columns.fill,
            (false, true) => rows.fill,
            (false, false) if self.fills[rows.fill] == self.fills[columns.fill] => rows.fill,
            (false, false) => return None,
        };
        Some((*rows, *columns, self.fills[fill]))
    }

    /// Cuts the output to `size` pixels from (`top`, `left`) on.
    pub(crate) fn crop(&mut self, top: usize, left: usize, size: Size) {
        self.rows = self.rows.slice(top, size.height);
        self.columns = self.columns.slice(left, size.width);
    }

    /// Mirrors the output left to right.
    pub(crate) fn flip_horizontally(&mut self) {
        self.columns = self.columns.flip();
    }

    /// Mirrors the output top to bottom.
    pub(crate) fn flip_vertically(&mut self) {
        self.rows = self.rows.flip();
    }

    /// Adds the rows and columns of `padding`.
    pub(crate) fn pad(&mut self, padding: &Padding) {
        let fill = self.fills.len();
        self.fills.push(padding.fill);
        self.rows = self.rows.pad(padding.top, padding.bottom, padding.mode, fill);
        self.columns = self.columns.pad(padding.left, padding.right, padding.mode, fill);
    }

    /// Resizes the output to `size`: each pixel is the nearest one, or `black` where rounding leads outside the image.
    pub(crate) fn nearest(&mut self, size: Size, black: [u8; 3]) {
        let fill = self.fills.len();
        self.fills.push(black);
        self.rows = self.rows.gather(&nearest(self.rows.len(), size.height), fill);
        self.columns = self.columns.gather(&nearest(self.columns.len(), size.width), fill);
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(&self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        out.try_reset(self.size(), rect, image.channels)?;
        let mut pace = Pace::new();
        for (row, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * image.channels)) {
            if pace.after(line.len()) {
                break;
            }
            match self.row_in_place(row, rect.left, rect.width, image) {
                Some(pixels) => line.copy_from_slice(pixels),
                None => self.build_row(row, rect.left, image, line),
            }
        }
        Ok(())
    }

    /// Columns `left..left + width` of output row `row`. They are borrowed from `image` if they lie there in order, and
    /// built in `memory` if not. `image` is packed.
    pub(crate) fn row<'a>(
        &self,
        row: usize,
        left: usize,
        width: usize,
        image: View<'a>,
        memory: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        self.row_in_place(row, left, width, image).unwrap_or_else(|| {
            memory.resize(width * image.channels, 0);
            self.build_row(row, left, image, memory);
            memory
        })
    }

    /// Columns `left..left + width` of output row `row`, if they lie in `image` in order.
    fn row_in_place<'a>(&self, row: usize, left: usize, width: usize, image: View<'a>) -> Option<&'a [u8]> {
        let IndexMap::Run(run) = &self.columns else { return None };
        let (from, run) = (self.rows.get(row), run.slice(left, width));
        (from >= 0 && run.is_bare() && !run.reversed).then(|| image.row(from as usize, run.start, width))
    }

    /// Builds output row `row` from column `left` on.
    fn build_row(&self, row: usize, left: usize, image: View<'_>, out: &mut [u8]) {
        let from = self.rows.get(row);
        if image.channels == 1 {
            self.build_row_of::<1>(from, left, image, out.as_chunks_mut().0);
        } else {
            self.build_row_of::<3>(from, left, image, out.as_chunks_mut().0);
        }
    }

    /// Builds a row from entry `from` of the rows.
    fn build_row_of<const C: usize>(&self, from: i32, left: usize, image: View<'_>, out: &mut [[u8; C]]) {
        let fill = |column: i32| *self.fill(from, column).first_chunk().expect("a byte per channel");
        // The image may hold no pixel of a row that lies in the padding.
        if from < 0 {
            out.iter_mut().zip(left..).for_each(|(out, x)| *out = fill(self.columns.get(x)));
            return;
        }
        let pixels = |first, len| image.row(from as usize, first, len).as_chunks::<C>().0;
        match &self.columns {
            IndexMap::Run(run) => {
                let run = run.slice(left, out.len());
                let (before, rest) = out.split_at_mut(run.before);
                let (inner, after) = rest.split_at_mut(run.len);
                before.iter_mut().chain(after).for_each(|out| *out = fill(-1 - run.fill as i32));
                match run.len {
                    0 => {}
                    len if run.reversed => {
                        let pixels = pixels(run.start + 1 - len, len).iter().rev();
                        inner.iter_mut().zip(pixels).for_each(|(out, pixel)| *out = *pixel);
                    }
                    len => inner.copy_from_slice(pixels(run.start, len)),
                }
            }
            IndexMap::List(list) => {
                let columns = &list[left..left + out.len()];
                let pixels = if columns.iter().all(|&column| column < 0) {
                    &[]
                } else {
                    pixels(image.rect.left, image.rect.width)
                };
                for (out, &column) in out.iter_mut().zip(columns) {
                    *out = if column < 0 { fill(column) } else { pixels[column as usize - image.rect.left] };
                }
            }
        }
    }

    /// The colour of a pixel with at least one negative entry. Where both are negative, the later fill lies on top.
    fn fill(&self, row: i32, column: i32) -> [u8; 3] {
        self.fills[(-1 - row.min(column)) as usize]
    }
}

impl fmt::Display for Gather {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gather rows {}, columns {}", self.rows, self.columns)
    }
}
