//! Samples to pixels: upsampling and colour, row by row.

use std::ops::Range;

use crate::{
    color,
    header::ColorSpace,
    kernel::Kernels,
    layout::{Layout, Upsample},
    planes::Planes,
};

/// Rows under way. Memory is kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct Emitter {
    /// A row of one component with a sample more at either end.
    line: Vec<u8>,
    sums: Vec<u16>,
    /// Upsampled rows of each component.
    rows: [Vec<u8>; 4],
}

impl Emitter {
    /// Makes room for rows of `width` pixels.
    pub(crate) fn reset(&mut self, width: usize) {
        let enough = width + 16;
        self.rows.iter_mut().chain([&mut self.line]).for_each(|row| grow(row, enough));
        grow(&mut self.sums, enough);
    }

    /// Writes a row of the output.
    pub(crate) fn row<'a>(&'a mut self, row: &Row<'a>, color: ColorSpace, out: &mut [u8]) {
        let Self { line, sums, rows } = self;
        let mut sources: [&[u8]; 4] = [&[]; 4];
        for (index, (source, buffer)) in sources.iter_mut().zip(rows).enumerate().take(row.layout.layers().len()) {
            *source = row.upsample(index, line, sums, buffer);
        }
        color::convert(row.kernels, color, sources, out);
    }
}

fn grow<T: Clone + Default>(row: &mut Vec<T>, enough: usize) {
    if row.len() < enough {
        row.resize(enough, T::default());
    }
}

/// A row of the output, and the samples that it is made from.
pub(crate) struct Row<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) layout: &'a Layout,
    pub(crate) planes: &'a Planes,
    pub(crate) y: usize,
    pub(crate) columns: Range<usize>,
}

impl<'a> Row<'a> {
    /// The pixels of one component, either as they are in the planes or computed into `row`.
    fn upsample(&self, index: usize, line: &mut [u8], sums: &mut [u16], row: &'a mut [u8]) -> &'a [u8] {
        let Self { kernels, layout, planes, y, ref columns } = *self;
        let columns = columns.clone();
        let layer = &layout.layers()[index];
        let (wide, deep) = layer.expansion();
        let samples = columns.start / wide..columns.end.div_ceil(wide);
        // The row of samples that is nearest, and the second nearest. Beyond the image its last row is repeated.
        let near = y / deep;
        let far = if y.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(layer.height - 1) };
        // The samples and one more on either side, as far as there are any. (Beyond the window there may be, but then the
        // pixel that would need it is not among these columns.)
        let window = planes.columns(index);
        let ring =
            samples.start.saturating_sub(1).max(window.start)..(samples.end + 1).min(layer.width).min(window.end);
        let (skip, count) = (usize::from(samples.start == ring.start), ring.len());
        let total = samples.len() + 2;
        match layer.upsample {
            Upsample::Same => return planes.row(index, y, columns),
            Upsample::FancyV2 => {
                let bias = if y.is_multiple_of(2) { 1 } else { 2 };
                let row = &mut row[..columns.len()];
                (kernels.deepen)(planes.row(index, near, columns.clone()), planes.row(index, far, columns), bias, row);
                return row;
            }
            Upsample::FancyH2 => {
                line[skip..skip + count].copy_from_slice(planes.row(index, near, ring));
                repeat_ends(line, skip, count, total);
                (kernels.widen)(&line[..total], &mut row[..2 * samples.len()]);
            }
            Upsample::FancyH2V2 => {
                let (near, far) = (planes.row(index, near, ring.clone()), planes.row(index, far, ring));
                (kernels.blend)(near, far, &mut sums[skip..skip + count]);
                repeat_ends(sums, skip, count, total);
                (kernels.widen_blended)(&sums[..total], &mut row[..2 * samples.len()]);
            }
            Upsample::Replicate { h: 1, .. } => return planes.row(index, near, columns),
            Upsample::Replicate { h, .. } => {
                let source = planes.row(index, near, samples.clone());
                for (pixels, &sample) in row.chunks_exact_mut(h).zip(source) {
                    pixels.fill(sample);
                }
            }
        }
        let start = columns.start - wide * samples.start;
        &row[start..start + columns.len()]
    }
}

/// Repeats the first and the last of `count` values from `skip` on, so that there are `total` of them.
fn repeat_ends<T: Copy>(row: &mut [T], skip: usize, count: usize, total: usize) {
    if skip > 0 {
        row[0] = row[1];
    }
    if skip + count < total {
        row[total - 1] = row[total - 2];
    }
}
