//! Encoded images, decoded for calls: only what these need, as cheaply as the decoder offers.

use crate::{
    Error, Result,
    decode::{self, DecodeRequest, Decoder, Header, Mode, RowIndexEntry, Sink},
    image::{Rect, Size, Window},
    transform::{
        Call, Plan,
        execute::{Executor, ExecutorScratch},
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
    pub(super) fn size(&self) -> Size {
        let Size { height, width } = self.header.size;
        Size::new(height.div_ceil(self.denominator), width.div_ceil(self.denominator))
    }

    /// A request for pixels of `region`.
    pub(super) fn request(&self, region: Rect) -> DecodeRequest<'_> {
        DecodeRequest { region, denominator: self.denominator, mode: self.mode, rows: self.rows }
    }

    /// Decodes what `calls` need into `window`. Returns what is left to be done to that, and whether the window holds pixels
    /// of the image itself: they may be those of a smaller one, or of a resized one.
    ///
    /// # Errors
    /// Those of [`Decoder::decode`].
    pub(super) fn decode<'p>(
        &self,
        plan: &'p Plan,
        calls: &[(usize, Call)],
        (decode, execute): (&mut decode::DecodeScratch, &mut ExecutorScratch),
        window: &mut Window,
    ) -> Result<(Executor<'p>, bool)> {
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
            made.map(|()| (resize.rest(), false))
        } else {
            let made = decoder.decode(bytes, header, &request, decode, Sink::Window(window));
            made.map(|()| (executor, scale == 1))
        };
        match made {
            // The file is damaged. A window at full size comes with the fallback's verdict.
            Err(Error::Format(_)) if streams || scale > 1 => {}
            other => return other,
        }
        let executor = Executor::new(plan, calls, size);
        decoder.decode(bytes, header, &self.request(executor.region()), decode, Sink::Window(window))?;
        Ok((executor, true))
    }
}
