//! Threads that make batches.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{sample::SampleScratch, work::Batch};
use crate::{
    interrupt,
    sync::{
        Condvar, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
        thread::{self, Builder, JoinHandle},
    },
};

/// The threads of an [`Engine`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Workers {
    /// Their number.
    pub threads: usize,
    /// How much nicer they are than the thread that makes them, 0 to 19, as `nice(2)` counts. Only Linux gives threads
    /// a niceness of their own; elsewhere it is not used.
    pub nice: u8,
}

impl From<usize> for Workers {
    fn from(threads: usize) -> Self {
        Self { threads, nice: 0 }
    }
}

/// Lowers the priority of the calling thread.
fn be_nice(nice: u8) {
    // On Linux a niceness is the thread's own (setpriority(2), "C library/kernel differences"). Where a sandbox forbids
    // the call, the thread is as nice as the others are.
    #[cfg(target_os = "linux")]
    if nice > 0 {
        let _ = rustix::process::nice(nice.into());
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}

/// A pool of threads. They share the samples of the batches that are submitted, oldest batch first, and park when there is
/// nothing to do.
///
/// Dropping the engine joins its threads. They give up the samples that they are making, as soon as these let them; only a
/// fallback decoder and a read from a disk go on to their end. If the engine is dropped on one of its own threads (a
/// garbage collector may do that inside a fallback decoder), that thread is not joined: it ends afterwards.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The process that the threads live in: after a fork the child has none.
    process: u32,
}

#[derive(Debug, Default)]
struct Shared {
    /// The batches that may have unclaimed samples.
    batches: Mutex<VecDeque<Arc<Batch>>>,
    submitted: Condvar,
    /// A batch is done; whoever waits looks which.
    finished: Condvar,
    closing: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Batch>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest batch with unclaimed samples; waits for one. `None` when the engine closes.
    fn next(&self) -> Option<Arc<Batch>> {
        let mut batches = self.lock();
        loop {
            if self.closing.load(Ordering::Relaxed) {
                return None;
            }
            if let Some(batch) = batches.front() {
                return Some(Arc::clone(batch));
            }
            batches = self.submitted.wait(batches).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets go of a batch without unclaimed samples. A thread that parks must not keep its memory.
    fn leave(&self, batch: Arc<Batch>, finished: bool) {
        let mut batches = self.lock();
        batches.retain(|other| !Arc::ptr_eq(other, &batch));
        if finished {
            // Under the lock, so that no one is between a look at the batch and the wait.
            self.finished.notify_all();
        }
    }

    fn run(&self) {
        let mut scratch = SampleScratch::default();
        while let Some(batch) = self.next() {
            let finished = batch.work(&mut scratch, || !self.closing.load(Ordering::Relaxed));
            self.leave(batch, finished);
        }
    }
}

impl Engine {
    /// An engine of some threads.
    ///
    /// # Errors
    /// Where the system does not give a thread.
    pub fn new(workers: impl Into<Workers>) -> io::Result<Self> {
        let Workers { threads, nice } = workers.into();
        let mut engine = Self { shared: Arc::default(), threads: Vec::new(), process: std::process::id() };
        for i in 0..threads {
            let shared = Arc::clone(&engine.shared);
            let thread = Builder::new().name(format!("torchfeed-{i}"));
            engine.threads.push(thread.spawn(move || {
                be_nice(nice);
                let watched = Arc::clone(&shared);
                interrupt::watching(move || watched.closing.load(Ordering::Relaxed), || shared.run());
            })?);
        }
        Ok(engine)
    }

    /// Whether this process has the engine's threads; a forked child does not.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.process == std::process::id()
    }

    /// Queues a batch behind those that were submitted before.
    pub fn submit(&self, batch: Arc<Batch>) {
        self.shared.lock().push_back(batch);
        self.shared.submitted.notify_all();
    }

    /// What `look` finds: now, or when a batch is done, but after no longer than `most`.
    pub fn wait<R>(&self, most: Duration, mut look: impl FnMut() -> Option<R>) -> Option<R> {
        let start = Instant::now();
        let mut batches = self.shared.lock();
        loop {
            let left = most.saturating_sub(start.elapsed());
            let found = look();
            if found.is_some() || left.is_zero() {
                return found;
            }
            batches = self.shared.finished.wait_timeout(batches, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if !self.is_alive() {
            // The child's copies name threads of the parent: there is nothing to join.
            self.threads.drain(..).for_each(std::mem::forget);
            return;
        }
        {
            // Under the lock, so that no thread is between its look at the flag and its wait.
            let mut batches = self.shared.lock();
            batches.clear();
            self.shared.closing.store(true, Ordering::Relaxed);
        }
        self.shared.submitted.notify_all();
        let this = thread::current().id();
        for thread in self.threads.drain(..).filter(|thread| thread.thread().id() != this) {
            // A thread catches the panics of samples; one of its own would be a bug that Drop must not make worse.
            let _ = thread.join();
        }
    }
}
