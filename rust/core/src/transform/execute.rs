//! Executing a compiled sample: passes from image to image, then the write into the output.

use std::fmt;

use smallvec::SmallVec;

use super::{
    Call, Layout, Lookup, Plan, ResizeOrder,
    compile::{Compiler, Program},
    lookup, passes, scaled_decode,
};
use crate::{
    Error, Result,
    image::{Rect, Size, View, Window},
    interrupt,
};

/// The calls of a sample, compiled for its image.
#[derive(Debug)]
pub struct Executor<'p> {
    pub(super) plan: &'p Plan,
    pub(super) program: Program,
    /// For each pass the rectangle of its output that is made, which is what later passes need.
    pub(super) made: SmallVec<[Rect; 4]>,
    /// The rectangle of the image that is read.
    pub(super) region: Rect,
}

/// A thread's memory for executors, used again for every sample.
#[derive(Debug, Default)]
pub struct ExecutorScratch {
    pub(super) pass: passes::PassScratch,
    lookup: lookup::LookupScratch,
    packed: Window,
    /// The input and the output of a pass, in turns.
    images: [Window; 2],
}

/// Never an empty rectangle, so that there is always something to decode. Where a crop lies wholly in a padding, one pixel
/// is decoded and not used.
fn at_least_one_pixel(rect: Rect) -> Rect {
    if rect.height == 0 || rect.width == 0 { Rect { top: 0, left: 0, height: 1, width: 1 } } else { rect }
}

impl<'p> Executor<'p> {
    /// Compiles the `calls` that `plan` drew for an image of size `input`.
    #[must_use]
    pub fn new(plan: &'p Plan, calls: &[(usize, Call)], input: Size) -> Self {
        let mut program = Program::new(input);
        compile(calls, plan.resize_order, &mut program);
        Self::of(plan, program)
    }

    /// The same for an image that can be decoded at one over each of `denominators` of its size, which rise. Returns the
    /// denominator to decode it at too: 1 if `calls` do not shrink the image so much that a fraction will do. The rule is
    /// that of [`scaled_decode`].
    ///
    /// [`Executor::region`] is then counted in pixels of the smaller image. Its size is that of `input`, divided and
    /// rounded up.
    #[must_use]
    pub fn scaled(plan: &'p Plan, calls: &[(usize, Call)], input: Size, denominators: &[usize]) -> (Self, usize) {
        let mut program = Program::new(input);
        compile(calls, plan.resize_order, &mut program);
        let denominator = scaled_decode::scale_down(&mut program, denominators).unwrap_or(1);
        (Self::of(plan, program), denominator)
    }

    /// Works out backwards which rectangle each pass makes.
    fn of(plan: &'p Plan, program: Program) -> Self {
        let ending = &program.ending.gather;
        let mut needed = at_least_one_pixel(ending.needs(Rect::all(ending.size())));
        let mut made = SmallVec::new();
        for pass in program.passes.iter().rev() {
            made.push(needed);
            needed = at_least_one_pixel(pass.needs(needed));
        }
        made.reverse();
        Self { plan, program, made, region: needed }
    }

    /// The rectangle of the image that [`Executor::run`] reads.
    #[must_use]
    pub const fn region(&self) -> Rect {
        self.region
    }

    /// The output's size.
    #[must_use]
    pub const fn output_size(&self) -> Size {
        self.program.ending.gather.size()
    }

    /// Bytes of the output.
    #[must_use]
    pub const fn output_bytes(&self) -> usize {
        let (size, form) = (self.output_size(), self.plan.lookup.form());
        size.height * size.width * form.channels * form.element
    }

    /// Makes the sample of `image` in `out`. `image` holds at least [`Executor::region`]. Where the work is
    /// [`interrupt::stopped`], the sample is incomplete.
    ///
    /// # Errors
    /// [`Error::Memory`] where memory for the images between the passes runs out.
    ///
    /// # Panics
    /// If `out` is not [`Executor::output_bytes`] long, or `image` lacks pixels or has channels that do not become the
    /// plan's.
    pub fn run(&self, image: View<'_>, scratch: &mut ExecutorScratch, out: &mut [u8]) -> Result<()> {
        let Self { plan, program: Program { passes, ending, erasures }, .. } = self;
        assert_eq!(out.len(), self.output_bytes(), "output of the wrong length");
        let channels = self.program.output_channels(image.channels);
        assert_eq!(channels, plan.lookup.form().channels, "image with the wrong number of channels");
        assert!(image.rect.contains(&self.region), "image lacks pixels of the region");
        self.reserve_rows(&mut scratch.lookup.row)?;
        let ExecutorScratch { pass: memory, lookup, packed, images: [from, to] } = scratch;
        let must_pack = !image.is_packed() && (!passes.is_empty() || plan.lookup.needs_packed(&ending.gather, image));
        let mut image = image;
        if must_pack {
            image.pack(self.region, packed)?;
            image = packed.view();
        }
        let (mut from, mut to) = (from, to);
        for (number, (pass, made)) in passes.iter().zip(&self.made).enumerate() {
            if interrupt::stopped() {
                return Ok(());
            }
            let input = if number == 0 { image } else { from.view() };
            pass.run(input, *made, memory, to)?;
            std::mem::swap(&mut from, &mut to);
        }
        let last = if passes.is_empty() { image } else { from.view() };
        if !interrupt::stopped() {
            plan.lookup.write(ending, last, lookup, out);
            for erasure in erasures {
                erasure.write(self.output_size(), plan.lookup.form(), out);
            }
        }
        Ok(())
    }

    /// Reserves memory for a row of pixels and of the values that they become, where rows are long: the passes and the
    /// final table take it without asking.
    fn reserve_rows(&self, row: &mut Vec<u8>) -> Result<()> {
        let width = self.output_size().width;
        if width >= LONG {
            let bytes = width.saturating_mul(3 * (1 + self.plan.lookup.form().element));
            let more = bytes.saturating_sub(row.len());
            row.try_reserve(more).map_err(|_| Error::Memory(bytes))?;
        }
        Ok(())
    }
}

impl fmt::Display for Executor<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rect { top, left, .. } = self.region;
        write!(f, "read rows {top}..{}, columns {left}..{}; ", self.region.bottom(), self.region.right())?;
        self.program.fmt(f)
    }
}

/// Runs `calls` on a whole image, and returns the pixels that they make of it.
///
/// # Errors
/// [`Error::Memory`] where memory runs out; [`Error::Parameter`] where `image` has neither one channel nor three, or the
/// calls leave no pixels.
pub fn apply(calls: &[Call], image: View<'_>, order: ResizeOrder) -> Result<Window> {
    let calls: Vec<_> = calls.iter().map(|call| (0, *call)).collect();
    let plan = plan_of_bytes(&calls, image.size, image.channels, order)?;
    let executor = Executor::new(&plan, &calls, image.size);
    let size = executor.output_size();
    let mut made = Window::default();
    made.try_reset(size, Rect::all(size), plan.lookup.form().channels)?;
    executor.run(image, &mut ExecutorScratch::default(), &mut made.data)?;
    Ok(made)
}

/// A plan without ops for the bytes that `calls` make of an image of `size` and `channels`: its table leaves them as they
/// are, pixel by pixel.
///
/// # Errors
/// [`Error::Parameter`] where the image has neither one channel nor three, or the calls leave no pixels.
pub fn plan_of_bytes(calls: &[(usize, Call)], size: Size, channels: usize, order: ResizeOrder) -> Result<Plan> {
    let mut program = Program::new(size);
    compile(calls, order, &mut program);
    let output = program.ending.gather.size();
    if output.height == 0 || output.width == 0 {
        return Err(Error::Parameter(format!("{calls:?} leaves no pixels of the image")));
    }
    let channels = program.output_channels(channels);
    let table = (0..channels).flat_map(|_| 0..=255).collect();
    Plan::new(Vec::new(), Lookup::new(table, channels, 1, Layout::ChannelsLast)?, order)
}

/// Pixels of a row that is counted as long.
const LONG: usize = 1 << 20;

/// Adds all calls to `program`.
fn compile(calls: &[(usize, Call)], order: ResizeOrder, program: &mut Program) {
    let mut compiler = Compiler::new(program, order);
    calls.iter().for_each(|(_, call)| call.lower(&mut compiler));
}
