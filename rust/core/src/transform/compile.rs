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
//! | A map that moves whole pixels, or picks whole rows and columns, is a gather. | [`Compiler::warp`] |
//! | A mix comes before the gathers that only move pixels: it changes what they show. | [`Compiler::mix`] |
//! | A statistic comes before a flip. | [`Compiler::statistic`] |
//! | A crop before a resize is the rectangle that is resized. | [`Compiler::resize`] |
//! | A point at the end is part of the final table. | [`Lookup`](super::lookup) |
//! | The rows of a first resize are resized while they are decoded. | [`streaming_resize`](super::streaming_resize) |
//! | An image of which a first resize keeps little is decoded at a scale. | [`scaled_decode`](super::scaled_decode) |
//!
//! Every rule keeps every bit, but for the last one, which users ask for.

use std::fmt;

use smallvec::SmallVec;

use super::{
    erasure::Erasure,
    passes::{
        Gather, Mix, Pass, Point, Resample, Statistic, Warp,
        filter::Filter,
        padding::{PadMode, Padding},
        point::Function,
        resample::ResizeOrder,
        steps,
        warp::Map,
    },
};
use crate::image::{Rect, Size};

/// The passes of a sample, in order. Two resizes with a gather before each fit without memory of their own. A longer
/// array would cost small images more than it gains: executors are moved.
pub(crate) type Passes = SmallVec<[Pass; 4]>;

/// What a sample's calls compile to: passes from image to image, then the way into the output.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) passes: Passes,
    pub(crate) ending: Ending,
    /// What comes after the final table.
    pub(crate) erasures: SmallVec<[Erasure; 1]>,
}

/// The last two passes. They need no image of their own: the final table takes its pixels through them.
#[derive(Debug, Clone)]
pub(crate) struct Ending {
    pub(crate) gather: Gather,
    /// Comes after the gather.
    pub(crate) point: Point,
}

/// Adds calls to a program. What is added goes into the ending, which may still become passes.
#[derive(Debug)]
pub(crate) struct Compiler<'a> {
    order: ResizeOrder,
    program: &'a mut Program,
    /// The size of the image after the passes.
    size: Size,
}

impl Program {
    /// Leaves an image of size `input` as it is.
    pub(crate) fn new(input: Size) -> Self {
        Self { passes: SmallVec::new(), ending: Ending::new(input), erasures: SmallVec::new() }
    }
}

impl Ending {
    fn new(size: Size) -> Self {
        Self { gather: Gather::identity(size), point: Point::default() }
    }
}

impl<'a> Compiler<'a> {
    /// Adds to `program`, which has no passes yet. `order` is that of all resizes.
    pub(crate) fn new(program: &'a mut Program, order: ResizeOrder) -> Self {
        Self { order, size: program.ending.gather.size(), program }
    }

    /// The gather to which a crop or a flip is added. A point that came before stays behind it.
    ///
    /// It is not for paddings, whose colours a point must not change: [`Compiler::pad`] is.
    pub(crate) fn gather(&mut self) -> &mut Gather {
        &mut self.program.ending.gather
    }

    /// Adds a padding.
    pub(crate) fn pad(&mut self, padding: &Padding) {
        let padding = before_point(padding, &self.program.ending.point).unwrap_or_else(|| {
            self.settle();
            *padding
        });
        self.program.ending.gather.pad(&padding);
    }

    /// Adds a resize to `size`, where that is not the size already.
    pub(crate) fn resize(&mut self, size: Size, filter: Filter) {
        if size == self.program.ending.gather.size() {
            return;
        }
        if filter == Filter::Nearest {
            let black = self.program.ending.point.preimage([0; 3]).unwrap_or_else(|| {
                self.settle();
                [0; 3]
            });
            return self.program.ending.gather.nearest(size, black);
        }
        let Ending { gather, point } = std::mem::replace(&mut self.program.ending, Ending::new(size));
        let window = gather.window().unwrap_or_else(|| {
            self.push(Pass::Gather(gather));
            Rect::all(self.size)
        });
        if !point.is_identity() {
            self.push(Pass::Point(point));
        }
        self.push(Pass::Resample(Resample::new(window, size, filter, self.order)));
    }

    /// Adds a map to an image of `size`, whose places outside have the colour `fill`.
    ///
    /// A map that moves whole pixels is a padding. Without a filter, a map that keeps rows and columns apart is a gather.
    pub(crate) fn warp(&mut self, map: Map, filter: Filter, size: Size, fill: [u8; 3]) {
        let input = self.program.ending.gather.size();
        if let Some(padding) = shift(&map, input, fill).filter(|_| size == input) {
            return self.pad(&padding);
        }
        if let Map::Affine([x, 0.0, left, 0.0, y, top]) = map
            && filter == Filter::Nearest
        {
            let fill = self.program.ending.point.preimage(fill).unwrap_or_else(|| {
                self.settle();
                fill
            });
            let rows = steps::scale(size.height, input.height, y, top);
            let columns = steps::scale(size.width, input.width, x, left);
            return self.program.ending.gather.pick(&rows, &columns, fill);
        }
        self.settle();
        self.program.ending = Ending::new(size);
        self.push(Pass::Warp(Warp { map, filter, fill, input, size }));
    }

    /// Adds a function of bytes.
    pub(crate) fn point(&mut self, function: Function) {
        self.program.ending.point.push(function);
    }

    /// Adds an erasure, which comes after the final table.
    pub(crate) fn erase(&mut self, erasure: Erasure) {
        self.program.erasures.push(erasure);
    }

    /// Adds a function of pixels.
    pub(crate) fn mix(&mut self, mix: Mix) {
        if !self.program.ending.gather.has_no_fill() {
            self.settle();
        }
        self.push_before_gather(Pass::Mix(mix));
    }

    /// Adds a function of bytes that depends on all pixels.
    pub(crate) fn statistic(&mut self, statistic: Statistic) {
        if !self.program.ending.gather.is_permutation(self.size) {
            self.settle();
        }
        self.push_before_gather(Pass::Statistic(statistic, self.size));
    }

    /// Adds a function of each pixel and of those around it, the same for a mirrored image. `pass` makes it for the size of
    /// the image.
    pub(crate) fn stencil(&mut self, pass: impl FnOnce(Size) -> Pass) {
        if !self.program.ending.gather.is_permutation(self.size) {
            self.settle();
        }
        self.push_before_gather(pass(self.size));
    }

    /// Adds a function of each pixel and of those around it, for which a mirrored image is another one.
    pub(crate) fn directed_stencil(&mut self, pass: impl FnOnce(Size) -> Pass) {
        self.settle();
        let pass = pass(self.size);
        self.push(pass);
    }

    /// Adds a pass that comes after the ending's point, and may come before its gather.
    fn push_before_gather(&mut self, pass: Pass) {
        let point = std::mem::take(&mut self.program.ending.point);
        if !point.is_identity() {
            self.push(Pass::Point(point));
        }
        self.push(pass);
    }

    /// Makes passes of the ending, for a call that must come after it.
    fn settle(&mut self) {
        let size = self.program.ending.gather.size();
        let Ending { gather, point } = std::mem::replace(&mut self.program.ending, Ending::new(size));
        if gather.window() != Some(Rect::all(self.size)) {
            self.push(Pass::Gather(gather));
        }
        if !point.is_identity() {
            self.push(Pass::Point(point));
        }
    }

    fn push(&mut self, pass: Pass) {
        self.size = pass.output_size(self.size);
        self.program.passes.push(pass);
    }
}

/// The padding that a map is, which moves the pixels of an image of `size` by whole numbers.
fn shift(map: &Map, size: Size, fill: [u8; 3]) -> Option<Padding> {
    let Map::Affine([1.0, 0.0, x, 0.0, 1.0, y]) = *map else { return None };
    if x.fract() != 0.0 || y.fract() != 0.0 {
        return None;
    }
    let within = |by: f64, len: usize| by.clamp(-(len as f64), len as f64) as isize;
    let (x, y) = (within(x, size.width), within(y, size.height));
    Some(Padding { left: -x, right: x, top: -y, bottom: y, fill, mode: PadMode::Constant })
}

/// The padding that does the same before `point` as `padding` does after it.
fn before_point(padding: &Padding, point: &Point) -> Option<Padding> {
    match padding.mode {
        PadMode::Constant => Some(Padding { fill: point.preimage(padding.fill)?, ..*padding }),
        // The new pixels are copies of others, which the point changes as it changes those.
        PadMode::Edge | PadMode::Reflect | PadMode::Symmetric => Some(*padding),
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for pass in &self.passes {
            write!(f, "{pass}; ")?;
        }
        write!(f, "{}; {}; table", self.ending.gather, self.ending.point)?;
        self.erasures.iter().try_for_each(|erasure| write!(f, "; {erasure:?}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transform::{Call, ColorCall, CropCall, FlipCall, PadCall, Resize, ResizeCall, WarpCall};

    const FLIP: Call = Call::Flip(FlipCall::HorizontalFlip {});
    const UPSIDE_DOWN: Call = Call::Flip(FlipCall::VerticalFlip {});
    const INVERT: Call = Call::Color(ColorCall::Invert {});
    const COARSE: Call = Call::Color(ColorCall::Posterize { bits: 4 });

    fn pad(fill: u8, mode: PadMode) -> Call {
        Call::Pad(PadCall::Pad(Padding { left: 2, top: 0, right: 0, bottom: 0, fill: [fill; 3], mode }))
    }

    const fn crop(top: usize, left: usize, height: usize, width: usize) -> Call {
        Call::Crop(CropCall::Crop { padding: Padding::NONE, top, left, size: Size::new(height, width) })
    }

    const fn resize(height: usize, width: usize, filter: Filter) -> Call {
        Call::Resize(ResizeCall::Resize(Resize { size: Size::new(height, width), filter }))
    }

    const SMALLER: Call = resize(5, 6, Filter::Box);

    /// The program that `calls` compile to for an image of 10 x 20 pixels.
    fn compile(calls: &[Call]) -> Program {
        let mut program = Program::new(Size::new(10, 20));
        let mut compiler = Compiler::new(&mut program, ResizeOrder::default());
        calls.iter().for_each(|call| call.lower(&mut compiler));
        program
    }

    fn check(calls: &[Call], expected: &[&str]) {
        let program = compile(calls).to_string();
        let passes: Vec<_> = program.split("; ").collect();
        assert_eq!((passes[..passes.len() - 1].to_vec(), passes[passes.len() - 1]), (expected.to_vec(), "table"));
    }

    #[test]
    fn nothing_to_do_is_an_identity() {
        check(&[], &["gather rows 0..10, columns 0..20", "point []"]);
        check(&[resize(10, 20, Filter::Box)], &["gather rows 0..10, columns 0..20", "point []"]);
    }

    #[test]
    fn gathers_become_one() {
        let calls = [crop(1, 2, 8, 10), FLIP, pad(0, PadMode::Constant), crop(0, 1, 4, 9)];
        check(&calls, &["gather rows 1..5, columns 1 filled + 4..12 reversed", "point []"]);
        let nearest = [resize(20, 10, Filter::Nearest), UPSIDE_DOWN];
        check(&nearest, &["gather rows a list of 20, columns a list of 10", "point []"]);
    }

    #[test]
    fn points_wait_behind_gathers() {
        check(&[INVERT, FLIP, crop(1, 0, 9, 20)], &["gather rows 1..10, columns 0..20 reversed", "point [Invert]"]);
        check(
            &[COARSE, pad(255, PadMode::Edge)],
            &["gather rows 0..10, columns a list of 22", "point [Posterize { bits: 4 }]"],
        );
        check(
            &[COARSE, resize(20, 10, Filter::Nearest)],
            &["gather rows a list of 20, columns a list of 10", "point [Posterize { bits: 4 }]"],
        );
    }

    #[test]
    fn paddings_come_before_points_with_the_colour_that_becomes_theirs() {
        let program = compile(&[INVERT, pad(255, PadMode::Constant)]);
        let Ending { gather, point } = program.ending;
        assert_eq!(gather.runs().map(|(_, _, fill)| fill), Some([0; 3]));
        assert_eq!((program.passes.len(), point.to_string().as_str()), (0, "point [Invert]"));
    }

    #[test]
    fn points_come_before_paddings_with_a_colour_that_they_do_not_make() {
        // 255 does not have four bits only.
        check(
            &[FLIP, COARSE, pad(255, PadMode::Constant), FLIP],
            &[
                "gather rows 0..10, columns 0..20 reversed",
                "point [Posterize { bits: 4 }]",
                "gather rows 0..10, columns 0..20 reversed + 2 filled",
                "point []",
            ],
        );
        check(
            &[COARSE, pad(255, PadMode::Constant)],
            &["point [Posterize { bits: 4 }]", "gather rows 0..10, columns 2 filled + 0..20", "point []"],
        );
        // Black, which a nearest-neighbour resize may need, is not made by these.
        check(
            &[COARSE, INVERT, resize(20, 10, Filter::Nearest)],
            &["point [Posterize { bits: 4 }, Invert]", "gather rows a list of 20, columns a list of 10", "point []"],
        );
    }

    #[test]
    fn points_become_one() {
        check(
            &[INVERT, COARSE, FLIP, Call::Color(ColorCall::Solarize { threshold: 9.5 })],
            &[
                "gather rows 0..10, columns 0..20 reversed",
                "point [Invert, Posterize { bits: 4 }, Solarize { threshold: 10 }]",
            ],
        );
    }

    #[test]
    fn crops_become_the_rectangle_that_is_resized() {
        let resampled = "resample rows 1..9, columns 2..12 to 5 x 6 (Box)";
        check(&[crop(1, 2, 8, 10), SMALLER], &[resampled, "gather rows 0..5, columns 0..6", "point []"]);
        let padded = Call::Pad(PadCall::Pad(Padding { left: -2, right: -8, top: -1, bottom: -1, ..Padding::NONE }));
        check(&[padded, SMALLER, FLIP], &[resampled, "gather rows 0..5, columns 0..6 reversed", "point []"]);
        check(
            &[FLIP, SMALLER],
            &[
                "gather rows 0..10, columns 0..20 reversed",
                "resample rows 0..10, columns 0..20 to 5 x 6 (Box)",
                "gather rows 0..5, columns 0..6",
                "point []",
            ],
        );
    }

    #[test]
    fn resizes_come_between_the_points_before_and_after() {
        check(
            &[INVERT, crop(1, 2, 8, 10), SMALLER, INVERT, COARSE],
            &[
                "point [Invert]",
                "resample rows 1..9, columns 2..12 to 5 x 6 (Box)",
                "gather rows 0..5, columns 0..6",
                "point [Invert, Posterize { bits: 4 }]",
            ],
        );
    }

    fn warp(matrix: [f64; 6], interpolation: Filter) -> Call {
        WarpCall::Transform { matrix, interpolation, fill: [255; 3] }.into()
    }

    #[test]
    fn maps_of_whole_pixels_are_gathers() {
        let shift = warp([1.0, 0.0, 3.0, 0.0, 1.0, -2.0], Filter::Bicubic);
        check(&[INVERT, shift], &["gather rows 2 filled + 0..8, columns 3..20 + 3 filled", "point [Invert]"]);
        let away = warp([1.0, 0.0, 0.0, 0.0, 1.0, 1e9], Filter::Bilinear);
        check(&[away], &["gather rows 0..0 + 10 filled, columns 0..20", "point []"]);
        let scale = warp([0.5, 0.0, 0.0, 0.0, 2.0, 0.0], Filter::Nearest);
        check(&[scale, FLIP], &["gather rows a list of 10, columns a list of 20", "point []"]);
    }

    #[test]
    fn maps_come_after_what_was_before() {
        let map = warp([1.0, 0.0, 0.0, 0.0, 1.5, 0.0], Filter::Bilinear);
        let expected = "warp to 8 x 10 by Affine([1.0, 0.0, 0.0, 0.0, 1.5, 0.0]) (Bilinear)";
        check(
            &[crop(1, 2, 8, 10), INVERT, map, COARSE],
            &[
                "gather rows 1..9, columns 2..12",
                "point [Invert]",
                expected,
                "gather rows 0..8, columns 0..10",
                "point [Posterize { bits: 4 }]",
            ],
        );
        let program = compile(&[crop(1, 2, 8, 10), map]);
        let needs = program.passes.iter().rev().fold(Rect { top: 0, left: 0, height: 1, width: 2 }, |r, p| p.needs(r));
        assert_eq!(needs, Rect { top: 1, left: 2, height: 4, width: 5 });
    }
}
