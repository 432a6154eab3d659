//! Files of several scans: all coefficients are collected before any is transformed (ITU-T T.81, Annex G).

use crate::{
    Error, Result,
    bits::Bits,
    block::{self, Block},
    header::Header,
    huffman::{Codes, extend},
    interrupt::Pace,
    layout::Layout,
    output::Sink,
    pipeline::Pipeline,
    scan::{Part, Scan},
    segments::Segments,
    tables::{Quant, Tables},
    zigzag::NATURAL,
};

/// Coefficients of one component, in whole MCUs.
#[derive(Debug, Clone, Copy)]
struct Grid {
    start: usize,
    width: usize,
    height: usize,
}

/// The coefficients of an image, and how far their scans have come. Memory is kept from image to image.
#[derive(Debug, Default)]
pub(crate) struct Coefficients {
    blocks: Vec<Block>,
    /// For each block: zigzag index of the last coefficient that may be other than zero.
    last: Vec<u8>,
    grids: Vec<Grid>,
    /// For each component and coefficient: bits still unknown, or -1 where it was in no scan (libjpeg, `coef_bits`).
    unknown: Vec<[i8; 64]>,
    /// The table in force when a component was first seen (libjpeg, `latch_quant_tables`).
    quant: [Option<Quant>; 4],
    pub(crate) warnings: u32,
}

impl Coefficients {
    /// Bytes that [`Coefficients::reset`] takes.
    pub(crate) fn memory(layout: &Layout) -> u64 {
        let blocks: usize = layout.layers().iter().map(|layer| layer.h * layer.v).sum();
        (blocks * layout.mcus_x * layout.mcus_y) as u64 * (64 * 2 + 1)
    }

    /// Makes room, all zero.
    ///
    /// # Errors
    /// [`Error::Memory`]: these are by far the most that a decoder needs.
    pub(crate) fn reset(&mut self, layout: &Layout) -> Result<()> {
        let mut start = 0;
        self.grids.clear();
        for layer in layout.layers() {
            let (width, height) = (layer.h * layout.mcus_x, layer.v * layout.mcus_y);
            self.grids.push(Grid { start, width, height });
            start += width * height;
        }
        self.blocks.clear();
        self.last.clear();
        let room = self.blocks.try_reserve(start).and_then(|()| self.last.try_reserve(start));
        room.map_err(|_| Error::Memory { bytes: Self::memory(layout) as usize })?;
        self.blocks.resize(start, [0; 64]);
        self.last.resize(start, 0);
        self.unknown.clear();
        self.unknown.resize(layout.layers().len(), [-1; 64]);
        self.quant = [None; 4];
        self.warnings = 0;
        Ok(())
    }

    /// Decodes one scan.
    pub(crate) fn scan(
        &mut self,
        header: &Header,
        layout: &Layout,
        scan: &Scan,
        interval: usize,
        (tables, segments): (&mut Tables, &Segments),
        pace: Pace,
    ) -> Result<()> {
        for part in scan.parts() {
            let quant = &mut self.quant[part.layer];
            if quant.is_none() {
                *quant = Some(tables.quant(header.components[part.layer].quant)?);
            }
        }
        if !header.progressive {
            for part in scan.parts() {
                tables.build_dc(part.dc)?;
                tables.build_ac(part.ac, true)?;
                self.unknown[part.layer] = [0; 64];
            }
            let Part { dc, ac, .. } = scan.parts()[0];
            let mut built = [(tables.dc(dc)?, tables.ac(ac)?); 4];
            for (built, part) in built.iter_mut().zip(scan.parts()) {
                *built = (tables.dc(part.dc)?, tables.ac(part.ac)?);
            }
            return self.each_block(layout, scan, interval, segments, pace, |state, part, block, last| {
                let (dc, ac) = built[part];
                *block = [0; 64];
                *last = block::decode::<true>(&mut state.bits, dc, ac, &mut state.predictions[part], block);
            });
        }
        self.note_progress(scan)?;
        let (first, end, low) = (scan.first, scan.last + 1, scan.low);
        match (scan.first, scan.high) {
            (0, 0) => {
                for part in scan.parts() {
                    tables.build_dc(part.dc)?;
                }
                let mut built = [&tables.dc(scan.parts()[0].dc)?.codes; 4];
                for (built, part) in built.iter_mut().zip(scan.parts()) {
                    *built = &tables.dc(part.dc)?.codes;
                }
                self.each_block(layout, scan, interval, segments, pace, |state, part, block, _| {
                    dc_first(state, built[part], part, low, block);
                })
            }
            (0, _) => self.each_block(layout, scan, interval, segments, pace, |state, _, block, _| {
                if state.bits.count() == 0 {
                    state.bits.fill();
                }
                block[0] |= ((state.bits.window() >> 63) << low) as i16;
                state.bits.skip(1);
            }),
            (_, high) => {
                let Part { ac, .. } = scan.parts()[0];
                tables.build_ac(ac, false)?;
                let codes = &tables.ac(ac)?.codes;
                if high == 0 {
                    self.each_block(layout, scan, interval, segments, pace, |state, _, block, last| {
                        ac_first(state, codes, first..end, low, block, last);
                    })
                } else {
                    self.each_block(layout, scan, interval, segments, pace, |state, _, block, last| {
                        ac_refine(state, codes, first..end, low, block, last);
                    })
                }
            }
        }
    }

    /// libjpeg's `start_pass_phuff_decoder`: errors in the parameters of a scan, and warnings.
    fn note_progress(&mut self, scan: &Scan) -> Result<()> {
        let alone = scan.parts().len() == 1;
        let band = if scan.first == 0 { scan.last == 0 } else { scan.first <= scan.last && scan.last < 64 && alone };
        if !band || scan.high != 0 && scan.low + 1 != scan.high || scan.low > 13 {
            return Err(Error::Format(format!(
                "progressive scan of coefficients {} to {}, bits {} to {}",
                scan.first, scan.last, scan.high, scan.low
            )));
        }
        for part in scan.parts() {
            let unknown = &mut self.unknown[part.layer];
            self.warnings += u32::from(scan.first > 0 && unknown[0] < 0);
            for bits in &mut unknown[scan.first..=scan.last] {
                self.warnings += u32::from(scan.high != (*bits).max(0) as u32);
                *bits = scan.low as i8;
            }
        }
        Ok(())
    }

    /// Calls `decode` for each block of the scan, in order (T.81, A.2).
    fn each_block(
        &mut self,
        layout: &Layout,
        scan: &Scan,
        interval: usize,
        segments: &Segments,
        mut pace: Pace,
        mut decode: impl FnMut(&mut State<'_>, usize, &mut Block, &mut u8),
    ) -> Result<()> {
        let interval = if interval == 0 { usize::MAX } else { interval };
        let mut state = State { bits: segments.bits(0), predictions: [0; 4], run: 0 };
        let (mut segment, mut left, mut exhausted, mut warnings) = (0, interval, false, 0);
        // A component alone has no padding blocks; several have those of whole MCUs.
        let (rows, columns) = match *scan.parts() {
            [Part { layer, .. }] => (layout.layers()[layer].blocks_h, layout.layers()[layer].blocks_w),
            _ => (layout.mcus_y, layout.mcus_x),
        };
        'scan: for row in 0..rows {
            pace.row()?;
            for column in 0..columns {
                if left == 0 {
                    warnings += state.bits.warnings + u32::from(exhausted || state.bits.left_over());
                    segment += 1;
                    state = State { bits: segments.bits(segment), predictions: [0; 4], run: 0 };
                    left = interval;
                    exhausted &= segment >= segments.end();
                }
                left -= 1;
                if exhausted {
                    // Small files must not cost much time, however large their images and however many their scans.
                    if segment + 1 >= segments.end() {
                        break 'scan;
                    }
                    continue;
                }
                if let [Part { layer, .. }] = *scan.parts() {
                    let index = self.grids[layer].start + row * self.grids[layer].width + column;
                    decode(&mut state, 0, &mut self.blocks[index], &mut self.last[index]);
                } else {
                    for (part, &Part { layer, .. }) in scan.parts().iter().enumerate() {
                        let (grid, h, v) = (self.grids[layer], layout.layers()[layer].h, layout.layers()[layer].v);
                        for y in row * v..(row + 1) * v {
                            for x in column * h..(column + 1) * h {
                                let index = grid.start + y * grid.width + x;
                                decode(&mut state, part, &mut self.blocks[index], &mut self.last[index]);
                            }
                        }
                    }
                }
                exhausted = state.bits.exhausted();
            }
        }
        self.warnings += warnings + state.bits.warnings + u32::from(exhausted || state.bits.left_over());
        Ok(())
    }

    /// Whether all is known that the pixels depend on.
    ///
    /// Where it is not, libjpeg guesses the lowest frequencies from the blocks around (`decompress_smooth_data`).
    pub(crate) fn check_complete(&self, header: &Header) -> Result<()> {
        if self.quant.iter().take(header.components.len()).any(Option::is_none) {
            return Err(Error::Unsupported("a component without any scan".to_owned()));
        }
        let smooth = self.unknown.iter().any(|unknown| unknown[..10].iter().any(|&bits| bits != 0));
        match header.progressive && smooth {
            true => Err(Error::Unsupported("a progressive image without its last scans, to be smoothed".to_owned())),
            false => Ok(()),
        }
    }

    /// Transforms the blocks that the region needs.
    pub(crate) fn output<S: Sink>(&self, pipeline: &mut Pipeline<'_, S>, mut pace: Pace) -> Result<()> {
        let (layout, mcus) = (pipeline.layout, pipeline.mcus);
        let quant = self.quant.map(|table| table.unwrap_or([0; 64]).map(|factor| factor as i16));
        for row in mcus.rows.clone() {
            pace.row()?;
            for (index, (layer, grid)) in layout.layers().iter().zip(&self.grids).enumerate() {
                for y in row * layer.v..(row + 1) * layer.v {
                    debug_assert!(y < grid.height);
                    let x = mcus.columns.start * layer.h;
                    let start = grid.start + y * grid.width + x;
                    let range = start..start + mcus.columns.len() * layer.h;
                    pipeline.blocks(index, (x, y), &self.blocks[range.clone()], &self.last[range], &quant[index]);
                }
            }
            pipeline.row_done(row);
        }
        Ok(())
    }
}

/// Where a scan is.
struct State<'a> {
    bits: Bits<'a>,
    predictions: [i32; 4],
    /// Blocks without further new coefficients in this band, this one included.
    run: u32,
}

/// T.81, G.1.2.1, first scan.
fn dc_first(state: &mut State<'_>, codes: &Codes, part: usize, low: u32, block: &mut Block) {
    state.bits.fill();
    let window = state.bits.window();
    let (length, size) = codes.decode(window);
    state.bits.warnings += u32::from(length > 16);
    let difference = if size == 0 { 0 } else { extend(window << length, size.into()) };
    state.bits.skip(length + u32::from(size));
    state.predictions[part] = state.predictions[part].wrapping_add(difference);
    block[0] = (state.predictions[part] << low) as i16;
}

/// T.81, G.1.2.2.
#[inline(always)]
fn ac_first(
    state: &mut State<'_>,
    codes: &Codes,
    band: std::ops::Range<usize>,
    low: u32,
    block: &mut Block,
    last: &mut u8,
) {
    if state.run > 0 {
        state.run -= 1;
        return;
    }
    let mut k = band.start;
    let mut bits = state.bits.clone();
    while k < band.end {
        bits.fill();
        let window = bits.window();
        let (length, symbol) = codes.decode(window);
        let (run, size) = (u32::from(symbol >> 4), u32::from(symbol & 15));
        bits.skip(length + size);
        if size > 0 {
            k += run as usize;
            let place = k.min(63);
            block[usize::from(NATURAL[place]) & 63] = (extend(window << length, size) << low) as i16;
            *last = (*last).max(place as u8);
            k += 1;
        } else if run == 15 {
            k += 16;
        } else {
            bits.warnings += u32::from(length > 16);
            if run > 0 {
                state.run = (1 << run) - 1 + (bits.window() >> (64 - run)) as u32;
                bits.skip(run);
            }
            break;
        }
    }
    state.bits = bits;
}

/// T.81, G.1.2.3: one bit more for each coefficient that is not zero, and new ones of that size.
#[inline(always)]
fn ac_refine(
    state: &mut State<'_>,
    codes: &Codes,
    band: std::ops::Range<usize>,
    low: u32,
    block: &mut Block,
    last: &mut u8,
) {
    let one = 1_i16 << low;
    let mut k = band.start;
    let mut bits = state.bits.clone();
    let correct = |value: &mut i16, bits: &mut Bits<'_>| {
        if bits.count() == 0 {
            bits.fill();
        }
        if bits.window() >> 63 != 0 && *value & one == 0 {
            *value = value.wrapping_add(if *value >= 0 { one } else { -one });
        }
        bits.skip(1);
    };
    if state.run == 0 {
        while k < band.end {
            // A code of up to 17 bits, 15 for the length of a run of blocks.
            bits.fill();
            let (length, symbol) = codes.decode(bits.window());
            let (mut zeros, size) = (i32::from(symbol >> 4), symbol & 15);
            bits.skip(length);
            let mut value = 0;
            if size > 0 {
                // It should be 1.
                bits.warnings += u32::from(size != 1);
                value = if bits.window() >> 63 != 0 { one } else { -one };
                bits.skip(1);
            } else if zeros < 15 {
                bits.warnings += u32::from(length > 16);
                state.run = 1 << zeros;
                if zeros > 0 {
                    state.run += (bits.window() >> (64 - zeros)) as u32;
                    bits.skip(zeros as u32);
                }
                break;
            }
            while k < band.end {
                let coefficient = &mut block[usize::from(NATURAL[k]) & 63];
                if *coefficient != 0 {
                    correct(coefficient, &mut bits);
                } else {
                    zeros -= 1;
                    if zeros < 0 {
                        break;
                    }
                }
                k += 1;
            }
            if value != 0 {
                let place = k.min(63);
                block[usize::from(NATURAL[place]) & 63] = value;
                *last = (*last).max(place as u8);
            }
            k += 1;
        }
    }
    if state.run > 0 {
        // No coefficient is beyond the last.
        let start = k.min(band.end);
        for &place in &NATURAL[start..band.end.min(usize::from(*last) + 1).max(start)] {
            let coefficient = &mut block[usize::from(place) & 63];
            if *coefficient != 0 {
                correct(coefficient, &mut bits);
            }
        }
        state.run -= 1;
    }
    state.bits = bits;
}
