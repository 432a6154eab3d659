//! The batch stage, bound: epochs, collate and one-hot.

use std::{
    ffi::OsString,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError},
    time::{Duration, Instant},
};

use pyo3::{
    exceptions::PyValueError,
    prelude::*,
    types::{PyInt, PyList},
};
use torchfeed_core::{
    Error,
    batch::{self, Finished, Pool, Request, Workers, collate::Strided, one_hot::Levels},
    rng,
};

use crate::{
    dlpack::{Dtype, Lent, Tensor},
    error::Failure,
    kept::BatchMemory,
    occurrences::Counts,
    pipeline::{Extent, Pipeline},
    signals,
    source::Source,
};

/// How many, and of some the index, path and seconds.
type SlowSamples = (u64, Vec<(usize, Option<OsString>, f64)>);

/// One pass over a pipeline's samples.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Epoch {
    core: Mutex<Option<batch::Epoch>>,
    pipeline: Py<Pipeline>,
}

impl Epoch {
    /// The core; waits for another thread that uses it. `None` for Python code that such a use has called.
    fn lock(&self) -> Option<MutexGuard<'_, Option<batch::Epoch>>> {
        if !signals::called_back() {
            return Some(self.core.lock().unwrap_or_else(PoisonError::into_inner));
        }
        match self.core.try_lock() {
            Ok(core) => Some(core),
            Err(TryLockError::Poisoned(core)) => Some(core.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Runs `use_it` without the GIL: a worker may need it (for the fallback decoder) before the epoch can go on.
    fn with<R: Send>(
        &self,
        py: Python<'_>,
        use_it: impl FnOnce(&mut batch::Epoch) -> Result<R, Error> + Send,
    ) -> PyResult<R> {
        py.detach(|| self.apply(use_it)).map_err(PyErr::from)
    }

    fn apply<R>(&self, use_it: impl FnOnce(&mut batch::Epoch) -> Result<R, Error>) -> Result<R, Failure> {
        let refused = |why: &str| Failure::from(Error::Parameter(why.into()));
        let mut core =
            self.lock().ok_or_else(|| refused("a signal handler cannot use the iterator that it interrupts"))?;
        use_it(core.as_mut().ok_or_else(|| refused("the epoch is closed"))?).map_err(Failure::from)
    }

    /// The fields of a finished batch.
    fn finished(&self, done: &Finished) -> Vec<Tensor> {
        let strips = done.fields.iter().enumerate();
        let tensor = |(field, strip): (usize, &batch::Strip)| {
            let Extent { shape, strides, dtype } = self.pipeline.get().extent(field, done.len, strip.size);
            Tensor::new(Arc::clone(&strip.memory), shape, strides, dtype)
        };
        strips.map(tensor).collect()
    }
}

/// The fields of a batch, and the samples that failed, by position.
type Tolerated = (Vec<Tensor>, Vec<(usize, PyErr)>);

#[pymethods]
impl Epoch {
    /// `workers` threads, by `nice` nicer than this one where threads can be.
    #[new]
    #[pyo3(signature = (pipeline, seed, workers, *, nice=0))]
    fn new(pipeline: Py<Pipeline>, seed: u64, workers: usize, nice: u8) -> PyResult<Self> {
        let workers = Workers { threads: workers, nice };
        let core = batch::Epoch::new(Arc::clone(&pipeline.get().core), seed, workers).map_err(Failure::from)?;
        Ok(Self { core: Mutex::new(Some(core)), pipeline })
    }

    /// Queues a batch. `out` is memory for its first fields, `occurrences` says how often each index came up before (where
    /// the epoch should not count), `provided` has the images that come with the batch; with `tolerant` a sample that fails
    /// keeps no other from being made.
    #[pyo3(signature = (indices, out=None, *, occurrences=None, provided=None, tolerant=false))]
    fn submit(
        &self,
        py: Python<'_>,
        indices: Vec<usize>,
        out: Option<Vec<Lent>>,
        occurrences: Option<Counts<'_>>,
        provided: Option<&Source>,
        tolerant: bool,
    ) -> PyResult<()> {
        let memory = out.into_iter().flatten().enumerate().map(|(field, lent)| {
            let pipeline = self.pipeline.get();
            let known = pipeline.core.fields().get(field);
            let known = known.ok_or_else(|| PyValueError::new_err("memory for more fields than there are"))?;
            let Extent { shape, strides, dtype } = pipeline.extent(field, indices.len(), known.size());
            lent.into_memory(&shape, &strides, dtype)
        });
        let memory = memory.collect::<PyResult<_>>()?;
        let provided = provided.map(|source| Arc::clone(&source.0));
        let occurrences = occurrences.map(|counts| counts.of(&indices)).transpose()?;
        let occurrences = occurrences.as_deref();
        let request = Request { indices: &indices, occurrences, memory, provided, tolerant };
        self.with(py, |epoch| epoch.submit(request))
    }

    /// Waits until the oldest pending batch is done, or with `in_order` false any of them: its position among them.
    /// `None` if there is none within `timeout` seconds.
    #[pyo3(signature = (timeout=None, *, in_order=true))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>, in_order: bool) -> PyResult<Option<usize>> {
        let most = timeout.map(Duration::try_from_secs_f64).transpose();
        let most = most.map_err(|error| PyValueError::new_err(format!("timeout: {error}")))?;
        let start = Instant::now();
        loop {
            let left = most.map_or(signals::INTERVAL, |most| most.saturating_sub(start.elapsed()));
            let wait = |epoch: &mut batch::Epoch| epoch.wait(left.min(signals::INTERVAL), in_order);
            let done = signals::interruptible(py, || self.apply(wait))??;
            // Before a batch is taken: an exception must not lose it.
            py.check_signals()?;
            if done.is_some() || left.is_zero() {
                return Ok(done);
            }
        }
    }

    /// The fields of the pending batch at `position`, which must be done: the views of the images, then the targets.
    #[pyo3(signature = (position=0))]
    fn take(&self, py: Python<'_>, position: usize) -> PyResult<Vec<Tensor>> {
        let batch = self.with(py, |epoch| epoch.take(position))?;
        Ok(self.finished(&batch))
    }

    /// As [`Epoch::take`], of a tolerant batch: its fields, and (position, exception) of each sample that failed.
    fn take_tolerant(&self, py: Python<'_>, position: usize) -> PyResult<Tolerated> {
        let mut batch = self.with(py, |epoch| epoch.take(position))?;
        let failures = std::mem::take(&mut batch.failures).into_iter();
        let failures = failures.map(|(at, error)| (at, Failure::from(error).into())).collect();
        Ok((self.finished(&batch), failures))
    }

    /// One sample, made in this thread besides the batches under way, as the fields of a batch of one.
    #[pyo3(signature = (index, occurrence, provided=None))]
    fn make(&self, py: Python<'_>, index: usize, occurrence: u32, provided: Option<&Source>) -> PyResult<Vec<Tensor>> {
        let provided = provided.map(|source| Arc::clone(&source.0));
        let batch = self.with(py, |epoch| epoch.make(index, occurrence, provided))?;
        Ok(self.finished(&batch))
    }

    /// The fields of the oldest batch. `None` if it is not done within `timeout` seconds.
    #[pyo3(signature = (timeout=None))]
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<Vec<Tensor>>> {
        self.wait(py, timeout, true)?.map(|position| self.take(py, position)).transpose()
    }

    /// Bytes of the pixels of the largest image that memory is kept for, of those made in the caller's thread; 0 where
    /// another thread is at work.
    fn largest(&self) -> usize {
        self.core.try_lock().ok().and_then(|core| core.as_ref().map(batch::Epoch::largest)).unwrap_or(0)
    }

    /// Samples that took longer than `soft_seconds`, of the batches taken so far: how many, and of the slowest (index,
    /// path, seconds).
    fn slow(&self, py: Python<'_>) -> PyResult<SlowSamples> {
        let slow = self.with(py, |epoch| Ok(epoch.slow().clone()))?;
        let slowest = slow.slowest.into_iter();
        Ok((slow.count, slowest.map(|slow| (slow.index, slow.path.map(Into::into), slow.time.as_secs_f64())).collect()))
    }

    /// Stops and joins the threads. Batches that are not handed out are lost. Samples that are being made are given up.
    fn close(&self, py: Python<'_>) {
        let fallback = self.pipeline.get().fallback.as_deref();
        py.detach(|| {
            let core = self.lock().and_then(|mut core| core.take());
            if core.is_some() {
                drop(core);
                fallback.inspect(|decoder| decoder.trim());
            }
        });
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Joining must not hold the GIL, which a worker may be waiting for.
        Python::attach(|py| self.close(py));
    }
}

/// Whether all `values` are plain ints in `0..length`.
#[pyfunction]
pub(crate) fn are_indices(values: &Bound<'_, PyList>, length: usize) -> bool {
    values.iter().all(|value| {
        value.is_exact_instance_of::<PyInt>() && value.extract::<usize>().is_ok_and(|value| value < length)
    })
}

/// The seed of what is drawn for batch number `batch` as a whole, in an epoch of `seed`: 63 bits.
#[pyfunction]
pub(crate) fn batch_seed(seed: u64, batch: u64) -> u64 {
    rng::batch_seed(seed, batch)
}

/// `count` numbers in `0..end`: where to look for what takes the place of sample number `number` of an epoch of `seed`.
#[pyfunction]
pub(crate) fn substitutes(seed: u64, number: u64, end: usize, count: usize) -> Vec<usize> {
    rng::substitutes(seed, number, end, count)
}

/// Blocks for [`stack`] and [`one_hot`], recycled over the whole process.
fn pool() -> &'static Arc<Pool> {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    POOL.get_or_init(|| Pool::new(4))
}

/// A contiguous stack of tensors of one shape and dtype, in the memory of `memory` or of the process.
#[pyfunction]
#[pyo3(signature = (tensors, memory=None))]
pub(crate) fn stack(py: Python<'_>, tensors: Vec<Lent>, memory: Option<&BatchMemory>) -> PyResult<Tensor> {
    let pool = match memory {
        Some(memory) => &memory.0,
        None => pool(),
    };
    let first = tensors.first().ok_or_else(|| PyValueError::new_err("a stack of no tensors"))?;
    let (shape, dtype, element) = (first.shape().to_vec(), first.dtype(), first.element());
    if tensors.iter().any(|tensor| tensor.shape() != shape || tensor.dtype() != dtype) {
        return Err(PyValueError::new_err("a stack of tensors of different shapes or dtypes"));
    }
    let lengths: Vec<_> = shape.iter().map(|&n| n.cast_unsigned() as usize).collect();
    let bytes = lengths.iter().fold(element, |bytes, &n| bytes.saturating_mul(n));
    let mut out = pool.try_take(bytes.saturating_mul(tensors.len())).map_err(Failure::from)?;
    py.detach(|| {
        let mut strides = Vec::new();
        for (tensor, slot) in tensors.iter().zip(out.bytes_mut().chunks_mut(bytes.max(1))) {
            strides.clear();
            strides.extend(tensor.strides().into_iter().map(|stride| stride.cast_unsigned() as usize));
            Strided { data: tensor.bytes(), shape: &lengths, strides: &strides }.copy_to(element, slot)?;
        }
        Ok(())
    })
    .map_err(|error: Error| PyErr::from(Failure::from(error)))?;
    let shape = [tensors.len() as i64].into_iter().chain(shape).collect();
    Ok(Tensor::contiguous(Arc::new(out.into()), shape, dtype))
}

/// One-hot rows of contiguous int64 labels.
#[pyfunction]
pub(crate) fn one_hot(
    py: Python<'_>,
    labels: Lent,
    classes: usize,
    on: Vec<u8>,
    off: Vec<u8>,
    dtype: Dtype,
) -> PyResult<Tensor> {
    let values = labels.integers()?;
    let levels = Levels::new(classes, on, off).map_err(Failure::from)?;
    let mut out = pool().try_take(values.len().saturating_mul(levels.row_bytes())).map_err(Failure::from)?;
    py.detach(|| levels.write(values, out.bytes_mut())).map_err(Failure::from)?;
    Ok(Tensor::contiguous(Arc::new(out.into()), vec![values.len() as i64, classes as i64], dtype))
}
