//! A batch in the making: threads claim its samples, one by one or a few at a time, and make them.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
};

use smallvec::SmallVec;

use super::{
    field::{Field, Strip},
    pipeline::Pipeline,
    pool::block::Memory,
    sample::{Sample, SampleScratch},
    sizes::Sizes,
    slots::{PerField, Slot, Slots},
    slow::{Slow, SlowSamples},
};
use crate::{
    Error, Result,
    image::Size,
    interrupt,
    source::Source,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A batch that is being made, or done.
#[derive(Debug)]
pub struct Batch {
    pipeline: Arc<Pipeline>,
    seed: u64,
    /// The index of each sample and how often it came up before in this epoch.
    samples: Vec<(usize, u32)>,
    /// The images that came with the batch.
    provided: Option<Arc<Source>>,
    slots: Slots,
    /// The sizes of the images, for each view.
    sizes: PerField<Sizes>,
    /// The position of the failed sample that comes first in the batch; behind the last where none failed.
    failed: AtomicUsize,
    /// Why samples failed, by position. Where the first one ends the batch, those behind it may not be here.
    failures: Mutex<BTreeMap<usize, Error>>,
    /// Whether the others are made all the same.
    tolerant: bool,
    slow: Mutex<SlowSamples>,
}

/// A finished batch.
#[derive(Debug)]
pub struct Finished {
    /// The number of samples.
    pub len: usize,
    /// The strip of each field, as [`Pipeline::fields`] lists them: the views of the images, and then the targets.
    pub fields: SmallVec<[Strip; 2]>,
    /// The positions of samples that failed, and why: their parts of the memory hold nothing of meaning.
    pub failures: Vec<(usize, Error)>,
}

/// Locks a state that a panic elsewhere cannot leave half-written: every critical section is a few plain assignments.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batch {
    /// A batch of `samples` (index, occurrence), drawn with the epoch's `seed`.
    ///
    /// `memory` is for the first fields, in order, where the caller has some: `len` times [`Field::bytes`] for each.
    /// `provided` has an image for each position whose own source is [`Source::PerBatch`].
    /// With `tolerant` a sample that fails keeps no other from being made: see [`Batch::finish`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for an empty batch, an index out of range, or memory or provided images that do not fit;
    /// [`Error::Memory`] where there is none for it.
    pub fn new(
        pipeline: Arc<Pipeline>,
        seed: u64,
        samples: Vec<(usize, u32)>,
        memory: Vec<Memory>,
        provided: Option<Arc<Source>>,
        tolerant: bool,
    ) -> Result<Arc<Self>> {
        let len = samples.len();
        if len == 0 {
            return Err(Error::Parameter("a batch of no samples".into()));
        }
        for &(index, _) in &samples {
            pipeline.check_index(index)?;
        }
        if let Some(provided) = provided.as_deref().filter(|source| source.len() != len || source.channels() != 3) {
            let (got, channels) = (provided.len(), provided.channels());
            return Err(Error::Parameter(format!("{got} images of {channels} channels given for {len} RGB samples")));
        }
        if memory.len() > pipeline.fields().len() {
            let fields = pipeline.fields().len();
            return Err(Error::Parameter(format!("memory for {} fields of {fields}", memory.len())));
        }
        let mut memory = memory.into_iter();
        let place = |field: &Field| {
            let bytes = field.bytes(field.size()).map(|bytes| bytes.saturating_mul(len));
            match memory.next() {
                Some(memory) if Some(memory.len()) == bytes => Ok(Some(memory)),
                Some(memory) => {
                    Err(Error::Parameter(format!("{} bytes of memory where {bytes:?} are needed", memory.len())))
                }
                None => bytes.map(|bytes| Ok(pipeline.pool().try_take(bytes)?.into())).transpose(),
            }
        };
        let memory = pipeline.fields().iter().map(place).collect::<Result<PerField<_>>>()?;
        let views = &pipeline.fields()[..pipeline.views()];
        let sizes = views.iter().map(|field| Sizes::new(field.size())).collect();
        Ok(Arc::new(Self {
            pipeline,
            seed,
            samples,
            provided,
            slots: Slots::new(memory, len),
            sizes,
            failed: AtomicUsize::new(len),
            failures: Mutex::default(),
            tolerant,
            slow: Mutex::default(),
        }))
    }

    /// Makes samples until none is left to claim, or `go_on` says no. Returns whether this made the last one.
    ///
    /// A sample that is given up, as [`interrupt`] says, is made again by whoever works on the batch next. That holds for
    /// one thread at work; several threads give up only batches that nobody waits for.
    pub fn work(&self, scratch: &mut SampleScratch, mut go_on: impl FnMut() -> bool) -> bool {
        let most = self.pipeline.samples_at_once();
        let mut last = false;
        while go_on() {
            let Some(mut claim) = self.slots.claim(most) else { break };
            while let Some(slot) = claim.next_slot() {
                if !self.fill(slot, scratch) {
                    claim.give_back();
                    return claim.done();
                }
            }
            last = claim.done();
        }
        last
    }

    /// Makes one sample, or notes why that failed. Returns false where it was given up.
    ///
    /// No panic leaves this function: a thread that ended with samples that are claimed and not made would let the batch
    /// pass for made.
    fn fill(&self, mut slot: Slot<'_>, scratch: &mut SampleScratch) -> bool {
        let position = slot.position();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.make(&mut slot, scratch)));
        if interrupt::stopped() {
            return false;
        }
        if let Err(error) = outcome.unwrap_or_else(|panic| Err(self.panicked(position, &*panic))) {
            self.failed.fetch_min(position, Ordering::Relaxed);
            lock(&self.failures).insert(position, error);
        }
        true
    }

    fn make(&self, slot: &mut Slot<'_>, scratch: &mut SampleScratch) -> Result<()> {
        let position = slot.position();
        if let Some(&(next, _)) = self.samples.get(position + 1) {
            self.pipeline.prefetch(next);
        }
        // Only samples behind a failed one are left out: one before it may have been claimed and not looked at yet, and if
        // it fails too, its error is the one to report.
        if !self.tolerant && self.failed.load(Ordering::Relaxed) < position {
            return Ok(());
        }
        let sample = self.sample(position);
        let clock = sample.clock();
        let made = self.write(&sample, slot, scratch);
        if let Some((start, most)) = clock
            && !interrupt::stopped()
        {
            let time = start.elapsed();
            if time > most {
                lock(&self.slow).add(Slow { index: sample.index, path: sample.path(), time });
            }
        }
        made
    }

    /// Writes every field of a sample to its slot.
    fn write(&self, sample: &Sample<'_>, slot: &mut Slot<'_>, scratch: &mut SampleScratch) -> Result<()> {
        let position = slot.position();
        sample.write_target(slot.bytes(self.pipeline.views()))?;
        sample.make(self.seed, self.samples[position].1, scratch, |view, executor, image, scratch| {
            let size = executor.output_size();
            if !self.sizes[view].note(position, size) {
                return Ok(());
            }
            slot.provide(view, || {
                let bytes = self.pipeline.fields()[view].bytes(Some(size)).expect("a size that is known");
                Ok(self.pipeline.pool().try_take(bytes.saturating_mul(self.samples.len()))?.into())
            })?;
            executor.run(image, scratch, slot.bytes(view))
        })
    }

    fn sample(&self, position: usize) -> Sample<'_> {
        let provided = self.provided.as_deref().map(|source| (source, position));
        self.pipeline.sample(self.samples[position].0, provided).expect("an index that was checked")
    }

    fn panicked(&self, position: usize, panic: &(dyn Any + Send)) -> Error {
        let message = panic.downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
        // To look for the path may be what panicked.
        let path = catch_unwind(AssertUnwindSafe(|| self.sample(position).path())).ok().flatten();
        Error::Panic(message.unwrap_or_else(|| "panic".into())).at(self.samples[position].0, path)
    }

    /// The samples that took longer than they should, once.
    pub(super) fn slow(&self) -> SlowSamples {
        std::mem::take(&mut *lock(&self.slow))
    }

    /// Whether all samples are made.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.slots.is_done()
    }

    /// The batch, once, when it [`Batch::is_done`]: from then on none of its memory is here.
    ///
    /// A tolerant batch tells which samples failed. If all did, and the size of a view depends on the images, the view has
    /// images of 0 x 0 pixels.
    ///
    /// # Errors
    /// The error of the first sample that failed, of a tolerant batch only if it is not about the sample; [`Error::Shape`]
    /// where images have unequal sizes.
    ///
    /// # Panics
    /// If samples are still being made, or the batch was handed out before.
    pub fn finish(&self) -> Result<Finished> {
        let memory = self.slots.hand_out();
        let mut failures = std::mem::take(&mut *lock(&self.failures));
        let fatal = |error: &Error| !self.tolerant || !error.is_about_the_sample();
        if let Some(position) = failures.iter().find(|(_, error)| fatal(error)).map(|(position, _)| *position) {
            return Err(failures.remove(&position).expect("it was found there"));
        }
        self.check_sizes(&failures)?;
        let len = self.samples.len();
        let memory = memory.expect("a batch is finished once").into_iter().enumerate();
        let strip = |(field, memory): (usize, Option<Memory>)| {
            let (size, memory) = match (self.sizes.get(field).map(Sizes::common), memory) {
                (size, Some(memory)) => (size.map(|size| size.expect("an image was made")), memory),
                (_, None) => {
                    assert!(failures.len() == len, "a sample that did not fail has an image");
                    (Some(Size::new(0, 0)), self.pipeline.pool().take(0).into())
                }
            };
            Strip { size, memory: Arc::new(memory) }
        };
        Ok(Finished { len, fields: memory.map(strip).collect(), failures: failures.into_iter().collect() })
    }

    /// Refuses images of unequal sizes; those that failed have none.
    fn check_sizes(&self, failures: &BTreeMap<usize, Error>) -> Result<()> {
        for (sizes, field) in self.sizes.iter().zip(self.pipeline.fields()) {
            let made = (0..self.samples.len()).filter(|position| !failures.contains_key(position));
            let (Some([(start, first), (position, other)]), Field::Image { form, .. }) = (sizes.unequal(made), field)
            else {
                continue;
            };
            let channels = form.channels;
            return Err(self.sample(position).blame(Error::Shape(format!(
                "stack expects each tensor to be equal size, but got [{channels}, {}, {}] at entry {start} and \
                 [{channels}, {}, {}] at entry {position}: add a Resize to a pair, or a crop, to the transform",
                first.height, first.width, other.height, other.width
            ))));
        }
        Ok(())
    }
}
