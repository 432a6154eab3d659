//! Drawn calls, compiled: index maps with the resizes between them.

use smallvec::SmallVec;

use super::{
    Call,
    axis::{Axis, Run},
    filter::{Filter, Interval, Stretch, nearest},
    pad::Padding,
    resize::Resize,
};
use crate::image::{Rect, Size, View};

/// A run of crops, flips, pads and nearest-neighbour resizes as one map per axis.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    /// The colours that negative entries of the axes stand for; there is rarely more than one padding.
    fills: SmallVec<[[u8; 3]; 4]>,
}

impl Gather {
    fn new(size: Size) -> Self {
        Self { rows: Axis::identity(size.height), columns: Axis::identity(size.width), fills: SmallVec::new() }
    }

    pub(super) const fn size(&self) -> Size {
        Size::new(self.rows.len(), self.columns.len())
    }

    /// The colour of a pixel of which at least one entry is negative: that of the later transform, which is on top.
    pub(super) fn fill(&self, row: i32, column: i32) -> [u8; 3] {
        self.fills[(-1 - row.min(column)) as usize]
    }

    /// The smallest rectangle of the input that holds all that `rect` of the output reads.
    pub(super) fn needs(&self, rect: Rect) -> Rect {
        let (top, height) = self.rows.span(rect.top, rect.height);
        let (left, width) = self.columns.span(rect.left, rect.width);
        Rect { top, left, height, width }
    }

    /// Whether the output is a rectangle of the input as it is.
    pub(super) const fn is_window(&self) -> bool {
        const fn is_window(axis: &Axis) -> bool {
            matches!(axis, Axis::Run(run) if run.is_bare() && !run.reversed)
        }
        is_window(&self.rows) && is_window(&self.columns)
    }

    /// The runs of both axes with the one colour of what is around them, if that is all there is to this gather.
    pub(super) fn runs(&self) -> Option<(Run, Run, [u8; 3])> {
        let (Axis::Run(rows), Axis::Run(columns)) = (&self.rows, &self.columns) else { return None };
        let fill = match (rows.is_bare(), columns.is_bare()) {
            (true, true) => return Some((*rows, *columns, [0; 3])),
            (true, false) => columns.fill,
            (false, true) => rows.fill,
            (false, false) if self.fills[rows.fill] == self.fills[columns.fill] => rows.fill,
            (false, false) => return None,
        };
        Some((*rows, *columns, self.fills[fill]))
    }

    /// Columns `left..left + width` of row `y` of the output, read from `image`, which is packed: borrowed where they lie
    /// there as they are, otherwise built in `row`.
    pub(super) fn row<'a>(
        &self,
        y: usize,
        left: usize,
        width: usize,
        image: View<'a>,
        row: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let from = self.rows.get(y);
        if let Axis::Run(run) = &self.columns {
            let run = run.slice(left, width);
            if from >= 0 && run.is_bare() && !run.reversed {
                return image.row(from as usize, run.start, width);
            }
        }
        row.resize(width * image.channels, 0);
        if image.channels == 1 {
            self.build_row::<1>(from, left, image, row.as_chunks_mut().0);
        } else {
            self.build_row::<3>(from, left, image, row.as_chunks_mut().0);
        }
        row
    }

    /// Pixels of row `from` of `image` at the columns from `left` on, or fills where either is negative.
    fn build_row<const C: usize>(&self, from: i32, left: usize, image: View<'_>, out: &mut [[u8; C]]) {
        let fill = |column: i32| *self.fill(from, column).first_chunk().expect("a byte per channel");
        // Of a row that lies wholly in the padding, the image may hold nothing.
        if from < 0 {
            out.iter_mut().zip(left..).for_each(|(out, x)| *out = fill(self.columns.get(x)));
            return;
        }
        let pixels = |first, len| image.row(from as usize, first, len).as_chunks::<C>().0;
        match &self.columns {
            Axis::Run(run) => {
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
            Axis::Map(map) => {
                let columns = &map[left..left + out.len()];
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

    fn pad(&mut self, padding: &Padding) {
        let fill = self.fills.len();
        self.fills.push(padding.fill);
        self.rows = self.rows.pad(padding.top, padding.bottom, padding.mode, fill);
        self.columns = self.columns.pad(padding.left, padding.right, padding.mode, fill);
    }

    fn crop(&mut self, top: usize, left: usize, size: Size) {
        self.rows = self.rows.slice(top, size.height);
        self.columns = self.columns.slice(left, size.width);
    }

    fn nearest(&mut self, size: Size) {
        let fill = self.fills.len();
        self.fills.push([0; 3]);
        self.rows = self.rows.gather(&nearest(self.rows.len(), size.height), fill);
        self.columns = self.columns.gather(&nearest(self.columns.len(), size.width), fill);
    }
}

/// A filtered resize, and the gather before it.
#[derive(Debug, Clone)]
pub(super) struct Stage {
    pub(super) gather: Gather,
    /// What of the gather's rows and columns is resized: all of them, but where they are those of a reduced image.
    pub(super) intervals: (Interval, Interval),
    pub(super) resize: Resize,
}

impl Stage {
    /// How the rows and the columns are stretched.
    pub(super) fn stretches(&self) -> (Stretch, Stretch) {
        let (input, (rows, columns), Resize { size, filter }) = (self.gather.size(), self.intervals, self.resize);
        (Stretch::new(filter, input.height, rows, size.height), Stretch::new(filter, input.width, columns, size.width))
    }

    /// Whether columns are resized, and whether rows are.
    pub(super) fn passes(&self) -> (bool, bool) {
        let (input, (rows, columns), output) = (self.gather.size(), self.intervals, self.resize.size);
        (!Stretch::copies(input.width, columns, output.width), !Stretch::copies(input.height, rows, output.height))
    }
}

/// A whole drawn plan: stages, then a last gather into the output.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    /// Few pipelines resize more than once.
    pub(super) stages: SmallVec<[Stage; 2]>,
    pub(super) last: Gather,
}

impl Geometry {
    /// Compiles `calls` for an image of size `input`.
    pub(super) fn new(calls: &[(usize, Call)], input: Size) -> Self {
        let mut this = Self { stages: SmallVec::new(), last: Gather::new(input) };
        for (_, call) in calls {
            match *call {
                Call::Resize(resize) => this.resize(resize),
                Call::ResizedCrop { top, left, crop, resize } => {
                    this.last.crop(top, left, crop);
                    this.resize(resize);
                }
                Call::Crop { padding, top, left, size } => {
                    if !padding.is_none() {
                        this.last.pad(&padding);
                    }
                    this.last.crop(top, left, size);
                }
                Call::HorizontalFlip => this.last.columns = this.last.columns.flip(),
                Call::VerticalFlip => this.last.rows = this.last.rows.flip(),
                Call::Pad(padding) => this.last.pad(&padding),
            }
        }
        this
    }

    fn resize(&mut self, resize: Resize) {
        if resize.size == self.last.size() {
            return;
        }
        if resize.filter == Filter::Nearest {
            return self.last.nearest(resize.size);
        }
        let gather = std::mem::replace(&mut self.last, Gather::new(resize.size));
        let intervals = (Interval::all(gather.rows.len()), Interval::all(gather.columns.len()));
        self.stages.push(Stage { gather, intervals, resize });
    }
}
