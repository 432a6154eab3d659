//! Encoded images, decoded for calls: only what these need, as cheaply as the decoder offers.

use super::sample::SampleScratch;
use crate::{
    Error, Result,
    decode::{self, DecodeRequest, Decoder, Header, Mode, RowIndexEntry, Sink},
    image::{Rect, Size, Window},
    transform::{
        Call, Form, Lookup, Plan, ResizeOrder,
        execute::{self, Executor, ExecutorScratch},
    },
};

/// Bytes of a region that is resized while it is decoded. Smaller ones stay in the second-level cache (1 or 2 MiB in
/// servers) or near it until all of their rows are there, and resizing them at once is then faster by a few per cent.
const LARGE: usize = 2 << 20;

/// An encoded image, and how it is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded<'a> {
    pub(super) decoder: &'a Decoder,
    pub(super) bytes: &'a [u8],
    pub(super) header: &'a Header,
    pub(super) mode: Mode,
    /// The fraction of its size at which the image counts as whole: 1, or one that the decoder offers.
    pub(super) denominator: usize,
    /// Where what is found out about the file is kept.
    pub(super) rows: Option<RowIndexEntry<'a>>,
}

impl Encoded<'_> {
    /// Its size.
    fn size(&self) -> Size {
        let Size { height, width } = self.header.size;
        Size::new(height.div_ceil(self.denominator), width.div_ceil(self.denominator))
    }

    /// A request for pixels of `region`.
    fn request(&self, region: Rect) -> DecodeRequest<'_> {
        DecodeRequest { region, denominator: self.denominator, mode: self.mode, rows: self.rows }
    }

    /// Decodes what `calls` need into `window`. Returns what is left to be done to that.
    ///
    /// # Errors
    /// Those of [`Decoder::decode`].
    pub(super) fn decode<'p>(
        &self,
        plan: &'p Plan,
        calls: &[(usize, Call)],
        (decode, execute): (&mut decode::DecodeScratch, &mut ExecutorScratch),
        window: &mut Window,
    ) -> Result<Executor<'p>> {
        let &Self { decoder, bytes, header, mode, .. } = self;
        let (size, offer) = (self.size(), decoder.offer(header));
        let denominators = if self.denominator > 1 { &[] } else { offer.denominators };
        let (executor, scale) = Executor::scaled(plan, calls, size, denominators);
        let denominator = self.denominator * scale;
        let region = executor.region();
        let request = DecodeRequest { denominator, ..self.request(region) };
        let bytes_of_region = region.height * region.width * mode.channels();
        let streams = offer.strips && denominator == 1 && bytes_of_region > LARGE && executor.can_stream();
        let made = if streams {
            let resize = executor.stream();
            let mut rows = resize.start(size.height, mode.channels(), execute, window)?;
            let mut receive = |first: usize, strip: &[u8]| rows.push(first, strip);
            let made = decoder.decode(bytes, header, &request, decode, Sink::Strips(&mut receive));
            made.map(|()| resize.rest())
        } else {
            let made = decoder.decode(bytes, header, &request, decode, Sink::Window(window));
            made.map(|()| executor)
        };
        match made {
            // The file is damaged. A window at full size comes with the fallback's verdict.
            Err(Error::Format(_)) if streams || scale > 1 => {}
            other => return other,
        }
        let executor = Executor::new(plan, calls, size);
        decoder.decode(bytes, header, &self.request(executor.region()), decode, Sink::Window(window))?;
        Ok(executor)
    }
}

/// Writes the pixels of an image into so many bytes.
pub type Write<'a> = dyn FnMut(&mut [u8]) -> Result<()> + Send + 'a;

/// How often parts of a file are decoded before all of it is kept. Two views of a photo are mostly decoded sooner than all of
/// it is, as each needs but a part.
const PARTS: u32 = 2;

/// An image file by itself, outside of any dataset: its pixels are made when they are asked for, and only those.
///
/// It takes files that a native decoder takes and nothing is odd about. Whoever has the others decodes them otherwise.
#[derive(Debug)]
pub struct ImageFile {
    decoder: Decoder,
    header: Header,
    mode: Mode,
    denominator: usize,
    order: ResizeOrder,
    /// How often a part was decoded.
    parts: u32,
    /// All pixels, once enough parts were asked for.
    whole: Option<Window>,
}

impl ImageFile {
    /// The file in `bytes`, decoded to `mode` at one over `denominator` of its size.
    ///
    /// # Errors
    /// [`Error::Format`] and [`Error::Limit`] where it is not taken; [`Error::Parameter`] for a mode or a denominator that
    /// its format does not offer.
    pub fn new(bytes: &[u8], mode: Mode, denominator: usize, order: ResizeOrder) -> Result<Self> {
        let decoder = Decoder { fast: denominator > 1, ..Decoder::default() };
        let header = decoder.header(bytes)?;
        let offer = decoder.offer(&header);
        if !offer.modes.contains(&mode) || !(denominator == 1 || offer.denominators.contains(&denominator)) {
            return Err(Error::Parameter(format!("{mode:?} at 1/{denominator} is not offered: {offer:?}")));
        }
        Ok(Self { decoder, header, mode, denominator, order, parts: 0, whole: None })
    }

    /// The size of the image at its fraction.
    #[must_use]
    pub fn size(&self) -> Size {
        self.encoded(&[]).size()
    }

    /// Whether decoding can be put off, see [`Decoder::can_wait`].
    #[must_use]
    pub fn can_wait(&self, bytes: &[u8]) -> bool {
        self.decoder.can_wait(bytes, &self.header)
    }

    fn encoded<'a>(&'a self, bytes: &'a [u8]) -> Encoded<'a> {
        let Self { decoder, header, mode, denominator, .. } = self;
        Encoded { decoder, bytes, header, mode: *mode, denominator: *denominator, rows: None }
    }

    /// Makes the image that `calls` make of the file, whose bytes are `bytes`, and hands it to `write`: its size, the form of
    /// its values, and what writes these into so many bytes. The values are those of `lookup`, or the pixels.
    ///
    /// # Errors
    /// [`Error::Format`] where the file is damaged; [`Error::Parameter`] where the calls leave no pixels, or the lookup is
    /// for images of other channels; those of
    /// [`Decoder::decode`] and of `write`.
    pub fn make<R>(
        &mut self,
        bytes: &[u8],
        calls: &[Call],
        lookup: Option<Lookup>,
        scratch: &mut SampleScratch,
        write: impl FnOnce(Size, Form, &mut Write<'_>) -> Result<R>,
    ) -> Result<R> {
        let calls: Vec<_> = calls.iter().map(|call| (0, *call)).collect();
        let plan = execute::plan_of_bytes(&calls, self.size(), self.mode.channels(), self.order)?;
        let plan = match lookup {
            Some(lookup) => Plan::new(Vec::new(), lookup, self.order)?,
            None => plan,
        };
        let SampleScratch { decode, window, execute, .. } = scratch;
        self.parts += 1;
        if self.parts > PARTS && self.whole.is_none() {
            let mut whole = Window::default();
            let encoded = self.encoded(bytes);
            let request = encoded.request(Rect::all(encoded.size()));
            self.decoder.decode(bytes, &self.header, &request, decode, Sink::Window(&mut whole))?;
            self.whole = Some(whole);
        }
        let executor = match &self.whole {
            Some(whole) => Executor::new(&plan, &calls, whole.size),
            None => self.encoded(bytes).decode(&plan, &calls, (decode, execute), window)?,
        };
        let image = self.whole.as_ref().unwrap_or(window).view();
        let size = executor.output_size();
        let form = plan.lookup.form();
        let made = write(size, form, &mut |out| executor.run(image, execute, out));
        let pixels = self.size();
        scratch.used_for(pixels.height.saturating_mul(pixels.width).saturating_mul(3));
        made
    }
}
