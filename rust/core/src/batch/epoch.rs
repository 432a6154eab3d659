//! One pass over a dataset: batches submitted in the sampler's order, finished ones handed out in the same order.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use super::{
    buffer::Memory,
    engine::Engine,
    job::{Batch, Finished},
    pipeline::{Pipeline, Scratch},
};
use crate::{Error, Result};

/// An epoch in progress.
#[derive(Debug)]
pub struct Epoch {
    pipeline: Arc<Pipeline>,
    seed: u64,
    /// How often each index came up so far; grown on demand.
    seen: Vec<u32>,
    /// `None` makes samples in the caller's thread.
    engine: Option<Engine>,
    pending: VecDeque<Arc<Batch>>,
    scratch: Scratch,
}

impl Epoch {
    /// An epoch with `seed` and `workers` threads; with none, samples are made in the thread that asks for them.
    ///
    /// # Errors
    /// Where the system does not give a thread.
    pub fn new(pipeline: Arc<Pipeline>, seed: u64, workers: usize) -> io::Result<Self> {
        let engine = (workers > 0).then(|| Engine::new(workers)).transpose()?;
        Ok(Self { pipeline, seed, seen: Vec::new(), engine, pending: VecDeque::new(), scratch: Scratch::default() })
    }

    /// Counts `indices` as seen, as if their batch had been made.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an index out of range.
    pub fn skip(&mut self, indices: &[usize]) -> Result<()> {
        indices.iter().try_for_each(|&index| self.occurrence(index).map(|_| ()))
    }

    fn occurrence(&mut self, index: usize) -> Result<u32> {
        self.pipeline.check_index(index)?;
        if index >= self.seen.len() {
            self.seen.resize(self.pipeline.source().len(), 0);
        }
        self.seen[index] += 1;
        Ok(self.seen[index] - 1)
    }

    /// Queues the batch of `indices`; its images go to `images` where given.
    ///
    /// # Errors
    /// As [`Batch::new`].
    pub fn submit(&mut self, indices: &[usize], images: Option<Memory>) -> Result<()> {
        let samples = indices.iter().map(|&i| Ok((i, self.occurrence(i)?))).collect::<Result<Vec<_>>>()?;
        let batch = Batch::new(Arc::clone(&self.pipeline), self.seed, samples, images)?;
        if let Some(engine) = &self.engine {
            engine.submit(Arc::clone(&batch));
        }
        self.pending.push_back(batch);
        Ok(())
    }

    /// The number of batches that were submitted and not handed out.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Whether the oldest pending batch is done; waits for it, but no longer than about `most`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where nothing is pending, or the process is a fork of the one that has the threads.
    pub fn wait(&mut self, most: Duration) -> Result<bool> {
        let Some(batch) = self.pending.front() else {
            return Err(Error::Parameter("no batch was submitted".into()));
        };
        if let Some(engine) = &self.engine {
            if !engine.is_alive() {
                return Err(Error::Parameter(
                    "this process was forked while a loader was being iterated: its threads stayed in the parent; \
                     call iter() again here"
                        .into(),
                ));
            }
        } else {
            let until = std::time::Instant::now() + most;
            batch.work(&mut self.scratch, || std::time::Instant::now() < until);
        }
        let most = if self.engine.is_some() { most } else { Duration::ZERO };
        Ok(batch.wait(most))
    }

    /// Hands out the oldest pending batch, once [`Epoch::wait`] said that it is done.
    ///
    /// # Errors
    /// As [`Batch::finish`]; [`Error::Parameter`] where nothing is pending.
    ///
    /// # Panics
    /// If it is not done.
    pub fn take(&mut self) -> Result<Finished> {
        self.pending.pop_front().ok_or_else(|| Error::Parameter("no batch was submitted".into()))?.finish()
    }
}
