//! One sample, from its source to its slot.

use std::sync::Arc;

use super::{buffer::Pool, one_hot::Levels};
use crate::{
    Error, Result,
    decode::{self, Decoder},
    image::{Rect, Size, View, Window},
    rng::Key,
    source::{Item, Source},
    transform::{
        Call, Plan,
        execute::{self, Executor},
    },
};

/// What a sample's target becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The class index, as an i64.
    Class,
    /// A row with one value at the class index.
    OneHot(Levels),
}

/// A dataset and everything that is done to its samples.
#[derive(Debug)]
pub struct Pipeline {
    source: Arc<Source>,
    decoder: Decoder,
    plan: Plan,
    labels: Vec<i64>,
    target: Target,
    pool: Arc<Pool>,
}

/// A thread's memory, used again for every sample.
#[derive(Debug, Default)]
pub struct Scratch {
    bytes: Vec<u8>,
    decode: decode::Scratch,
    window: Window,
    calls: Vec<(usize, Call)>,
    execute: execute::Scratch,
}

impl Pipeline {
    /// A pipeline; `labels` holds the class of each sample, `pool` the memory of batches.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the number of labels is not that of the samples, or the plan is for other channels.
    pub fn new(
        source: Arc<Source>,
        decoder: Decoder,
        plan: Plan,
        labels: Vec<i64>,
        target: Target,
        pool: Arc<Pool>,
    ) -> Result<Self> {
        if labels.len() != source.len() {
            return Err(Error::Parameter(format!("{} labels for {} samples", labels.len(), source.len())));
        }
        if plan.tail.channels() != source.channels() {
            let (wanted, got) = (plan.tail.channels(), source.channels());
            return Err(Error::Parameter(format!("a table for {wanted} channels, but images of {got}")));
        }
        Ok(Self { source, decoder, plan, labels, target, pool })
    }

    /// Where the samples come from.
    #[must_use]
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// What is done to them.
    #[must_use]
    pub const fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What becomes of the labels.
    #[must_use]
    pub const fn target(&self) -> &Target {
        &self.target
    }

    /// The memory of batches.
    #[must_use]
    pub const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The size of every output, where it is one.
    #[must_use]
    pub fn output_size(&self) -> Option<Size> {
        self.plan.output_size(self.source.image_size())
    }

    /// Bytes of an output image of `size`.
    #[must_use]
    pub const fn image_bytes(&self, size: Size) -> usize {
        size.height * size.width * self.plan.tail.channels() * self.plan.tail.element()
    }

    /// Bytes of a target.
    #[must_use]
    pub const fn target_bytes(&self) -> usize {
        match &self.target {
            Target::Class => size_of::<i64>(),
            Target::OneHot(levels) => levels.row_bytes(),
        }
    }

    /// Refuses an index that no sample has.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the index and the number of samples.
    pub fn check_index(&self, index: usize) -> Result<()> {
        let len = self.source.len();
        if index >= len {
            return Err(Error::Parameter(format!("index {index} is out of range for {len} samples")));
        }
        Ok(())
    }

    /// The size of a sample's image, and what is done to it.
    ///
    /// # Errors
    /// Where the sample cannot be read, its header cannot be decoded, or a transform does not apply to its size.
    pub fn draw(&self, key: Key) -> Result<(Size, Vec<(usize, Call)>)> {
        let index = key.index as usize;
        self.check_index(index)?;
        let draw = || {
            let mut bytes = Vec::new();
            let size = match self.source.read(index, &mut bytes)? {
                Item::Encoded(bytes) => self.decoder.header(bytes)?.size,
                Item::Pixels(view) => view.size,
            };
            let mut calls = Vec::new();
            self.plan.draw(key, size, &mut calls)?;
            Ok((size, calls))
        };
        draw().map_err(|error: Error| error.at(index, self.source.path(index)))
    }

    /// Draws and decodes the sample `key` and calls `run` with what is left to do: execute it into an output.
    ///
    /// # Errors
    /// As [`Pipeline::draw`], and where the image cannot be decoded; with the sample's place.
    pub fn with_sample<R>(
        &self,
        key: Key,
        scratch: &mut Scratch,
        run: impl FnOnce(&Executor<'_>, View<'_>, &mut execute::Scratch) -> Result<R>,
    ) -> Result<R> {
        let index = key.index as usize;
        self.check_index(index)?;
        self.sample(key, scratch, run).map_err(|error| error.at(index, self.source.path(index)))
    }

    fn sample<R>(
        &self,
        key: Key,
        scratch: &mut Scratch,
        run: impl FnOnce(&Executor<'_>, View<'_>, &mut execute::Scratch) -> Result<R>,
    ) -> Result<R> {
        let Scratch { bytes, decode, window, calls, execute } = scratch;
        match self.source.read(key.index as usize, bytes)? {
            Item::Encoded(bytes) => {
                let header = self.decoder.header(bytes)?;
                self.plan.draw(key, header.size, calls)?;
                let executor = Executor::new(&self.plan, calls, header.size);
                self.decoder.decode(bytes, &header, executor.region(), decode, window)?;
                run(&executor, window.view(), execute)
            }
            Item::Pixels(view) => {
                self.plan.draw(key, view.size, calls)?;
                let executor = Executor::new(&self.plan, calls, view.size);
                run(&executor, view, execute)
            }
        }
    }

    /// The whole image of sample `index`, decoded and not transformed.
    ///
    /// # Errors
    /// As [`Pipeline::with_sample`].
    pub fn image(&self, index: usize) -> Result<Window> {
        self.check_index(index)?;
        let read = || {
            let mut bytes = Vec::new();
            let mut out = Window::default();
            match self.source.read(index, &mut bytes)? {
                Item::Encoded(bytes) => {
                    let header = self.decoder.header(bytes)?;
                    let all = Rect::all(header.size);
                    self.decoder.decode(bytes, &header, all, &mut decode::Scratch::default(), &mut out)?;
                }
                Item::Pixels(view) => {
                    out.reset(view.size, view.rect, view.channels);
                    out.data.copy_from_slice(view.data);
                }
            }
            Ok(out)
        };
        read().map_err(|error: Error| error.at(index, self.source.path(index)))
    }

    /// Writes the target of sample `index` to `out`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where a label has no place in its one-hot row.
    pub fn write_target(&self, index: usize, out: &mut [u8]) -> Result<()> {
        self.check_index(index)?;
        let label = self.labels[index];
        match &self.target {
            Target::Class => out.copy_from_slice(&label.to_ne_bytes()),
            Target::OneHot(levels) => {
                levels.write_row(label, out).map_err(|error| error.at(index, self.source.path(index)))?;
            }
        }
        Ok(())
    }
}
