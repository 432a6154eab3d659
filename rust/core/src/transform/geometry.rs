//! Drawn calls, compiled: index maps with the resizes between them.

use super::{
    Call,
    axis::Axis,
    filter::{Filter, Stretch, nearest},
    pad::Padding,
    resize::Resize,
};
use crate::image::{Rect, Size, View};

/// A run of crops, flips, pads and nearest-neighbour resizes as one map per axis.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    pub(super) rows: Axis,
    pub(super) columns: Axis,
    /// The colours that negative entries of the axes stand for.
    fills: Vec<[u8; 3]>,
}

impl Gather {
    fn new(size: Size) -> Self {
        Self { rows: Axis::identity(size.height), columns: Axis::identity(size.width), fills: Vec::new() }
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

    /// Whether `rect` of the output is a rectangle of the input as it is.
    pub(super) const fn is_window(&self) -> bool {
        matches!((&self.rows, &self.columns), (Axis::Run { reversed: false, .. }, Axis::Run { reversed: false, .. }))
    }

    /// Columns `left..left + width` of row `y` of the output, read from `image`: borrowed where they lie there as they
    /// are, otherwise built in `row`.
    pub(super) fn row<'a>(
        &self,
        y: usize,
        left: usize,
        width: usize,
        image: View<'a>,
        row: &'a mut Vec<u8>,
    ) -> &'a [u8] {
        let from = self.rows.get(y);
        match &self.columns {
            Axis::Run { start, reversed: false, .. } if from >= 0 => image.row(from as usize, start + left, width),
            Axis::Run { start, reversed: true, .. } if from >= 0 => {
                let source = image.row(from as usize, start - left + 1 - width, width);
                row.clear();
                if image.channels == 1 {
                    row.extend(source.iter().rev());
                } else {
                    row.extend(source.as_chunks::<3>().0.iter().rev().flatten());
                }
                row
            }
            Axis::Map(map) => {
                row.resize(width * image.channels, 0);
                let columns = &map[left..left + width];
                if image.channels == 1 {
                    self.map_row::<1>(from, columns, image, row.as_chunks_mut().0);
                } else {
                    self.map_row::<3>(from, columns, image, row.as_chunks_mut().0);
                }
                row
            }
            // A whole row of fill, however its columns run.
            Axis::Run { .. } => {
                let fill = self.fill(from, 0);
                row.clear();
                row.extend((0..width).flat_map(|_| &fill[..image.channels]));
                row
            }
        }
    }

    /// Pixels of row `from` of `image` at `columns`, or fills where either is negative.
    fn map_row<const C: usize>(&self, from: i32, columns: &[i32], image: View<'_>, out: &mut [[u8; C]]) {
        let fill = |column: i32| *self.fill(from, column).first_chunk().expect("a byte per channel");
        // Of a row that lies wholly in the padding, the image may hold nothing.
        if from < 0 || columns.iter().all(|&column| column < 0) {
            out.iter_mut().zip(columns).for_each(|(out, &column)| *out = fill(column));
            return;
        }
        let (pixels, _) = image.row(from as usize, image.rect.left, image.rect.width).as_chunks::<C>();
        for (out, &column) in out.iter_mut().zip(columns) {
            *out = if column < 0 { fill(column) } else { pixels[column as usize - image.rect.left] };
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
    pub(super) resize: Resize,
}

impl Stage {
    /// How the rows and the columns are stretched.
    pub(super) fn stretches(&self) -> (Stretch, Stretch) {
        let (input, Resize { size, filter }) = (self.gather.size(), self.resize);
        (Stretch::new(filter, input.height, size.height), Stretch::new(filter, input.width, size.width))
    }
}

/// A whole drawn plan: stages, then a last gather into the output.
#[derive(Debug, Clone)]
pub(super) struct Geometry {
    pub(super) stages: Vec<Stage>,
    pub(super) last: Gather,
}

impl Geometry {
    /// Compiles `calls` for an image of size `input`.
    pub(super) fn new(calls: &[(usize, Call)], input: Size) -> Self {
        let mut this = Self { stages: Vec::new(), last: Gather::new(input) };
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
        self.stages.push(Stage { gather, resize });
    }
}
