//! One image file by itself, outside of any dataset.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::{encoded::Encoded, sample::SampleScratch};
use crate::{
    Error, Result,
    decode::{Decoder, Header, Mode, Sink},
    image::{Rect, Size, Window},
    transform::{
        Call, Form, Lookup, Plan, ResizeOrder,
        execute::{self, Executor},
    },
};

/// Writes the pixels of an image into so many bytes.
pub type Write<'a> = dyn FnMut(&mut [u8]) -> Result<()> + Send + 'a;

/// How often parts of a file are decoded before all of it is kept. Two views of a photo are mostly decoded sooner than all of
/// it is, as each needs but a part.
const PARTS: u32 = 2;

static NEXT: AtomicU64 = AtomicU64::new(0);

/// An image file by itself, outside of any dataset: its pixels are made when they are asked for, and only those.
///
/// It takes files that a native decoder takes and nothing is odd about. Whoever has the others decodes them otherwise.
#[derive(Debug)]
pub struct ImageFile {
    /// A number that no other one has.
    number: u64,
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
        let number = NEXT.fetch_add(1, Relaxed);
        Ok(Self { number, decoder, header, mode, denominator, order, parts: 0, whole: None })
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
        // What the thread has decoded last may be what is needed now: another view of the same image.
        let is_there = scratch.window_of.take() == Some(self.number);
        let SampleScratch { decode, window, window_of, execute, .. } = scratch;
        let executor = Executor::new(&plan, &calls, self.size());
        let executor = if self.whole.is_some() || (is_there && window.rect.contains(&executor.region())) {
            *window_of = is_there.then_some(self.number);
            executor
        } else if self.parts == PARTS {
            let mut whole = Window::default();
            let encoded = self.encoded(bytes);
            let request = encoded.request(Rect::all(encoded.size()));
            self.decoder.decode(bytes, &self.header, &request, decode, Sink::Window(&mut whole))?;
            self.whole = Some(whole);
            executor
        } else {
            self.parts += 1;
            let (executor, is_plain) = self.encoded(bytes).decode(&plan, &calls, (decode, execute), window)?;
            *window_of = is_plain.then_some(self.number);
            executor
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
