//! A batch in the making: threads claim its samples, one by one or a few at a time.

use std::{
    any::Any,
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError},
};

use super::{
    buffer::{Memory, Slot, Slots},
    pipeline::Pipeline,
    sample::{Sample, Scratch},
    slow::{Slow, SlowSamples},
};
use crate::{
    Error, Result,
    image::Size,
    interrupt,
    source::Source,
    sync::{
        Mutex, MutexGuard, OnceLock,
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
    /// What was brought for each of them.
    given: Option<Arc<Source>>,
    slots: Slots,
    /// The size of the images; where it depends on them, that of whichever is made first.
    size: OnceLock<Size>,
    /// The samples that have another size, by position.
    odd: Mutex<BTreeMap<usize, Size>>,
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
    /// The size of every image.
    pub size: Size,
    /// The images, one after the other, laid out as the plan's tail says.
    pub images: Arc<Memory>,
    /// The targets, one after the other.
    pub targets: Arc<Memory>,
    /// The positions of samples that failed, and why: what their parts of the memory hold means nothing.
    pub failures: Vec<(usize, Error)>,
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
    /// With `tolerant` a sample that fails keeps no other from being made: see [`Batch::finish`].
    ///
    /// # Errors
    /// [`Error::Parameter`] for an empty batch, an index out of range, or memory or given samples that do not fit;
    /// [`Error::Memory`] where there is none for it.
    pub fn new(
        pipeline: Arc<Pipeline>,
        seed: u64,
        samples: Vec<(usize, u32)>,
        memory: (Option<Memory>, Option<Memory>),
        given: Option<Arc<Source>>,
        tolerant: bool,
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
        let size = pipeline.output_size();
        let bytes = size.map(|size| pipeline.image_bytes(size).saturating_mul(len));
        let place = |given: Option<Memory>, bytes: Option<usize>| match given {
            Some(memory) if Some(memory.len()) == bytes => Ok(Some(memory)),
            Some(memory) => {
                Err(Error::Parameter(format!("{} bytes of memory where {bytes:?} are needed", memory.len())))
            }
            None => bytes.map(|bytes| Ok(pool.try_take(bytes)?.into())).transpose(),
        };
        let images = place(memory.0, bytes)?;
        let targets =
            place(memory.1, Some(pipeline.target_bytes().saturating_mul(len)))?.expect("a size that is known");
        Ok(Arc::new(Self {
            pipeline,
            seed,
            samples,
            given,
            slots: Slots::new(images, targets, len),
            size: size.map_or_else(OnceLock::new, OnceLock::from),
            odd: Mutex::default(),
            failed: AtomicUsize::new(len),
            failures: Mutex::default(),
            tolerant,
            slow: Mutex::default(),
        }))
    }

    /// Makes samples until none is left to claim, or `go_on` says no. Returns whether this made the last one.
    ///
    /// A sample that is given up, as [`interrupt`] says, is made again by whoever comes next. Not where several threads are
    /// at work: these only give up what nobody waits for.
    pub fn work(&self, scratch: &mut Scratch, mut go_on: impl FnMut() -> bool) -> bool {
        let most = self.pipeline.samples_at_once();
        let mut last = false;
        while go_on() {
            let slots = self.slots.claim(most);
            let claimed = slots.len();
            if claimed == 0 {
                break;
            }
            for (made, slot) in slots.enumerate() {
                let position = slot.position;
                if !self.fill(slot, scratch) {
                    self.slots.unclaim(position, position - made + most);
                    return self.slots.done(made);
                }
            }
            last = self.slots.done(claimed);
        }
        last
    }

    /// Makes one sample, or notes why that failed. Returns false where it was given up.
    fn fill<'a>(&'a self, mut slot: Slot<'a>, scratch: &mut Scratch) -> bool {
        let position = slot.position;
        if let Some(&(next, _)) = self.samples.get(position + 1) {
            self.pipeline.prefetch(next);
        }
        // Only what comes behind a failed sample is left out: one before it may have been claimed and not looked at yet,
        // and if it fails too, its error is the one to report.
        if !self.tolerant && self.failed.load(Ordering::Relaxed) < position {
            return true;
        }
        let clock = self.sample(position).clock();
        let outcome = catch_unwind(AssertUnwindSafe(|| self.make(&mut slot, scratch)));
        if interrupt::stopped() {
            return false;
        }
        if let Some((start, most)) = clock {
            let time = start.elapsed();
            if time > most {
                let sample = self.sample(position);
                lock(&self.slow).add(Slow { index: sample.index, path: sample.path(), time });
            }
        }
        if let Err(error) = outcome.unwrap_or_else(|panic| Err(self.panicked(position, &*panic))) {
            self.fail(position, error);
        }
        true
    }

    fn sample(&self, position: usize) -> Sample<'_> {
        let given = self.given.as_deref().map(|given| (given, position));
        self.pipeline.sample(self.samples[position].0, given).expect("an index that was checked")
    }

    fn make<'a>(&'a self, slot: &mut Slot<'a>, scratch: &mut Scratch) -> Result<()> {
        let sample = self.sample(slot.position);
        sample.write_target(slot.target)?;
        sample.make(self.seed, self.samples[slot.position].1, scratch, |executor, image, scratch| {
            let size = executor.output_size();
            if size != *self.size.get_or_init(|| size) {
                lock(&self.odd).insert(slot.position, size);
                return Ok(());
            }
            let bytes = || self.pipeline.image_bytes(size).saturating_mul(self.samples.len());
            self.slots.provide(slot, || Ok(self.pipeline.pool().try_take(bytes())?.into()))?;
            executor.run(image, scratch, slot.image)
        })
    }

    fn panicked(&self, position: usize, panic: &(dyn Any + Send)) -> Error {
        let message = panic.downcast_ref::<&str>().map(ToString::to_string);
        let message = message.or_else(|| panic.downcast_ref::<String>().cloned());
        self.sample(position).blame(Error::Panic(message.unwrap_or_else(|| "panic".into())))
    }

    fn fail(&self, position: usize, error: Error) {
        self.failed.fetch_min(position, Ordering::Relaxed);
        lock(&self.failures).insert(position, error);
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
    /// A tolerant batch tells which samples failed. If all did, and the size depends on the images, it has images of
    /// 0 x 0 pixels.
    ///
    /// # Errors
    /// The error of the first sample that failed, of a tolerant batch only if it is [`Error::Panic`]; [`Error::Shape`]
    /// where images have unequal sizes.
    ///
    /// # Panics
    /// If samples are still being made, or the batch was handed out before.
    pub fn finish(&self) -> Result<Finished> {
        let (images, targets) = self.slots.hand_out();
        let mut failures = std::mem::take(&mut *lock(&self.failures));
        let fatal = |(_, error): (&usize, &Error)| !self.tolerant || error.is_panic();
        if let Some(position) = failures.iter().find(|&failure| fatal(failure)).map(|(position, _)| *position) {
            return Err(failures.remove(&position).expect("it was found there"));
        }
        self.check_sizes(&failures)?;
        let len = self.samples.len();
        let targets = targets.expect("a batch is finished once");
        let (size, images) = match (self.size.get(), images) {
            (Some(&size), Some(images)) => (size, images),
            _ => {
                assert!(failures.len() == len, "a batch is finished once");
                (Size::new(0, 0), self.pipeline.pool().take(0).into())
            }
        };
        let failures = failures.into_iter().collect();
        Ok(Finished { len, size, images: Arc::new(images), targets: Arc::new(targets), failures })
    }

    /// Refuses images of unequal sizes; those that failed have none.
    fn check_sizes(&self, failures: &BTreeMap<usize, Error>) -> Result<()> {
        let odd = lock(&self.odd);
        if odd.is_empty() {
            return Ok(());
        }
        let size = |position| odd.get(&position).or_else(|| self.size.get()).expect("a sample was made");
        let mut made = (0..self.samples.len()).filter(|position| !failures.contains_key(position));
        let start = made.next().expect("a sample was made");
        let (channels, first) = (self.pipeline.form().channels, size(start));
        let unequal = made.map(|position| (position, size(position))).find(|(_, size)| *size != first);
        let (position, other) = unequal.expect("one of them is odd");
        Err(self.sample(position).blame(Error::Shape(format!(
            "stack expects each tensor to be equal size, but got [{channels}, {}, {}] at entry {start} and \
             [{channels}, {}, {}] at entry {position}: add a Resize to a pair, or a crop, to the transform",
            first.height, first.width, other.height, other.width
        ))))
    }
}
