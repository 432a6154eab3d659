//! Decoding at 1/2, 1/4 or 1/8 of an image's size, because a resize would throw the other pixels away.
//!
//! # The rule
//!
//! The first filtered resize decides: how many pixels it reads (the crop), and how many it makes of them. The image is
//! decoded at `1/s`. `s` is the largest that the decoder offers (2, 4 and 8) with which the crop still has as many pixels as
//! the output, in both directions: `crop >= s * output`. The image is decoded as it is where 2 is too much already, and
//! where the crop is not a plain rectangle of the image: it has a padding, or something else than crops and flips comes first.
//!
//! # Where the crop lies then
//!
//! The crop was drawn in pixels of the image. In the smaller image its edges are fractions, multiples of `1/s`. The resize
//! gets the rectangle of whole smaller pixels around the crop, and the exact part of the rectangle that is the crop
//! (Pillow's argument `box`). So the output shows the very same piece of the picture, and no output pixel reads anything
//! outside the crop, except for the smaller pixels on its edges.

use super::{
    compile::Program,
    passes::{
        Pass, Resample,
        filter::Interval,
        index_map::{IndexMap, Run},
    },
};
use crate::image::Rect;

/// Rewrites `program` for an image that is decoded at one over the returned number: one of `denominators`, which rise. If
/// none of them fits the rule, the program stays as it is.
pub(super) fn scale_down(program: &mut Program, denominators: &[usize]) -> Option<usize> {
    match &mut program.passes[..] {
        [Pass::Resample(resample), ..] => {
            let Rect { top, left, height, width } = resample.window;
            let (rows, columns) = (forward(top, height), forward(left, width));
            let denominator = denominator(rows, columns, resample, denominators)?;
            let (rows, columns) = scale(rows, columns, resample, denominator);
            resample.window = Rect { top: rows.start, left: columns.start, ..resample.window };
            Some(denominator)
        }
        // A flip; crops alone are part of the resize.
        [Pass::Gather(gather), Pass::Resample(resample), ..] => {
            let (rows, columns) = (bare(&gather.rows)?, bare(&gather.columns)?);
            let denominator = denominator(rows, columns, resample, denominators)?;
            let (rows, columns) = scale(rows, columns, resample, denominator);
            (gather.rows, gather.columns) = (IndexMap::Run(rows), IndexMap::Run(columns));
            Some(denominator)
        }
        _ => None,
    }
}

/// `len` positions from `start` on.
const fn forward(start: usize, len: usize) -> Run {
    Run { start, len, reversed: false, before: 0, after: 0, fill: 0 }
}

/// The run that a map is, if it has no fill.
fn bare(map: &IndexMap) -> Option<Run> {
    match map {
        IndexMap::Run(run) if run.is_bare() => Some(*run),
        _ => None,
    }
}

/// The largest of `denominators` that leaves enough pixels of `rows` and `columns` for what `resample` makes of them.
fn denominator(rows: Run, columns: Run, resample: &Resample, denominators: &[usize]) -> Option<usize> {
    let output = resample.size;
    let enough = |s: &usize| rows.len >= s * output.height && columns.len >= s * output.width;
    denominators.iter().copied().rev().find(enough)
}

/// Makes `resample` resize, of the positions of the smaller image that hold `rows` and `columns`, the exact parts. Returns
/// these positions.
fn scale(rows: Run, columns: Run, resample: &mut Resample, denominator: usize) -> (Run, Run) {
    let (rows, columns) = (scale_run(rows, denominator), scale_run(columns, denominator));
    (resample.rows, resample.columns) = (rows.1, columns.1);
    resample.window = Rect { top: 0, left: 0, height: rows.0.len, width: columns.0.len };
    (rows.0, columns.0)
}

/// The positions of the smaller axis that hold all of `run`, and the part of them that is the run.
fn scale_run(run: Run, denominator: usize) -> (Run, Interval) {
    let (first, len) = run.span(0, run.len);
    let (low, high) = (first / denominator, (first + len).div_ceil(denominator));
    // How much of the whole positions comes before the run: above it or, where it is read backwards, below it.
    let before = if run.reversed { high * denominator - (first + len) } else { first - low * denominator };
    let parts = |count: usize| count as f64 / denominator as f64;
    let start = if run.reversed { high - 1 } else { low };
    (Run { start, len: high - low, ..run }, Interval { start: parts(before), len: parts(len) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        image::Size,
        transform::{
            Call, CropCall, Filter, FlipCall, PadCall, Padding, Resize, ResizeCall, ResizeOrder, compile::Compiler,
        },
    };

    fn compile(calls: &[Call], input: Size) -> Program {
        let mut program = Program::new(input);
        let mut compiler = Compiler::new(&mut program, ResizeOrder::default());
        calls.iter().for_each(|call| call.lower(&mut compiler));
        program
    }

    fn resized(crop: Size, output: Size) -> Call {
        CropCall::ResizedCrop { top: 13, left: 21, crop, resize: Resize { size: output, filter: Filter::Bilinear } }
            .into()
    }

    fn denominator(calls: &[Call]) -> Option<usize> {
        scale_down(&mut compile(calls, Size::new(2000, 2000)), &[2, 4, 8])
    }

    #[test]
    fn both_directions_keep_the_pixels_of_the_output() {
        let of = |height, width| denominator(&[resized(Size::new(height, width), Size::new(100, 50))]);
        assert_eq!(of(199, 900), None);
        assert_eq!(of(900, 99), None);
        assert_eq!(of(200, 100), Some(2));
        assert_eq!(of(399, 1000), Some(2));
        assert_eq!(of(400, 200), Some(4));
        assert_eq!(of(799, 400), Some(4));
        assert_eq!(of(1600, 400), Some(8));
        let large = || compile(&[resized(Size::new(1600, 400), Size::new(100, 50))], Size::new(2000, 2000));
        assert_eq!([&[][..], &[2], &[2, 4]].map(|offer| scale_down(&mut large(), offer)), [None, Some(2), Some(4)]);
    }

    #[test]
    fn only_rectangles_of_the_image_are_reduced() {
        let (small, flip) = (resized(Size::new(900, 900), Size::new(9, 9)), Call::from(FlipCall::HorizontalFlip {}));
        assert_eq!(denominator(&[flip, FlipCall::VerticalFlip {}.into(), small, flip]), Some(8));
        assert_eq!(denominator(&[flip]), None);
        // The crop begins in column 21: in the padding, beside it, and where columns were cut off.
        let pad = |left| Call::from(PadCall::Pad(Padding { left, ..Padding::NONE }));
        assert_eq!([30, 20, -5].map(|left| denominator(&[pad(left), small])), [None, Some(8), Some(8)]);
        let nearest = Call::from(ResizeCall::Resize(Resize { size: Size::new(1000, 1000), filter: Filter::Nearest }));
        assert_eq!(denominator(&[nearest]), None);
        assert_eq!(denominator(&[nearest, small]), None);
        // Only the first of two resizes counts.
        assert_eq!(denominator(&[resized(Size::new(99, 99), Size::new(90, 90)), small]), None);
    }

    #[test]
    fn crops_keep_their_place() {
        let run = IndexMap::identity(100).slice(13, 50);
        let (IndexMap::Run(run), IndexMap::Run(back)) = (&run, &run.flip()) else { panic!("a crop is a run") };
        let (rows, interval) = scale_run(*run, 8); // 13..63 is 1.625..7.875
        assert_eq!((rows.start, rows.len, interval), (1, 7, Interval { start: 0.625, len: 6.25 }));
        let (rows, interval) = scale_run(*back, 8);
        assert_eq!((rows.start, rows.len, rows.reversed), (7, 7, true));
        assert_eq!(interval, Interval { start: 0.125, len: 6.25 });
    }

    #[test]
    fn the_last_pixel_of_an_odd_edge_is_a_part() {
        let size = Size::new(1003, 1001);
        let calls = [ResizeCall::Resize(Resize { size: Size::new(100, 100), filter: Filter::Box }).into()];
        let mut program = compile(&calls, size);
        let denominator = scale_down(&mut program, &[2, 4, 8]).expect("much larger");
        let Pass::Resample(resample) = &program.passes[0] else { panic!("{program}") };
        assert_eq!((denominator, resample.window), (8, Rect::all(Size::new(126, 126))));
        assert_eq!(resample.rows, Interval { start: 0.0, len: 125.375 });
    }
}
