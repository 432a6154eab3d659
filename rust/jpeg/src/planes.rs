//! Samples between the inverse DCT and the output: a window of one or two rows of MCUs for each component.

use std::ops::Range;

use crate::layout::Layout;

/// Samples of one component.
#[derive(Debug, Default)]
struct Plane {
    data: Vec<u8>,
    stride: usize,
    /// Rows of the window. Row `y` of the image is at `y % rows`.
    rows: usize,
    /// Column of the image at the left of the window.
    left: usize,
}

/// The window of all components. Memory is kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct Planes {
    planes: [Plane; 4],
}

impl Planes {
    /// Makes room for the MCUs in these columns.
    pub(crate) fn reset(&mut self, layout: &Layout, columns: &Range<usize>) {
        // Rows of the MCUs above are looked at where pixels depend on them.
        let strips = if layout.context { 2 } else { 1 };
        for (plane, layer) in self.planes.iter_mut().zip(layout.layers()) {
            let unit = layer.h * layer.size;
            plane.stride = columns.len() * unit;
            plane.rows = strips * layer.v * layer.size;
            plane.left = columns.start * unit;
            let enough = plane.rows * plane.stride;
            if plane.data.len() < enough {
                plane.data.resize(enough, 0);
            }
        }
    }

    /// Bytes that [`Planes::reset`] takes.
    pub(crate) fn memory(layout: &Layout, columns: &Range<usize>) -> u64 {
        let strips = if layout.context { 2 } else { 1 };
        let samples = |unit: usize| (unit * columns.len() * strips) as u64;
        layout.layers().iter().map(|layer| samples(layer.h * layer.v * layer.size * layer.size)).sum()
    }

    /// Samples from row `y` and column `x` of the image on, and the distance of rows, to be written block by block.
    pub(crate) fn block_mut(&mut self, layer: usize, y: usize, x: usize) -> (&mut [u8], usize) {
        let plane = &mut self.planes[layer];
        let start = y % plane.rows * plane.stride + (x - plane.left);
        (&mut plane.data[start..plane.rows * plane.stride], plane.stride)
    }

    /// The columns that the window of a component has.
    pub(crate) fn columns(&self, layer: usize) -> Range<usize> {
        let plane = &self.planes[layer];
        plane.left..plane.left + plane.stride
    }

    /// The samples of row `y` in these columns of the image.
    pub(crate) fn row(&self, layer: usize, y: usize, columns: Range<usize>) -> &[u8] {
        let plane = &self.planes[layer];
        let start = y % plane.rows * plane.stride;
        &plane.data[start + columns.start - plane.left..start + columns.end - plane.left]
    }
}
