//! Images that are decoded at 1/2, 1/4 or 1/8 of their size, because a resize would throw the other pixels away.
//!
//! # The rule
//!
//! What counts is the first filtered resize: the pixels that it reads (the crop), and how many it makes of them. The image
//! is decoded at `1/s`, `s` being the largest of 2, 4 and 8 with which the crop still has as many pixels as the output, in
//! both directions: `crop >= s * output`. Where 2 is too much already, and where the crop is not a plain rectangle of the
//! image (it has a padding, or a nearest-neighbour resize comes first), the image is decoded as it is.
//!
//! # Where the crop lies then
//!
//! The crop was drawn in pixels of the image. In the reduced one its edges are fractions, multiples of `1/s`: it is the
//! rectangle of whole reduced pixels around it, of which `resize` is told the exact part (Pillow's argument `box`). So
//! the output shows the very same piece of the picture, and no pixel of it reads what lies outside the crop, except for
//! the reduced pixels on its edges.

use super::{
    axis::{Axis, Run},
    filter::Interval,
    geometry::Geometry,
};

/// The geometry for an image that is decoded at one over the returned number, if one of 2, 4 and 8 fits the rule.
pub(super) fn reduced(mut geometry: Geometry) -> Option<(Geometry, usize)> {
    let stage = geometry.stages.first_mut()?;
    let (rows, columns) = (plain(&stage.gather.rows)?, plain(&stage.gather.columns)?);
    let output = stage.resize.size;
    let enough = |s: &usize| rows.len >= s * output.height && columns.len >= s * output.width;
    let denominator = [8, 4, 2].into_iter().find(enough)?;
    let (rows, columns) = (scaled(rows, denominator), scaled(columns, denominator));
    (stage.gather.rows, stage.gather.columns) = (Axis::Run(rows.0), Axis::Run(columns.0));
    stage.intervals = (rows.1, columns.1);
    Some((geometry, denominator))
}

/// The run that an axis is, if it has no fill.
fn plain(axis: &Axis) -> Option<Run> {
    match axis {
        Axis::Run(run) if run.is_bare() => Some(*run),
        _ => None,
    }
}

/// The positions of a reduced axis that hold all of `run`, and where in these it is.
fn scaled(run: Run, denominator: usize) -> (Run, Interval) {
    let (first, len) = run.span(0, run.len);
    let (low, high) = (first / denominator, (first + len).div_ceil(denominator));
    // What the whole positions have before the run: above it or, where it is read backwards, below it.
    let before = if run.reversed { high * denominator - (first + len) } else { first - low * denominator };
    let parts = |count: usize| count as f64 / denominator as f64;
    let start = if run.reversed { high - 1 } else { low };
    (Run { start, len: high - low, ..run }, Interval { start: parts(before), len: parts(len) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        image::{Rect, Size},
        transform::{Call, Filter, Padding, Resize},
    };

    fn resized(crop: Size, output: Size) -> Call {
        Call::ResizedCrop { top: 13, left: 21, crop, resize: Resize { size: output, filter: Filter::Bilinear } }
    }

    fn denominator(calls: &[Call]) -> Option<usize> {
        let calls: Vec<_> = calls.iter().copied().enumerate().collect();
        reduced(Geometry::new(&calls, Size::new(2000, 2000))).map(|(_, denominator)| denominator)
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
    }

    #[test]
    fn only_rectangles_of_the_image_are_reduced() {
        let (small, flip) = (resized(Size::new(900, 900), Size::new(9, 9)), Call::HorizontalFlip);
        assert_eq!(denominator(&[flip, Call::VerticalFlip, small, flip]), Some(8));
        assert_eq!(denominator(&[flip]), None);
        // The crop begins in column 21: in the padding, beside it, and where columns were cut off.
        let pad = |left| Call::Pad(Padding { left, ..Padding::NONE });
        assert_eq!([30, 20, -5].map(|left| denominator(&[pad(left), small])), [None, Some(8), Some(8)]);
        let nearest = Call::Resize(Resize { size: Size::new(1000, 1000), filter: Filter::Nearest });
        assert_eq!(denominator(&[nearest]), None);
        assert_eq!(denominator(&[nearest, small]), None);
        // Only the first of two resizes counts.
        assert_eq!(denominator(&[resized(Size::new(99, 99), Size::new(90, 90)), small]), None);
    }

    #[test]
    fn crops_keep_their_place() {
        let run = Axis::identity(100).slice(13, 50);
        let (Axis::Run(run), Axis::Run(back)) = (&run, &run.flip()) else { panic!("a crop is a run") };
        let (rows, interval) = scaled(*run, 8); // 13..63 is 1.625..7.875
        assert_eq!((rows.start, rows.len, interval), (1, 7, Interval { start: 0.625, len: 6.25 }));
        let (rows, interval) = scaled(*back, 8);
        assert_eq!((rows.start, rows.len, rows.reversed), (7, 7, true));
        assert_eq!(interval, Interval { start: 0.125, len: 6.25 });
    }

    #[test]
    fn the_last_pixel_of_an_odd_edge_is_a_part() {
        let size = Size::new(1003, 1001);
        let calls = [(0, Call::Resize(Resize { size: Size::new(100, 100), filter: Filter::Box }))];
        let (geometry, denominator) = reduced(Geometry::new(&calls, size)).expect("much larger");
        assert_eq!((denominator, geometry.stages[0].gather.size()), (8, Size::new(126, 126)));
        assert_eq!(geometry.stages[0].intervals.0, Interval { start: 0.0, len: 125.375 });
        let all = Rect::all(Size::new(126, 126));
        assert_eq!(geometry.stages[0].gather.needs(all), all);
    }
}
