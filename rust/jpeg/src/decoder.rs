//! The way through a file: markers, scans, pixels.

use crate::{
    Budget, Error, Header, Limits, Result,
    header::parse_restart_interval,
    interrupt::Pace,
    kernel::{InstructionSet, Kernels},
    layout::Layout,
    marker::{self, Walk},
    output::{Output, Sink, Strips},
    pipeline::{Pipeline, PipelineMemory},
    planes::Planes,
    progressive::Coefficients,
    region::{McuRegion, Region},
    row_index::RowIndex,
    scale::Scale,
    scan::Scan,
    segments::{End, Segments},
    sequential::{self, Job, SequentialMemory},
    tables::{self, Tables},
};

/// What to decode.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// The part of the image, in pixels of the output; all of it by default.
    pub region: Option<Region>,
    /// The size of the output.
    pub scale: Scale,
    /// Whether a file that ends too early is decoded all the same. The missing part is gray.
    pub allow_truncated: bool,
    /// Budgets.
    pub limits: Limits,
    /// Asked now and then, every few milliseconds, whether to give up: [`Error::Interrupted`].
    pub interrupt: Option<fn() -> bool>,
}

/// What was decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    /// The decoded region.
    pub region: Region,
    /// Bytes per pixel: 3 for RGB, 4 for CMYK.
    pub channels: usize,
    /// How often libjpeg would warn about the part of the file that was read. It then goes on.
    ///
    /// Below the region nothing is read, so nothing there is counted.
    pub warnings: u32,
}

/// Decodes files. It holds memory and tables that are reused from file to file; no result depends on them.
#[derive(Debug)]
pub struct Decoder {
    kernels: Kernels,
    tables: Tables,
    segments: Segments,
    sequential: SequentialMemory,
    coefficients: Coefficients,
    pipeline: PipelineMemory,
    strip: Vec<u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder {
    /// A decoder with the fastest code that this machine can run.
    #[must_use]
    pub fn new() -> Self {
        Self::of(Kernels::detect())
    }

    /// A decoder with the code for `set`; `None` where this machine lacks the instructions.
    #[must_use]
    pub fn with(set: InstructionSet) -> Option<Self> {
        Kernels::with(set).map(Self::of)
    }

    /// A decoder without vector instructions. Its results are the same.
    #[must_use]
    pub fn portable() -> Self {
        Self::of(Kernels::portable())
    }

    fn of(kernels: Kernels) -> Self {
        Self {
            kernels,
            tables: Tables::default(),
            segments: Segments::default(),
            sequential: SequentialMemory::default(),
            coefficients: Coefficients::default(),
            pipeline: PipelineMemory::default(),
            strip: Vec::new(),
        }
    }

    /// Decodes the file in `bytes`, whose header is `header`, into a buffer.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the region is empty or not inside the image, or the buffer too small;
    /// [`Error::Format`], [`Error::Truncated`], [`Error::Unsupported`] or [`Error::Limit`] by the file;
    /// [`Error::Interrupted`] where the caller wants it. The buffer is then unspecified.
    pub fn decode(&mut self, bytes: &[u8], header: &Header, options: &Options, output: Output<'_>) -> Result<Info> {
        let parameters = Parameters::new(header, options)?;
        output.check(parameters.mcus.region, header.channels())?;
        self.run(bytes, &parameters, None, output)
    }

    /// [`Decoder::decode`] with an index of this very file, which is used and extended.
    ///
    /// The pixels are the same. Files with a complete index are not searched for their end, and so not found truncated.
    ///
    /// # Errors
    /// As [`Decoder::decode`], and [`Error::Parameter`] where the index is another file's.
    pub fn decode_indexed(
        &mut self,
        bytes: &[u8],
        header: &Header,
        options: &Options,
        index: &mut RowIndex,
        output: Output<'_>,
    ) -> Result<Info> {
        let parameters = Parameters::new(header, options)?;
        output.check(parameters.mcus.region, header.channels())?;
        self.run(bytes, &parameters, claimed(Some(index), bytes, header)?, output)
    }

    /// Decodes the file in `bytes`, whose header is `header`, and hands over strips of rows while they are in the cache.
    ///
    /// `receive` is called with the first row (counted from the top of the region) and the pixels of some rows, from the
    /// top down. There are no gaps between rows. An index of this very file is used and extended, as in
    /// [`Decoder::decode_indexed`].
    ///
    /// # Errors
    /// As [`Decoder::decode_indexed`]. Some strips may have been handed over before.
    pub fn decode_strips(
        &mut self,
        bytes: &[u8],
        header: &Header,
        options: &Options,
        index: Option<&mut RowIndex>,
        receive: impl FnMut(usize, &[u8]),
    ) -> Result<Info> {
        let parameters = Parameters::new(header, options)?;
        let mut buffer = std::mem::take(&mut self.strip);
        let row = parameters.mcus.region.width * header.channels();
        let strips = Strips { buffer: &mut buffer, row, receive };
        let result = claimed(index, bytes, header).and_then(|index| self.run(bytes, &parameters, index, strips));
        self.strip = buffer;
        result
    }

    fn run(
        &mut self,
        bytes: &[u8],
        parameters: &Parameters<'_>,
        mut index: Option<&mut RowIndex>,
        sink: impl Sink,
    ) -> Result<Info> {
        let Parameters { header, options, layout, mcus } = parameters;
        let limits = &options.limits;
        Limits::check(Budget::Pixels, header.width as u64 * header.height as u64, limits.max_pixels)?;
        let mut walk = Walk::new(bytes)?;
        self.tables.reset();
        let mut interval = 0;
        let Some(scan) = next_scan(&mut self.tables, &mut walk, header, &mut interval)? else {
            return Err(Error::Format("it has no scan".to_owned()));
        };
        // The header knows the same oddities, and those of segments that were passed over here.
        walk.warnings = header.warnings;
        if !header.progressive {
            self.tables.default_huffman();
        }
        let single = !header.progressive && scan.parts().len() == header.components.len();
        // Of all columns: whether a file is too large must not depend on the region.
        let planes = Planes::memory(layout, &(0..layout.mcus_x));
        let coefficients = if single { 0 } else { Coefficients::memory(layout) };
        // Without byte stuffing, and where there are restart markers, with a padding for each.
        let data = bytes.len() as u64 * if interval > 0 { 16 } else { 1 };
        let memory = data + planes + coefficients;
        Limits::check(Budget::Memory, memory, limits.max_memory)?;
        check_mcu(header, &scan)?;
        let mut pipeline = Pipeline::new(&self.kernels, layout, mcus, header.color, &mut self.pipeline, sink);
        let mut warnings = walk.warnings;
        if single {
            for part in scan.parts() {
                self.tables.build_dc(part.dc)?;
                self.tables.build_ac(part.ac, bytes.len() > 1 << 14)?;
            }
            warnings += not_sequential(&scan);
            // With an index: the rows that are needed and known, or else the last known row above them.
            let known = index.as_ref().map_or(0, |index| index.len());
            let known = mcus.rows.start.min(known.saturating_sub(1))..mcus.rows.end.min(known);
            self.segments.reset(0);
            let mut end = None;
            if let Some(index) = index.as_deref().filter(|_| !known.is_empty()) {
                for row in known.clone() {
                    let start = index.get(row).map_or(bytes.len(), |row| row.byte());
                    // Some bytes more than the row has, as a stuffed byte must not be cut.
                    match index.get(row + 1).map(|next| (next.byte() + 16).min(bytes.len())) {
                        Some(next) => _ = self.segments.read(&self.kernels, &bytes[..next], start, false)?,
                        None => end = Some(self.segments.read(&self.kernels, bytes, start, false)?),
                    }
                }
            } else {
                end = Some(self.segments.read(&self.kernels, bytes, walk.at, interval > 0)?);
            }
            let unended = end.is_some_and(|end| finish(bytes, end, options, &mut warnings));
            let job = Job {
                bytes,
                header,
                scan: &scan,
                restart_interval: interval,
                tables: &self.tables,
                segments: &self.segments,
                index: index.take(),
                known,
                unended,
                pace: Pace::new(options.interrupt, layout),
            };
            warnings += sequential::decode(job, &mut self.sequential, &mut pipeline)?;
        } else {
            let state = (&self.kernels, &mut self.tables, &mut self.segments, &mut self.coefficients);
            warnings = scans(state, walk, parameters, scan, interval)?;
            self.coefficients.check_complete(header)?;
            self.coefficients.output(&mut pipeline, Pace::new(options.interrupt, layout))?;
        }
        Ok(Info { region: mcus.region, channels: header.channels(), warnings })
    }
}

/// The index, bound to this file; none where the file cannot have one.
fn claimed<'i>(index: Option<&'i mut RowIndex>, bytes: &[u8], header: &Header) -> Result<Option<&'i mut RowIndex>> {
    let Some(index) = index.filter(|_| RowIndex::applies_to(bytes, header)) else { return Ok(None) };
    index.claim(bytes, header)?;
    Ok(Some(index))
}

/// The parameters of a decode, apart from the file's bytes.
struct Parameters<'a> {
    header: &'a Header,
    options: &'a Options,
    layout: Layout,
    mcus: McuRegion,
}

impl<'a> Parameters<'a> {
    fn new(header: &'a Header, options: &'a Options) -> Result<Self> {
        header.check()?;
        let layout = Layout::new(header, options.scale)?;
        let mcus = McuRegion::new(&layout, options.region)?;
        Ok(Self { header, options, layout, mcus })
    }
}

/// Reads tables up to the header of the next scan; `None` at the end of the image.
fn next_scan(tables: &mut Tables, walk: &mut Walk<'_>, header: &Header, interval: &mut usize) -> Result<Option<Scan>> {
    loop {
        let code = walk.marker()?;
        match code {
            marker::EOI => return Ok(None),
            marker::SOI => return Err(Error::Format("it has two start-of-image markers".to_owned())),
            marker::RST0..=marker::RST7 | marker::TEM => continue,
            _ => {}
        }
        let again = walk.at >= header.scan;
        let payload = walk.payload(code)?;
        match code {
            marker::SOS => return Scan::parse(payload, header).map(Some),
            marker::DQT => tables.read_quant(payload)?,
            marker::DHT => tables.read_huffman(payload)?,
            marker::DRI => *interval = parse_restart_interval(payload)?,
            marker::DAC => tables::check_arithmetic(payload)?,
            marker::DNL | marker::COM | marker::APP0..=marker::APP15 => {}
            marker::SOF0..=marker::SOF2 if !again => {}
            _ => return Err(Error::Format(format!("marker {code:#04x} before byte {}", walk.at))),
        }
    }
}

/// Collects the coefficients of all scans. Returns the warnings.
fn scans(
    (kernels, tables, segments, coefficients): (&Kernels, &mut Tables, &mut Segments, &mut Coefficients),
    mut walk: Walk<'_>,
    parameters: &Parameters<'_>,
    mut scan: Scan,
    mut interval: usize,
) -> Result<u32> {
    let Parameters { header, options, layout, .. } = parameters;
    coefficients.reset(layout)?;
    let mut count = 1;
    loop {
        check_mcu(header, &scan)?;
        if !header.progressive {
            coefficients.warnings += not_sequential(&scan);
        }
        segments.reset(0);
        let end = segments.read(kernels, walk.bytes, walk.at, interval > 0)?;
        if end == End::File && !options.allow_truncated {
            return Err(walk.truncated());
        }
        let pace = Pace::new(options.interrupt, layout);
        coefficients.scan(header, layout, &scan, interval, (&mut *tables, &*segments), pace)?;
        let End::Marker(at) = end else { break };
        walk.at = at;
        match next_scan(tables, &mut walk, header, &mut interval) {
            Ok(Some(next)) => scan = next,
            Ok(None) => break,
            Err(Error::Truncated { .. }) if options.allow_truncated => break,
            Err(error) => return Err(error),
        }
        count += 1;
        Limits::check(Budget::Scans, count, options.limits.max_scans.into())?;
    }
    Ok(walk.warnings + coefficients.warnings)
}

/// libjpeg's limit of blocks in an MCU (`per_scan_setup` in `jdinput.c`; T.81, B.2.3).
fn check_mcu(header: &Header, scan: &Scan) -> Result<()> {
    let layers = scan.parts().iter().map(|part| &header.components[part.layer]);
    let blocks: usize = layers.map(|layer| usize::from(layer.h) * usize::from(layer.v)).sum();
    match scan.parts().len() > 1 && blocks > 10 {
        true => Err(Error::Format(format!("{blocks} blocks in an MCU"))),
        false => Ok(()),
    }
}

/// A sequential scan should be of all coefficients, with all their bits (libjpeg, `JWRN_NOT_SEQUENTIAL`).
fn not_sequential(scan: &Scan) -> u32 {
    u32::from((scan.first, scan.last, scan.high, scan.low) != (0, 63, 0, 0))
}

/// Looks at what follows the only scan, which should be the end of the image. Returns whether the scan has no end.
fn finish(bytes: &[u8], end: End, options: &Options, warnings: &mut u32) -> bool {
    match end {
        End::Marker(at) => {
            let mut walk = Walk { bytes, at, warnings: 0 };
            *warnings += u32::from(walk.marker() != Ok(marker::EOI));
            false
        }
        End::File => {
            *warnings += 1;
            !options.allow_truncated
        }
    }
}
