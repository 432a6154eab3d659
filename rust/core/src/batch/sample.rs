//! One sample, from its source to its slots.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{dataset::Dataset, encoded::Encoded, field::TargetForm, views::Draws};
use crate::{
    Error, Result,
    decode::{self, DecodeRequest, Decoder, Mode, RowIndexEntry, Sink},
    image::{Rect, Size, View, Window},
    rng::Key,
    source::{Buffer, Item, Source, check_file_bytes},
    transform::{
        Call,
        execute::{self, Executor},
    },
};

/// Samples after which memory for an image that was much larger than all of them goes back.
const PATIENCE: u32 = 64;

/// Bytes of pixels of an image whose memory is worth giving back.
const HUGE: usize = 8 << 20;

/// A thread's memory, used again for every sample.
///
/// It is as large as the largest image needs. One that is four times as large as any of a while is forgotten.
#[derive(Debug, Default)]
pub struct SampleScratch {
    /// Bytes of the pixels of the largest image that this memory was used for.
    largest: usize,
    /// The same, of the last samples, and their number.
    latest: (usize, u32),
    bytes: Buffer,
    pub(super) decode: decode::DecodeScratch,
    pub(super) window: Window,
    /// The file whose pixels are in the window, by the number of its [`super::ImageFile`].
    pub(super) window_of: Option<u64>,
    draws: Draws,
    pub(super) execute: execute::ExecutorScratch,
}

impl SampleScratch {
    /// Bytes of the pixels of the largest image that this memory was used for.
    #[must_use]
    pub const fn largest(&self) -> usize {
        self.largest
    }

    /// Notes that a sample was made of an image of so many bytes.
    pub(super) fn used_for(&mut self, pixels: usize) {
        let (latest, count) = self.latest;
        self.largest = self.largest.max(pixels);
        self.latest = (latest.max(pixels), count + 1);
        if self.latest.1 == PATIENCE {
            if self.largest >= HUGE && self.latest.0 <= self.largest / 4 {
                *self = Self::default();
            }
            self.latest = (0, 0);
        }
    }
}

/// A sample of a pipeline, found by its index. All errors carry the sample's place.
#[derive(Debug, Clone, Copy)]
pub struct Sample<'a> {
    /// Its index in the pipeline.
    pub(super) index: usize,
    pub(super) label: i64,
    pub(super) dataset: &'a Dataset,
    pub(super) decoder: &'a Decoder,
    pub(super) target: &'a TargetForm,
    /// What it is read from, and its position there.
    pub(super) from: (&'a Source, usize),
    /// Where what is found out about its file is kept.
    pub(super) rows: Option<RowIndexEntry<'a>>,
}

impl<'a> Sample<'a> {
    /// Names this sample in an error.
    #[must_use]
    pub fn blame(&self, error: Error) -> Error {
        error.at(self.index, self.path())
    }

    /// The file, where it has one.
    pub(super) fn path(&self) -> Option<PathBuf> {
        let (source, at) = self.from;
        source.path(at)
    }

    /// The time now, and how long the sample may take without being reported; `None` where nobody looks. Pixels in memory
    /// take less time than looking at the clock does, next to what files take.
    pub(super) fn clock(&self) -> Option<(Instant, Duration)> {
        let most = self.decoder.limits.soft_time.filter(|_| self.from.0.is_encoded())?;
        Some((Instant::now(), most))
    }

    fn key(&self, seed: u64, occurrence: u32) -> Key {
        Key { seed, index: self.index as u64, occurrence }
    }

    fn read<'b>(&'b self, buffer: &'b mut Buffer) -> Result<Item<'b>> {
        let (source, at) = self.from;
        let most = self.decoder.limits.max_file_bytes;
        buffer.set_limit(most);
        let item = source.read(at, buffer)?;
        if let Item::Encoded(bytes) = item {
            check_file_bytes(bytes.len() as u64, most)?; // those in memory have not been looked at
        }
        Ok(item)
    }

    fn draw_views(&self, key: Key, size: Size, draws: &mut Draws) -> Result<()> {
        draws.draw(self.dataset.plans(), key, size, &self.decoder.limits)
    }

    /// The size of the image, and what is done to it in an epoch with `seed` when it comes up for the time
    /// `occurrence`, counted from 0: the calls of all views, one view after the other, each with its op's position, which
    /// counts over all views too.
    ///
    /// # Errors
    /// Where the sample cannot be read, its header cannot be decoded, or a transform does not apply to its size.
    pub fn draw(&self, seed: u64, occurrence: u32) -> Result<(Size, Vec<(usize, Call)>)> {
        let draw = || {
            let mut bytes = Buffer::default();
            let size = match self.read(&mut bytes)? {
                Item::Encoded(bytes) => self.decoder.header(bytes)?.size,
                Item::Pixels(view) => view.size,
            };
            let mut draws = Draws::default();
            self.draw_views(self.key(seed, occurrence), size, &mut draws)?;
            Ok((size, draws.into_calls()))
        };
        draw().map_err(|error| self.blame(error))
    }

    /// Draws and decodes the sample, and calls `write` for each view in order: with its number, and with what is left to do
    /// to the pixels, which is to execute that into an output.
    ///
    /// # Errors
    /// As [`Sample::draw`], where the image cannot be decoded, and that of `write`.
    pub fn make(
        &self,
        seed: u64,
        occurrence: u32,
        scratch: &mut SampleScratch,
        mut write: impl FnMut(usize, &Executor<'_>, View<'_>, &mut execute::ExecutorScratch) -> Result<()>,
    ) -> Result<()> {
        scratch.window_of = None;
        let SampleScratch { bytes, decode, window, draws, execute, .. } = scratch;
        let mut pixels = 0;
        let (plans, key) = (self.dataset.plans(), self.key(seed, occurrence));
        let mut make = || match self.read(bytes)? {
            Item::Encoded(bytes) => {
                let header = self.decoder.header(bytes)?;
                pixels = header.size.height.saturating_mul(header.size.width).saturating_mul(3);
                self.draw_views(key, header.size, draws)?;
                if plans.len() == 1 {
                    let encoded = Encoded {
                        decoder: self.decoder,
                        bytes,
                        header: &header,
                        mode: Mode::Rgb,
                        denominator: 1,
                        rows: self.rows,
                    };
                    let (executor, _) = encoded.decode(&plans[0], draws.view(0), (decode, execute), window)?;
                    return write(0, &executor, window.view(), execute);
                }
                let region = draws.region(plans, header.size);
                let request = DecodeRequest { rows: self.rows, ..DecodeRequest::new(region) };
                self.decoder.decode(bytes, &header, &request, decode, Sink::Window(window))?;
                draws.each(plans, header.size, |number, executor| write(number, executor, window.view(), execute))
            }
            Item::Pixels(view) => {
                self.draw_views(key, view.size, draws)?;
                draws.each(plans, view.size, |number, executor| write(number, executor, view, execute))
            }
        };
        let made = make();
        scratch.used_for(pixels);
        made.map_err(|error| self.blame(error))
    }

    /// The whole image, decoded and not transformed.
    ///
    /// # Errors
    /// Where the sample cannot be read or decoded.
    pub fn image(&self) -> Result<Window> {
        let image = || {
            let mut bytes = Buffer::default();
            let mut out = Window::default();
            match self.read(&mut bytes)? {
                Item::Encoded(bytes) => {
                    let header = self.decoder.header(bytes)?;
                    let all = DecodeRequest::new(Rect::all(header.size));
                    let mut scratch = decode::DecodeScratch::default();
                    self.decoder.decode(bytes, &header, &all, &mut scratch, Sink::Window(&mut out))?;
                }
                Item::Pixels(view) => view.pack(view.rect, &mut out)?,
            }
            Ok(out)
        };
        image().map_err(|error| self.blame(error))
    }

    /// Writes the target to `out`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the label has no place in its one-hot row.
    ///
    /// # Panics
    /// If `out` is not as long as a target of the pipeline.
    pub fn write_target(&self, out: &mut [u8]) -> Result<()> {
        match self.target {
            TargetForm::Class => {
                out.copy_from_slice(&self.label.to_ne_bytes());
                Ok(())
            }
            TargetForm::OneHot(levels) => levels.write_row(self.label, out).map_err(|error| self.blame(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_one_huge_image_is_forgotten_and_that_of_many_is_not() {
        let bytes = |scratch: &SampleScratch| scratch.window.data.capacity();
        let mut scratch = SampleScratch::default();
        let use_for = |scratch: &mut SampleScratch, pixels: usize| {
            if bytes(scratch) < pixels {
                scratch.window.data = vec![0; pixels];
            }
            scratch.used_for(pixels);
        };
        use_for(&mut scratch, 4 * HUGE);
        for _ in 0..2 * PATIENCE {
            use_for(&mut scratch, HUGE / 2);
        }
        assert_eq!((bytes(&scratch), scratch.largest()), (HUGE / 2, HUGE / 2));
        for number in 0..4 * PATIENCE {
            use_for(&mut scratch, if number % (PATIENCE / 2) == 0 { 4 * HUGE } else { 1000 });
            assert_eq!(bytes(&scratch), 4 * HUGE, "such images come often");
        }
        let mut scratch = SampleScratch::default();
        use_for(&mut scratch, HUGE - 1);
        for _ in 0..2 * PATIENCE {
            use_for(&mut scratch, 1);
        }
        assert_eq!(bytes(&scratch), HUGE - 1, "that is little");
    }
}
