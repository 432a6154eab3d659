//! A batch in the making: threads claim its samples one by one.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use super::{
    buffer::{Buffer, Memory, Slot, Slots},
    pipeline::{Pipeline, Scratch},
};
use crate::{Error, Result, image::Size, rng::Key};

/// A batch that is being made, or done.
#[derive(Debug)]
pub struct Batch {
    pipeline: Arc<Pipeline>,
    seed: u64,
    /// The index of each sample and how often it came up before in this epoch.
    samples: Vec<(usize, u32)>,
    slots: Slots,
    /// Where sizes depend on the images, each sample gets a buffer of its own; they are stacked at the end.
    loose: Option<Mutex<Loose>>,
    left: AtomicUsize,
    failed: AtomicBool,
    state: Mutex<State>,
    done: Condvar,
}

/// The samples of a batch that are done, each with its size.
type Loose = Vec<Option<(Size, Buffer)>>;

#[derive(Debug, Default)]
struct State {
    done: bool,
    /// The failed sample that comes first in the batch, whichever thread found it.
    error: Option<(usize, Error)>,
}

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
    /// `images` is memory for the images where the caller has some; [`Pipeline::output_size`] says of what size.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an empty batch, an index out of range, or memory of the wrong length.
    pub fn new(
        pipeline: Arc<Pipeline>,
        seed: u64,
        samples: Vec<(usize, u32)>,
        images: Option<Memory>,
    ) -> Result<Arc<Self>> {
        let len = samples.len();
        if len == 0 {
            return Err(Error::Parameter("a batch of no samples".into()));
        }
        for &(index, _) in &samples {
            pipeline.check_index(index)?;
        }
        let pool = pipeline.pool();
        let bytes = pipeline.output_size().map(|size| pipeline.image_bytes(size) * len);
        let images = match images {
            Some(memory) if Some(memory.len()) == bytes => memory,
            Some(memory) => {
                return Err(Error::Parameter(format!("{} bytes of memory where {bytes:?} are needed", memory.len())));
            }
            None => pool.take(bytes.unwrap_or(0)).into(),
        };
        let targets = pool.take(pipeline.target_bytes() * len).into();
        let loose = bytes.is_none().then(|| Mutex::new((0..len).map(|_| None).collect()));
        Ok(Arc::new(Self {
            pipeline,
            seed,
            samples,
            slots: Slots::new(images, targets, len),
            loose,
            left: AtomicUsize::new(len),
            failed: AtomicBool::new(false),
            state: Mutex::default(),
            done: Condvar::new(),
        }))
    }

    /// Makes samples until none is left to claim, or `go_on` says no.
    pub fn work(&self, scratch: &mut Scratch, mut go_on: impl FnMut() -> bool) {
        while go_on() {
            let Some(slot) = self.slots.claim() else { return };
            let position = slot.position;
            // Slots are claimed in order: after a failure the samples that are still unclaimed all come later in the
            // batch, so leaving them out does not change which error is reported.
            if !self.failed.load(Ordering::Relaxed) {
                let outcome = catch_unwind(AssertUnwindSafe(|| self.make(slot, scratch)));
                if let Err(error) = outcome.unwrap_or_else(|panic| Err(self.panicked(position, &*panic))) {
                    self.fail(position, error);
                }
            }
            // Release what was written to the slot; the last one acquires everything before it is handed out.
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                lock(&self.state).done = true;
                self.done.notify_all();
            }
        }
    }

    fn make(&self, slot: Slot<'_>, scratch: &mut Scratch) -> Result<()> {
        let (index, occurrence) = self.samples[slot.position];
        let key = Key { seed: self.seed, index: index as u64, occurrence };
        self.pipeline.write_target(index, slot.target)?;
        self.pipeline.with_sample(key, scratch, |executor, image, scratch| {
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
        let index = self.samples[position].0;
        Error::Panic(message.unwrap_or_else(|| "panic".into())).at(index, self.pipeline.source().path(index))
    }

    fn fail(&self, position: usize, error: Error) {
        self.failed.store(true, Ordering::Relaxed);
        let mut state = lock(&self.state);
        if state.error.as_ref().is_none_or(|(first, _)| position < *first) {
            state.error = Some((position, error));
        }
    }

    /// Waits until all samples are made, but no longer than `most`. Returns whether they are.
    pub fn wait(&self, most: Duration) -> bool {
        let state = lock(&self.state);
        let waited = self.done.wait_timeout_while(state, most, |state| !state.done);
        waited.unwrap_or_else(PoisonError::into_inner).0.done
    }

    /// The batch, once [`Batch::wait`] returned true.
    ///
    /// # Errors
    /// The error of the first sample that failed; [`Error::Shape`] where images have unequal sizes.
    ///
    /// # Panics
    /// If samples are still being made.
    pub fn finish(&self) -> Result<Finished> {
        let mut state = lock(&self.state);
        assert!(state.done, "batch is not done");
        if let Some((_, error)) = state.error.take() {
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
                let index = self.samples[position].0;
                let channels = self.pipeline.plan().tail.channels();
                return Err(Error::Shape(format!(
                    "stack expects each tensor to be equal size, but got [{channels}, {}, {}] at entry 0 and \
                     [{channels}, {}, {}] at entry {position}: add a Resize to a pair, or a crop, to the transform",
                    size.height, size.width, other.height, other.width
                ))
                .at(index, self.pipeline.source().path(index)));
            }
            out.copy_from_slice(buffer.bytes());
        }
        Ok((size, Arc::new(all.into())))
    }
}
