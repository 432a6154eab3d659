//! From coefficients to the sink: one row of MCUs after the other.

use crate::{
    block::Block,
    emitter::{Emitter, Row},
    header::ColorSpace,
    kernel::Kernels,
    layout::Layout,
    output::Sink,
    planes::Planes,
    region::McuRegion,
    scaled_idct,
};

/// Memory of the pipeline, kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct PipelineMemory {
    planes: Planes,
    emitter: Emitter,
}

/// Turns coefficients of the MCUs of a region into rows of pixels.
pub(crate) struct Pipeline<'a, S> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) layout: &'a Layout,
    pub(crate) mcus: &'a McuRegion,
    color: ColorSpace,
    memory: &'a mut PipelineMemory,
    sink: S,
    /// The next row of the output.
    y: usize,
}

impl<'a, S: Sink> Pipeline<'a, S> {
    pub(crate) fn new(
        kernels: &'a Kernels,
        layout: &'a Layout,
        mcus: &'a McuRegion,
        color: ColorSpace,
        memory: &'a mut PipelineMemory,
        sink: S,
    ) -> Self {
        memory.planes.reset(layout, &mcus.columns);
        memory.emitter.reset((mcus.columns.len() + 2) * layout.mcu_w);
        Self { kernels, layout, mcus, color, memory, sink, y: mcus.region.top }
    }

    /// Transforms a run of blocks of one component. The first is in column `x` and row `y` of its blocks.
    pub(crate) fn blocks(
        &mut self,
        layer: usize,
        (x, y): (usize, usize),
        blocks: &[Block],
        last: &[u8],
        quant: &[i16; 64],
    ) {
        let size = self.layout.layers()[layer].size;
        let (out, stride) = self.memory.planes.block_mut(layer, y * size, x * size);
        match size {
            8 => (self.kernels.idct)(blocks, last, quant, out, stride),
            _ => scaled_idct::idct(size, blocks, quant, out, stride),
        }
    }

    /// All blocks of this row of MCUs are there: writes the pixels that can be written.
    pub(crate) fn row_done(&mut self, row: usize) {
        let (layout, region) = (self.layout, self.mcus.region);
        // The last row may depend on samples of the next MCUs.
        let wait = usize::from(layout.context && row + 1 < layout.mcus_y);
        let ready = ((row + 1) * layout.mcu_h - wait).min(region.top + region.height);
        if ready <= self.y {
            return;
        }
        let (first, count) = (self.y - region.top, ready - self.y);
        let channels = if layout.layers().len() == 4 { 4 } else { 3 };
        let (out, stride) = self.sink.strip(first, count);
        let PipelineMemory { planes, emitter } = &mut *self.memory;
        for index in 0..count {
            let out = &mut out[index * stride..][..region.width * channels];
            let columns = region.left..region.left + region.width;
            let row = Row { kernels: self.kernels, layout, planes, y: self.y + index, columns };
            emitter.row(&row, self.color, out);
        }
        self.sink.finish(first, count);
        self.y = ready;
    }
}
