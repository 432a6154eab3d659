//! One pass over a dataset: batches submitted in the sampler's order, finished ones handed out.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    engine::{Engine, Workers},
    occurrences::Occurrences,
    pipeline::Pipeline,
    pool::block::Memory,
    sample::SampleScratch,
    slow::SlowSamples,
    work::{Batch, Finished},
};
use crate::{Error, Result, source::Source};

/// A batch to be made.
#[derive(Debug, Default)]
pub struct Request<'a> {
    /// The indices of its samples.
    pub indices: &'a [usize],
    /// How often each index came up before, where the caller counts. Otherwise the epoch does.
    pub occurrences: Option<&'a [u32]>,
    /// Memory for its first fields, where the caller has some: see [`Batch::new`].
    pub memory: Vec<Memory>,
    /// The images that come with the batch: see [`Batch::new`].
    pub provided: Option<Arc<Source>>,
    /// Whether a sample that fails keeps no other from being made: see [`Batch::finish`].
    pub tolerant: bool,
}

impl<'a> From<&'a [usize]> for Request<'a> {
    fn from(indices: &'a [usize]) -> Self {
        Self { indices, ..Self::default() }
    }
}

impl<'a, const N: usize> From<&'a [usize; N]> for Request<'a> {
    fn from(indices: &'a [usize; N]) -> Self {
        Self::from(&indices[..])
    }
}

/// An epoch in progress.
#[derive(Debug)]
pub struct Epoch {
    pipeline: Arc<Pipeline>,
    seed: u64,
    occurrences: Occurrences,
    /// `None` makes samples in the caller's thread.
    engine: Option<Engine>,
    pending: VecDeque<Arc<Batch>>,
    /// The most batches that were under way, and the most bytes of one.
    depth: usize,
    batch_bytes: usize,
    /// What the pool was told of these.
    limit: usize,
    scratch: SampleScratch,
    slow: SlowSamples,
}

/// Batches that a training loop holds beside those under way: the one of this step, while it asks for the next, and
/// that next one.
const HELD: usize = 2;

impl Epoch {
    /// An epoch with `seed` and some threads; with none, samples are made in the thread that asks for them.
    ///
    /// # Errors
    /// Where the system does not give a thread.
    pub fn new(pipeline: Arc<Pipeline>, seed: u64, workers: impl Into<Workers>) -> io::Result<Self> {
        let workers = workers.into();
        let engine = (workers.threads > 0).then(|| Engine::new(workers)).transpose()?;
        Ok(Self {
            occurrences: Occurrences::new(pipeline.len()),
            pipeline,
            seed,
            engine,
            pending: VecDeque::new(),
            depth: 0,
            batch_bytes: 0,
            limit: 0,
            scratch: SampleScratch::default(),
            slow: SlowSamples::default(),
        })
    }

    /// Queues a batch.
    ///
    /// # Errors
    /// As [`Batch::new`]; [`Error::Parameter`] where there are not as many occurrences as indices.
    pub fn submit<'a>(&mut self, request: impl Into<Request<'a>>) -> Result<()> {
        let Request { indices, occurrences, memory, provided, tolerant } = request.into();
        let samples = match occurrences {
            None => indices.iter().map(|&index| Ok((index, self.occurrences.count(index)?))).collect::<Result<_>>()?,
            Some(counts) if counts.len() == indices.len() => {
                indices.iter().copied().zip(counts.iter().copied()).collect()
            }
            Some(counts) => {
                let (got, wanted) = (counts.len(), indices.len());
                return Err(Error::Parameter(format!("{got} occurrences for {wanted} indices")));
            }
        };
        let batch = Batch::new(Arc::clone(&self.pipeline), self.seed, samples, memory, provided, tolerant)?;
        if let Some(engine) = &self.engine {
            engine.submit(Arc::clone(&batch));
        }
        self.pending.push_back(batch);
        if self.engine.is_some() {
            self.depth = self.depth.max(self.pending.len());
        }
        Ok(())
    }

    /// Makes one sample besides the batches under way, in this thread; it is not counted as seen.
    ///
    /// # Errors
    /// As [`Batch::new`], and what making the sample gives.
    pub fn make(&mut self, index: usize, occurrence: u32, provided: Option<Arc<Source>>) -> Result<Finished> {
        let samples = vec![(index, occurrence)];
        let batch = Batch::new(Arc::clone(&self.pipeline), self.seed, samples, Vec::new(), provided, false)?;
        batch.work(&mut self.scratch, || true);
        batch.finish()
    }

    /// Bytes of the pixels of the largest image that this thread's memory is kept for.
    #[must_use]
    pub const fn largest(&self) -> usize {
        self.scratch.largest()
    }

    /// The samples that took longer than they should, of the batches handed out so far.
    #[must_use]
    pub const fn slow(&self) -> &SlowSamples {
        &self.slow
    }

    /// The number of batches that were submitted and not handed out.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Waits until the oldest pending batch is done, or with `in_order` false any of them, but no longer than about
    /// `most`. Returns its position among the pending ones.
    ///
    /// Without threads the caller's own makes the oldest batch: at least one sample per call.
    ///
    /// # Errors
    /// [`Error::Parameter`] where nothing is pending, or the process is a fork of the one that has the threads.
    pub fn wait(&mut self, most: Duration, in_order: bool) -> Result<Option<usize>> {
        let Some(oldest) = self.pending.front() else {
            return Err(Error::Parameter("no batch was submitted".into()));
        };
        let Some(engine) = &self.engine else {
            let (start, mut first) = (Instant::now(), true);
            oldest.work(&mut self.scratch, || std::mem::take(&mut first) || start.elapsed() < most);
            return Ok(oldest.is_done().then_some(0));
        };
        if !engine.is_alive() {
            return Err(Error::Parameter(
                "this process was forked while a loader was being iterated: its threads stayed in the parent; \
                 call iter() again here"
                    .into(),
            ));
        }
        let eligible = if in_order { 1 } else { self.pending.len() };
        Ok(engine.wait(most, || self.pending.iter().take(eligible).position(|batch| batch.is_done())))
    }

    /// Hands out the pending batch at `position`, which [`Epoch::wait`] returned.
    ///
    /// This sets the pool's limit: free blocks and blocks in use together have room for as many batches as were under way at
    /// the same time, and two more. A caller that lets its batches go finds all the memory that it needs there.
    ///
    /// # Errors
    /// As [`Batch::finish`]; [`Error::Parameter`] where there is no such batch, or it is not done: it is then kept.
    pub fn take(&mut self, position: usize) -> Result<Finished> {
        let (len, done) = (self.pending.len(), self.pending.get(position).is_some_and(|batch| batch.is_done()));
        let batch = if done { self.pending.remove(position) } else { None };
        let batch = batch.ok_or_else(|| Error::Parameter(format!("batch {position} of {len} is not done")))?;
        self.slow.append(batch.slow());
        let finished = batch.finish()?;
        let bytes = finished.fields.iter().map(|strip| strip.memory.len()).sum();
        self.batch_bytes = self.batch_bytes.max(bytes);
        let limit = (self.depth + HELD) * self.batch_bytes;
        if limit != self.limit {
            self.limit = limit;
            self.pipeline.pool().set_limit(limit);
        }
        Ok(finished)
    }
}
