//! Threads that make batches, in order.

use std::{
    collections::VecDeque,
    io,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::{Builder, JoinHandle},
};

use super::{job::Batch, pipeline::Scratch};

/// A pool of threads. They share the samples of the batches that are submitted, oldest batch first, and park when
/// there is nothing to do. Dropping the engine lets every thread finish its sample and joins it.
#[derive(Debug)]
pub struct Engine {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The process that the threads live in: after a fork the child has none.
    process: u32,
}

#[derive(Debug, Default)]
struct Shared {
    batches: Mutex<VecDeque<Arc<Batch>>>,
    submitted: Condvar,
    closing: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Batch>>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest batch with unclaimed samples; waits for one. `None` when the engine closes.
    fn next(&self, finished: Option<&Arc<Batch>>) -> Option<Arc<Batch>> {
        let mut batches = self.lock();
        if let Some(finished) = finished {
            batches.retain(|batch| !Arc::ptr_eq(batch, finished));
        }
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

    fn run(&self) {
        let mut scratch = Scratch::default();
        let mut batch = self.next(None);
        while let Some(current) = batch {
            current.work(&mut scratch, || !self.closing.load(Ordering::Relaxed));
            batch = self.next(Some(&current));
        }
    }
}

impl Engine {
    /// An engine of `workers` threads.
    ///
    /// # Errors
    /// Where the system does not give a thread.
    pub fn new(workers: usize) -> io::Result<Self> {
        let mut engine = Self { shared: Arc::default(), threads: Vec::new(), process: std::process::id() };
        for i in 0..workers {
            let shared = Arc::clone(&engine.shared);
            let thread = Builder::new().name(format!("torchfeed-{i}"));
            engine.threads.push(thread.spawn(move || shared.run())?);
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
        for thread in self.threads.drain(..) {
            // A thread catches the panics of samples; one of its own would be a bug that Drop must not make worse.
            let _ = thread.join();
        }
    }
}
