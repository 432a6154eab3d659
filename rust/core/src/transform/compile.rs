//! Compiling: the drawn calls of a sample become passes.
//!
//! Each call adds to the end of a [`Compiler`], which rewrites as it goes:
//!
//! | rule | where |
//! | --- | --- |
//! | A gather after a gather is one gather. | [`Compiler::gather`] |
//! | A gather after a point comes before the point: the point waits for the end. | [`Compiler::gather`] |
//! | So does a padding with a colour that the point makes of another colour, which is then the padding's. | [`before_point`] |
//! | A point after a point is one point. | [`Compiler::point`] |
//! | A crop before a resize is the rectangle that is resized. | [`Compiler::resize`] |
//! | A point at the end is part of the final table. | [`Lookup`](super::lookup) |
//! | The rows of a first resize are resized while they are decoded. | [`streaming_resize`](super::streaming_resize) |
//! | An image of which a first resize keeps little is decoded at a scale. | [`scaled_decode`](super::scaled_decode) |
//!
//! Every rule keeps every bit, but for the last one, which users ask for.

use std::fmt;

use smallvec::SmallVec;

use super::{
    Call,
    pad::{PadMode, Padding},
    passes::{Gather, Pass, Point, Resample, filter::Filter, point::Function, resample::PassOrder},
};
use crate::image::{Rect, Size};

/// The passes of a sample, in order. Few samples need more than two resizes, with a gather before each.
pub(crate) type Passes = SmallVec<[Pass; 4]>;

/// What a sample's calls compile to: passes from image to image, then the way into the output.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) passes: Passes,
    pub(crate) ending: Ending,
}

/// The last two passes. They need no image of their own: the final table takes its pixels through them.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) gather: Gather,
    /// Comes after the gather.
    pub(crate) point: Point,
}

/// A program that grows call by call.
#[derive(Debug)]
pub(crate) struct Compiler {
    order: PassOrder,
    passes: Passes,
    /// The size of the image after `passes`.
    size: Size,
    /// The gather and the point to which calls are added. They may still become passes.
    ending: Ending,
}

impl Ending {
    fn new(size: Size) -> Self {
        Self { gather: Gather::identity(size), point: Point::default() }
    }
}

impl Compiler {
    /// Starts with an image of size `input`. `order` is that of all resizes.
    pub(crate) fn new(input: Size, order: PassOrder) -> Self {
        Self { order, passes: SmallVec::new(), size: input, ending: Ending::new(input) }
    }

    /// The gather to which a crop or a flip is added. A point that came before stays behind it.
    ///
    /// It is not for paddings, whose colours a point must not change: [`Compiler::pad`] is.
    pub(crate) fn gather(&mut self) -> &mut Gather {
        &mut self.ending.gather
    }

    /// Adds a padding.
    pub(crate) fn pad(&mut self, padding: &Padding) {
        let padding = before_point(padding, &self.ending.point).unwrap_or_else(|| {
            self.settle();
            *padding
        });
        self.ending.gather.pad(&padding);
    }

    /// Adds a resize to `size`, where that is not the size already.
    pub(crate) fn resize(&mut self, size: Size, filter: Filter) {
        if size == self.ending.gather.size() {
            return;
        }
        if filter == Filter::Nearest {
            let black = self.ending.point.preimage([0; 3]).unwrap_or_else(|| {
                self.settle();
                [0; 3]
            });
            return self.ending.gather.nearest(size, black);
        }
        let Ending { gather, point } = std::mem::replace(&mut self.ending, Ending::new(size));
        let window = gather.window().unwrap_or_else(|| {
            self.push(Pass::Gather(gather));
            Rect::all(self.size)
        });
        if !point.is_identity() {
            self.push(Pass::Point(point));
        }
        self.push(Pass::Resample(Resample::new(window, size, filter, self.order)));
    }

    /// Adds a function of bytes.
    pub(crate) fn point(&mut self, function: Function) {
        self.ending.point.push(function);
    }

    /// The finished program.
    pub(crate) fn finish(self) -> Program {
        Program { passes: self.passes, ending: self.ending }
    }

    /// Makes passes of the ending, for a call that must come after its point.
    fn settle(&mut self) {
        let size = self.ending.gather.size();
        let Ending { gather, point } = std::mem::replace(&mut self.ending, Ending::new(size));
        if gather.window() != Some(Rect::all(self.size)) {
            self.push(Pass::Gather(gather));
        }
        self.push(Pass::Point(point));
    }

    fn push(&mut self, pass: Pass) {
        self.size = pass.output_size(self.size);
        self.passes.push(pass);
    }
}

/// The padding that does the same before `point` as `padding` does after it.
fn before_point(padding: &Padding, point: &Point) -> Option<Padding> {
    match padding.mode {
        PadMode::Constant => Some(Padding { fill: point.preimage(padding.fill)?, ..*padding }),
        // The new pixels are copies of others, which the point changes as it changes those.
        PadMode::Edge | PadMode::Reflect | PadMode::Symmetric => Some(*padding),
    }
}

impl Call {
    /// Adds this call to a program.
    pub(super) fn lower(&self, compiler: &mut Compiler) {
        match *self {
            Call::Resize(resize) => compiler.resize(resize.size, resize.filter),
            Call::ResizedCrop { top, left, crop, resize } => {
                compiler.gather().crop(top, left, crop);
                compiler.resize(resize.size, resize.filter);
            }
            Call::Crop { padding, top, left, size } => {
                if !padding.is_none() {
                    compiler.pad(&padding);
                }
                compiler.gather().crop(top, left, size);
            }
            Call::HorizontalFlip => compiler.gather().flip_horizontally(),
            Call::VerticalFlip => compiler.gather().flip_vertically(),
            Call::Pad(padding) => compiler.pad(&padding),
            Call::Invert => compiler.point(Function::Invert),
            Call::Posterize { bits } => compiler.point(Function::Posterize { bits }),
            Call::Solarize { threshold } => compiler.point(Function::solarize(threshold)),
        }
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pass in &self.passes {
            write!(f, "{pass}; ")?;
        }
        write!(f, "{}; {}; table", self.ending.gather, self.ending.point)
    }
}
