//! Files of one sequential scan, which is nearly all of them: coefficients are transformed while they are in the cache.

use std::ops::Range;

use crate::{
    Error, Result,
    bits::Bits,
    block::{self, Block},
    header::Header,
    huffman::{Ac, Dc},
    interrupt::Pace,
    kernel::Task,
    output::Sink,
    pipeline::Pipeline,
    row_index::{RowIndex, RowStart},
    scan::{Part, Scan},
    segments::{Place, Segments},
    tables::Tables,
};

/// MCUs whose coefficients are collected before they are transformed: few enough for the first-level cache, enough for
/// the transform to work on pairs and for the processor to do it while it waits for the next branch to be resolved.
const CHUNK: usize = 16;

/// Coefficients of a chunk, kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct SequentialMemory {
    blocks: Vec<Block>,
    last: Vec<u8>,
}

/// One block of an MCU: its tables, and where its coefficients go.
#[derive(Debug, Clone, Copy)]
struct Unit<'a> {
    part: usize,
    dc: &'a Dc,
    ac: &'a Ac,
    /// Whether a block becomes a single sample, for which the DC coefficient is enough.
    flat: bool,
    /// Index for the first MCU of a chunk, and from one MCU to the next.
    base: usize,
    step: usize,
}

/// One row of blocks in the MCUs of a chunk.
#[derive(Debug, Clone, Copy)]
struct Run {
    part: usize,
    /// Row in the MCU.
    y: usize,
    /// Index of its first block.
    base: usize,
}

/// A scan to be decoded.
pub(crate) struct Job<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) header: &'a Header,
    pub(crate) scan: &'a Scan,
    pub(crate) restart_interval: usize,
    pub(crate) tables: &'a Tables,
    pub(crate) segments: &'a Segments,
    pub(crate) index: Option<&'a mut RowIndex>,
    /// The rows of MCUs that are segments of their own, because the index knows where they start. The last of them may be
    /// all the rest of the scan.
    pub(crate) known: Range<usize>,
    /// The file ends before the scan does. That is an error unless all MCUs are there.
    pub(crate) unended: bool,
    pub(crate) pace: Pace,
}

/// Decodes the scan. Returns what libjpeg would warn of.
pub(crate) fn decode<S: Sink>(
    job: Job<'_>,
    memory: &mut SequentialMemory,
    pipeline: &mut Pipeline<'_, S>,
) -> Result<u32> {
    let Job { bytes, header, scan, restart_interval, tables, segments, mut index, known, unended, mut pace } = job;
    let (layout, mcus) = (pipeline.layout, pipeline.mcus);
    // At most ten blocks make an MCU; see `check_mcu`.
    let Part { dc, ac, .. } = scan.parts()[0];
    let mut units = [Unit { part: 0, dc: tables.dc(dc)?, ac: tables.ac(ac)?, flat: false, base: 0, step: 0 }; 10];
    let mut runs = [Run { part: 0, y: 0, base: 0 }; 10];
    let mut quants = [[0; 64]; 4];
    let (mut unit_count, mut run_count, mut base) = (0, 0, 0);
    for (part, names) in scan.parts().iter().enumerate() {
        let layer = &layout.layers()[names.layer];
        quants[part] = tables.quant(header.components[names.layer].quant)?.map(|factor| factor as i16);
        let (dc, ac) = (tables.dc(names.dc)?, tables.ac(names.ac)?);
        for y in 0..layer.v {
            for x in 0..layer.h {
                units[unit_count] = Unit { part, dc, ac, flat: layer.size == 1, base: base + x, step: layer.h };
                unit_count += 1;
            }
            runs[run_count] = Run { part, y, base };
            run_count += 1;
            base += CHUNK * layer.h;
        }
    }
    memory.blocks.resize(base, [0; 64]);
    memory.last.resize(base, 0);

    let mut stream = Stream::new(segments, restart_interval, &units[..unit_count], memory);
    let kernels = *pipeline.kernels;
    let jump = |stream: &mut Stream<'_>, index: &RowIndex, row: usize| {
        if let Some(start) = index.get(row) {
            stream.jump(row - known.start, row * layout.mcus_x, start);
        }
    };
    if let Some(index) = index.as_deref_mut() {
        if !known.contains(&mcus.rows.start) && !known.is_empty() {
            jump(&mut stream, index, known.start);
        }
        for row in index.len()..mcus.rows.start {
            pace.row()?;
            kernels.with_bmi2(SkipTo(&mut stream, row * layout.mcus_x));
            stream.record(bytes, row, index);
        }
    }
    // Over many rows at once nobody could stop it. With restart markers there are no such long ways.
    if index.is_none() && restart_interval == 0 {
        for row in 0..mcus.rows.start {
            pace.row()?;
            kernels.with_bmi2(SkipTo(&mut stream, row * layout.mcus_x));
        }
    }
    for row in mcus.rows.clone() {
        pace.row()?;
        let start = row * layout.mcus_x;
        if let Some(index) = index.as_deref_mut() {
            if known.contains(&row) {
                jump(&mut stream, index, row);
            } else if index.len() == row {
                kernels.with_bmi2(SkipTo(&mut stream, start));
                stream.record(bytes, row, index);
            }
        }
        kernels.with_bmi2(SkipTo(&mut stream, start + mcus.columns.start));
        let mut column = mcus.columns.start;
        while column < mcus.columns.end {
            let count = CHUNK.min(mcus.columns.end - column);
            kernels.with_bmi2(Decode(&mut stream, count));
            for &Run { part, y, base } in &runs[..run_count] {
                let layer = scan.parts()[part].layer;
                let (h, v) = (layout.layers()[layer].h, layout.layers()[layer].v);
                let range = base..base + count * h;
                let (blocks, last) = (&stream.memory.blocks[range.clone()], &stream.memory.last[range]);
                pipeline.blocks(layer, (column * h, row * v + y), blocks, last, &quants[part]);
            }
            column += count;
        }
        pipeline.row_done(row);
    }
    let total = layout.mcus_x * layout.mcus_y;
    if unended {
        // The verdict must not depend on the region. Like Pillow's libjpeg, which reads ahead, this wants a byte to spare:
        // with less it asks for more of the file, and Pillow has no more.
        stream.skip_to(total);
        if stream.exhausted || !stream.bits.left_over() {
            return Err(Error::Truncated { bytes: bytes.len() });
        }
    }
    if stream.at == total {
        stream.close(true);
        // More segments than there are MCUs for.
        stream.warnings += u32::from(segments.end() > stream.segment + 1);
    } else {
        stream.close(false);
    }
    Ok(stream.warnings)
}

/// [`Stream::skip_to`].
struct SkipTo<'s, 'a>(&'s mut Stream<'a>, usize);

impl Task for SkipTo<'_, '_> {
    #[inline(always)]
    fn run(self) {
        self.0.skip_to(self.1);
    }
}

/// [`Stream::decode`], with coefficients.
struct Decode<'s, 'a>(&'s mut Stream<'a>, usize);

impl Task for Decode<'_, '_> {
    #[inline(always)]
    fn run(self) {
        self.0.decode::<true>(self.1);
    }
}

/// A position in the scan.
struct Stream<'a> {
    segments: &'a Segments,
    /// MCUs per segment; all of them without restart markers.
    interval: usize,
    units: &'a [Unit<'a>],
    memory: &'a mut SequentialMemory,
    bits: Bits<'a>,
    segment: usize,
    predictions: [i32; 4],
    /// Index of the next MCU.
    at: usize,
    /// The segment was too short: the rest stays gray.
    exhausted: bool,
    warnings: u32,
    /// A byte of this segment that is not beyond the position, and where that is in the file.
    place: Option<Place>,
}

impl<'a> Stream<'a> {
    fn new(segments: &'a Segments, interval: usize, units: &'a [Unit<'a>], memory: &'a mut SequentialMemory) -> Self {
        let interval = if interval == 0 { usize::MAX } else { interval };
        let (segment, predictions) = (segments.first(), [0; 4]);
        let bits = segments.bits(segment);
        let (at, exhausted, warnings, place) = (0, false, 0, segments.start(segment));
        Self { segments, interval, units, memory, bits, segment, predictions, at, exhausted, warnings, place }
    }

    /// Puts the position, which is the start of this row, into the index. There are no restart markers.
    fn record(&mut self, bytes: &[u8], row: usize, index: &mut RowIndex) {
        let bit = self.bits.at();
        let predictions = self.predictions.map(|prediction| prediction as i16);
        let same = predictions.map(i32::from) == self.predictions;
        // Damaged data are not worth an index.
        if self.warnings + self.bits.warnings == 0
            && !self.exhausted
            && same
            && index.len() == row
            && let Some(place) = &mut self.place
        {
            place.move_to(bytes, bit / 8);
            if let Ok(bit) = u32::try_from(place.source * 8 + bit % 8) {
                index.push(RowStart { bit, predictions });
            }
        }
    }

    /// Goes to a row whose start is known, which is a segment of its own.
    fn jump(&mut self, segment: usize, at: usize, start: RowStart) {
        self.close(false);
        (self.segment, self.at, self.exhausted) = (segment, at, false);
        self.bits = self.segments.bits(segment);
        self.bits.start_at((start.bit % 8) as u8);
        self.predictions = start.predictions.map(i32::from);
        self.place = self.segments.start(segment);
    }

    /// Ends the segment.
    fn close(&mut self, complete: bool) {
        self.warnings += self.bits.warnings + u32::from(self.exhausted) + u32::from(complete && self.bits.left_over());
    }

    fn open(&mut self, segment: usize) {
        (self.segment, self.at) = (segment, segment * self.interval);
        (self.bits, self.predictions) = (self.segments.bits(segment), [0; 4]);
        // Where restart markers are missing at the end, libjpeg stays out of data if it was.
        self.exhausted &= segment >= self.segments.end();
        self.place = self.segments.start(segment);
    }

    /// Moves forward to an MCU. Whole segments are not even looked at.
    #[inline(always)]
    fn skip_to(&mut self, target: usize) {
        let segment = (target / self.interval).min(self.segments.end() - 1);
        if segment > self.segment {
            self.close(self.at / self.interval > self.segment);
            self.open(segment);
        }
        self.decode::<false>(target - self.at);
    }

    /// Decodes the next MCUs; if `STORE`, their coefficients are put where the units say.
    #[inline(always)]
    fn decode<const STORE: bool>(&mut self, count: usize) {
        let mut mcu = 0;
        while mcu < count {
            if self.at / self.interval > self.segment {
                self.close(true);
                self.open(self.segment + 1);
            }
            let left = self.interval.saturating_mul(self.segment + 1) - self.at;
            let end = count.min(mcu.saturating_add(left));
            self.at += end - mcu;
            // In registers, as it is nowhere referred to.
            let mut bits = self.bits.clone();
            while mcu < end {
                if !self.exhausted {
                    self.mcu::<STORE>(&mut bits, mcu);
                    self.exhausted = bits.exhausted();
                } else if STORE {
                    self.gray(mcu);
                }
                mcu += 1;
            }
            self.bits = bits;
        }
    }

    #[inline(always)]
    fn mcu<const STORE: bool>(&mut self, bits: &mut Bits<'a>, mcu: usize) {
        let mut unused = [0; 64];
        for unit in self.units {
            let prediction = &mut self.predictions[unit.part & 3];
            if STORE && !unit.flat {
                let index = unit.base + mcu * unit.step;
                let block = &mut self.memory.blocks[index];
                *block = [0; 64];
                let last = block::decode::<true>(bits, unit.dc, unit.ac, prediction, block);
                self.memory.last[index] = last;
            } else {
                block::decode::<false>(bits, unit.dc, unit.ac, prediction, &mut unused);
                if STORE {
                    self.memory.blocks[unit.base + mcu * unit.step][0] = *prediction as i16;
                }
            }
        }
    }

    /// An MCU without data (libjpeg, `decode_mcu` once data are insufficient).
    #[cold]
    fn gray(&mut self, mcu: usize) {
        for unit in self.units {
            self.memory.blocks[unit.base + mcu * unit.step] = [0; 64];
            self.memory.last[unit.base + mcu * unit.step] = 0;
        }
    }
}
