//! A batch in the making: threads claim its samples one by one.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::{
    buffer::{Buffer, Memory, Slot, Slots},
    pipeline::Pipeline,
    sample::{Sample, Scratch},
};
use crate::{Error, Result, image::Size, source::Source};

/// A batch that is being made, or done.
#[derive(Debug)]
pub struct Batch {
    pipeline: Arc<Pipeline>,
    seed: u64,
    /// The index of each sample and how often it came up before in this epoch.
    samples: Vec<(usize, u32)>,
    /// What was brought for each of them.
    given: Option<Arc<Source>>,
    slots: Slots,
    /// Where sizes depend on the images, each sample gets a buffer of its own; they are stacked at the end.
    loose: Option<Mutex<Loose>>,
    /// The samples that are not done.
    left: AtomicUsize,
    failed: AtomicBool,
    /// The failed sample that comes first in the batch, whichever thread found it.
    error: Mutex<Option<(usize, Error)>>,
}

/// The samples of a batch that are done, each with its size.
type Loose = Vec<Option<(Size, Buffer)>>;

/// A finished batch.
#[derive(Debug, Clone)]
pub struct Finished {
    /// The number of samples.
    pub len: usize,
    /// The size of every image.
    pub size: Size,
    /// The images, one after the other, laid out as the plan's tail says.
    pub images: Arc<Memory>,
    /// The targets, one after the other.
    pub targets: Arc<Memory>,
}

/// A panic elsewhere cannot leave these states half-written: every critical section is a few plain assignments.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Batch {
    /// A batch of `samples` (index, occurrence), drawn with the epoch's `seed`.
    ///
    /// `memory` is for the images and for the targets, where the caller has some; [`Pipeline::output_size`] and
    /// [`Pipeline::target_bytes`] say of what size.
    /// `given` has a sample for each position whose own source is [`Source::Brought`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for an empty batch, an index out of range, or memory or given samples that do not fit.
    pub fn new(
        pipeline: Arc<Pipeline>,
        seed: u64,
        samples: Vec<(usize, u32)>,
        memory: (Option<Memory>, Option<Memory>),
        given: Option<Arc<Source>>,
    ) -> Result<Arc<Self>> {
        let len = samples.len();
        if len == 0 {
            return Err(Error::Parameter("a batch of no samples".into()));
        }
        for &(index, _) in &samples {
            pipeline.check_index(index)?;
        }
        if let Some(given) = given.as_deref().filter(|given| given.len() != len || given.channels() != 3) {
            let (got, channels) = (given.len(), given.channels());
            return Err(Error::Parameter(format!("{got} images of {channels} channels given for {len} RGB samples")));
        }
        let pool = pipeline.pool();
        let bytes = pipeline.output_size().map(|size| pipeline.image_bytes(size) * len);
        let place = |given: Option<Memory>, bytes: Option<usize>| match given {
            Some(memory) if Some(memory.len()) == bytes => Ok(memory),
            Some(memory) => {
                Err(Error::Parameter(format!("{} bytes of memory where {bytes:?} are needed", memory.len())))
            }
            None => Ok(pool.take(bytes.unwrap_or(0)).into()),
        };
        let images = place(memory.0, bytes)?;
        let targets = place(memory.1, Some(pipeline.target_bytes() * len))?;
        let loose = bytes.is_none().then(|| Mutex::new((0..len).map(|_| None).collect()));
        Ok(Arc::new(Self {
            pipeline,
            seed,
            samples,
            given,
            slots: Slots::new(images, targets, len),
            loose,
            left: AtomicUsize::new(len),
            failed: AtomicBool::new(false),
            error: Mutex::default(),
        }))
    }

    /// Makes samples until none is left to claim, or `go_on` says no. Returns whether this made the last one.
    pub fn work(&self, scratch: &mut Scratch, mut go_on: impl FnMut() -> bool) -> bool {
        let mut last = false;
        while go_on() {
            let Some(slot) = self.slots.claim() else { break };
            let position = slot.position;
            if let Some(&(next, _)) = self.samples.get(position + 1) {
                self.pipeline.prefetch(next);
            }
            // Slots are claimed in order: after a failure the samples that are still unclaimed all come later in the
            // batch, so leaving them out does not change which error is reported.
            if !self.failed.load(Ordering::Relaxed) {
                let outcome = catch_unwind(AssertUnwindSafe(|| self.make(slot, scratch)));
                if let Err(error) = outcome.unwrap_or_else(|panic| Err(self.panicked(position, &*panic))) {
                    self.fail(position, error);
                }
            }
            // Release what was written to the slot; who sees that none is left acquires all of it.
            last = self.left.fetch_sub(1, Ordering::AcqRel) == 1;
        }
        last
    }

    fn sample(&self, position: usize) -> Sample<'_> {
        let given = self.given.as_deref().map(|given| (given, position));
        self.pipeline.sample(self.samples[position].0, given).expect("an index that was checked")
    }

    fn make(&self, slot: Slot<'_>, scratch: &mut Scratch) -> Result<()> {
        let sample = self.sample(slot.position);
        sample.write_target(slot.target)?;
        sample.make(self.seed, self.samples[slot.position].1, scratch, |executor, image, scratch| {
            let Some(loose) = &self.loose else {
                executor.run(image, scratch, slot.image);
                return Ok(());
            };
            let mut buffer = self.pipeline.pool().take(executor.output_bytes());
            executor.run(image, scratch, buffer.bytes_mut());
            lock(loose)[slot.position] = Some((executor.output_size(), buffer));
            Ok(())
        })
    }

    fn panicked(&self, position: usize, panic: &(dyn Any + Send)) -> Error {
        let message = panic.downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
        self.sample(position).blame(Error::Panic(message.unwrap_or_else(|| "panic".into())))
    }

    fn fail(&self, position: usize, error: Error) {
        self.failed.store(true, Ordering::Relaxed);
        let mut first = lock(&self.error);
        if first.as_ref().is_none_or(|(first, _)| position < *first) {
            *first = Some((position, error));
        }
    }

    /// Whether all samples are made.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// The batch, once [`Batch::is_done`].
    ///
    /// # Errors
    /// The error of the first sample that failed; [`Error::Shape`] where images have unequal sizes.
    ///
    /// # Panics
    /// If samples are still being made.
    pub fn finish(&self) -> Result<Finished> {
        assert!(self.is_done(), "batch is not done");
        if let Some((_, error)) = lock(&self.error).take() {
            return Err(error);
        }
        let (size, images) = match &self.loose {
            None => (self.pipeline.output_size().expect("a fixed size"), Arc::clone(self.slots.images())),
            Some(loose) => self.stack(&lock(loose))?,
        };
        Ok(Finished { len: self.samples.len(), size, images, targets: Arc::clone(self.slots.targets()) })
    }

    /// Copies the samples of a batch whose size was not known beforehand side by side.
    fn stack(&self, samples: &[Option<(Size, Buffer)>]) -> Result<(Size, Arc<Memory>)> {
        let sample = |position: usize| samples[position].as_ref().expect("a sample that did not fail");
        let size = sample(0).0;
        let mut all = self.pipeline.pool().take(self.pipeline.image_bytes(size) * samples.len());
        let bytes = self.pipeline.image_bytes(size);
        for (position, out) in all.bytes_mut().chunks_exact_mut(bytes).enumerate() {
            let (other, buffer) = sample(position);
            if *other != size {
                let channels = self.pipeline.form().channels;
                return Err(self.sample(position).blame(Error::Shape(format!(
                    "stack expects each tensor to be equal size, but got [{channels}, {}, {}] at entry 0 and \
                     [{channels}, {}, {}] at entry {position}: add a Resize to a pair, or a crop, to the transform",
                    size.height, size.width, other.height, other.width
                ))));
            }
            out.copy_from_slice(buffer.bytes());
        }
        Ok((size, Arc::new(all.into())))
    }
}
