//! Executing drawn calls: which pixels are needed, then the resizes, then the write into the output.

use smallvec::SmallVec;

use super::{
    Call, Plan,
    geometry::{Geometry, Stage},
    reduce,
    resize::PassOrder,
};
use crate::{
    Error, Result,
    image::{Rect, Size, View, Window, resize as make_room},
    interrupt::{self, Pace},
    kernel::Coefficients,
};

/// A drawn plan, compiled for one image.
#[derive(Debug)]
pub struct Executor<'p> {
    pub(super) plan: &'p Plan,
    pub(super) geometry: Geometry,
    /// For each stage the rectangle of its resize's input and of its output that later stages read.
    pub(super) needs: SmallVec<[(Rect, Rect); 2]>,
    pub(super) region: Rect,
}

/// Memory that is used again for every sample.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) horizontal: Coefficients,
    vertical: Coefficients,
    between: Vec<u8>,
    row: Vec<u8>,
    packed: Window,
    gathered: Window,
    resized: [Window; 2],
}

/// A rectangle is never empty, so that there is always something to decode: where a crop lies wholly in the padding,
/// one pixel is decoded and not used.
fn at_least_one_pixel(rect: Rect) -> Rect {
    if rect.height == 0 || rect.width == 0 { Rect { top: 0, left: 0, height: 1, width: 1 } } else { rect }
}

impl<'p> Executor<'p> {
    /// Compiles the `calls` that `plan` drew for an image of size `input`.
    #[must_use]
    pub fn new(plan: &'p Plan, calls: &[(usize, Call)], input: Size) -> Self {
        Self::compile(plan, Geometry::new(calls, input))
    }

    /// The same for an image that is decoded at a fraction of its size, if `calls` shrink it so much that some fraction
    /// will do (the rule is that of [`reduce`]); and the denominator of that fraction: 2, 4 or 8.
    ///
    /// [`Executor::region`] is then counted in pixels of the reduced image, whose size is that of `input`, divided and
    /// rounded up.
    #[must_use]
    pub fn reduced(plan: &'p Plan, calls: &[(usize, Call)], input: Size) -> Option<(Self, usize)> {
        let (geometry, denominator) = reduce::reduced(Geometry::new(calls, input))?;
        Some((Self::compile(plan, geometry), denominator))
    }

    fn compile(plan: &'p Plan, geometry: Geometry) -> Self {
        let mut wanted = at_least_one_pixel(geometry.last.needs(Rect::all(geometry.last.size())));
        let mut needs = SmallVec::new();
        for stage in geometry.stages.iter().rev() {
            let (vertical, horizontal) = stage.stretches();
            let (top, height) = vertical.span(wanted.top, wanted.height);
            let (left, width) = horizontal.span(wanted.left, wanted.width);
            let read = Rect { top, left, height, width };
            needs.push((read, wanted));
            wanted = at_least_one_pixel(stage.gather.needs(read));
        }
        needs.reverse();
        Self { plan, geometry, needs, region: wanted }
    }

    /// The rectangle of the image that [`Executor::run`] reads.
    #[must_use]
    pub const fn region(&self) -> Rect {
        self.region
    }

    /// The output's size.
    #[must_use]
    pub const fn output_size(&self) -> Size {
        self.geometry.last.size()
    }

    /// Bytes of the output.
    #[must_use]
    pub const fn output_bytes(&self) -> usize {
        let (size, form) = (self.output_size(), self.plan.tail.form());
        size.height * size.width * form.channels * form.element
    }

    /// Makes the sample of `image`, which holds at least [`Executor::region`], in `out`; or some of it, where that is
    /// [`interrupt::stopped`].
    ///
    /// # Errors
    /// [`Error::Memory`] where there is none for what a transform makes of the image.
    ///
    /// # Panics
    /// If `out` is not [`Executor::output_bytes`] long, or `image` lacks pixels or has other channels than the plan.
    pub fn run(&self, image: View<'_>, scratch: &mut Scratch, out: &mut [u8]) -> Result<()> {
        assert_eq!(out.len(), self.output_bytes(), "output of the wrong length");
        assert_eq!(image.channels, self.plan.tail.form().channels, "image with the wrong number of channels");
        assert!(image.rect.contains(&self.region), "image lacks pixels of the region");
        self.make_room_for_rows(scratch)?;
        let mut packed = std::mem::take(&mut scratch.packed);
        let stages = !self.geometry.stages.is_empty();
        let image = if image.is_packed() || !(stages || self.plan.tail.needs_packed(&self.geometry.last, image)) {
            image
        } else {
            image.pack(self.region, &mut packed)?;
            packed.view()
        };
        let [mut from, mut to] = std::mem::take(&mut scratch.resized);
        for (i, (stage, &(read, write))) in self.geometry.stages.iter().zip(&self.needs).enumerate() {
            if interrupt::stopped() {
                break;
            }
            let input = if i == 0 { image } else { from.view() };
            scratch.resize(stage, self.plan.pass_order, input, read, write, &mut to)?;
            std::mem::swap(&mut from, &mut to);
        }
        let last = if self.geometry.stages.is_empty() { image } else { from.view() };
        if !interrupt::stopped() {
            self.plan.tail.write(&self.geometry.last, last, &mut scratch.row, out);
        }
        scratch.resized = [from, to];
        scratch.packed = packed;
        Ok(())
    }

    /// Makes room for a row of pixels and of the values that they become, where rows are so long that there may be none:
    /// what comes later just takes it.
    fn make_room_for_rows(&self, scratch: &mut Scratch) -> Result<()> {
        let widths = self.needs.iter().map(|(read, _)| read.width);
        let width = widths.chain([self.output_size().width]).max().unwrap_or(0);
        if width >= LONG {
            let bytes = width.saturating_mul(3 * (1 + self.plan.tail.form().element));
            let more = bytes.saturating_sub(scratch.row.len());
            scratch.row.try_reserve(more).map_err(|_| Error::Memory(bytes))?;
        }
        Ok(())
    }
}

/// Pixels of a row that is counted as long.
const LONG: usize = 1 << 20;

/// Rows that go from the vertical to the horizontal pass together, while they are in the cache.
const STRIP: usize = 8;

impl Scratch {
    /// Runs one stage: `read` of its gather's output is resized to `write` of its resize's output, into `to`.
    fn resize(
        &mut self,
        stage: &Stage,
        order: PassOrder,
        image: View<'_>,
        read: Rect,
        write: Rect,
        to: &mut Window,
    ) -> Result<()> {
        let (input, output) = (stage.gather.size(), stage.resize.size);
        let (vertical, horizontal) = stage.stretches();
        vertical.fill(&mut self.vertical, write.top, write.height, read.top)?;
        horizontal.fill(&mut self.horizontal, write.left, write.width, read.left)?;
        to.try_reset(output, write, image.channels)?;
        let mut gathered = std::mem::take(&mut self.gathered);
        let source = if stage.gather.is_window() {
            // The gather only moves the origin: the same pixels, counted from its own corner.
            let origin = stage.gather.needs(read);
            Source { image, top: origin.top, left: origin.left }
        } else {
            gathered.try_reset(input, read, image.channels)?;
            for y in 0..read.height {
                let line = stage.gather.row(read.top + y, read.left, read.width, image, &mut self.row);
                let stride = gathered.stride();
                gathered.data[y * stride..][..stride].copy_from_slice(line);
            }
            Source { image: gathered.view(), top: read.top, left: read.left }
        };
        let (across, down) = stage.passes();
        let (stride, channels) = (to.stride(), image.channels);
        let (rows, row_stride) = source.rows();
        if !down {
            self.horizontal.apply_to_rows(rows, row_stride, channels, &mut to.data);
        } else if !across {
            self.vertical.apply_to_columns(rows, row_stride, 0, &mut to.data, stride);
        } else if order.vertical_first(input, output) {
            let width = read.width * channels;
            make_room(&mut self.between, STRIP * width)?;
            let mut pace = Pace::new();
            for (strip, out) in to.data.chunks_mut(STRIP * stride).enumerate() {
                if pace.after(out.len()) {
                    break;
                }
                let between = &mut self.between[..out.len() / stride * width];
                self.vertical.apply_to_columns(rows, row_stride, strip * STRIP, between, width);
                self.horizontal.apply_to_rows(between, width, channels, out);
            }
        } else {
            make_room(&mut self.between, read.height * stride)?;
            self.horizontal.apply_to_rows(rows, row_stride, channels, &mut self.between);
            if !interrupt::requested() {
                self.vertical.apply_to_columns(&self.between, stride, 0, &mut to.data, stride);
            }
        }
        self.gathered = gathered;
        Ok(())
    }
}

/// The input of a resize: `image` from (`top`, `left`) on.
struct Source<'a> {
    image: View<'a>,
    top: usize,
    left: usize,
}

impl<'a> Source<'a> {
    /// All bytes from the corner on, and the bytes from one row to the next.
    fn rows(&self) -> (&'a [u8], usize) {
        let View { rect, channels, data, .. } = self.image;
        let corner = (self.top - rect.top) * rect.width + (self.left - rect.left);
        (&data[corner * channels..], rect.width * channels)
    }
}
