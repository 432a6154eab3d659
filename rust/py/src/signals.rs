//! Ctrl-C while Rust is at work.

use std::{
    cell::Cell,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use pyo3::prelude::*;
use torchfeed_core::interrupt;

/// How often work that takes long looks for signals.
pub(crate) const INTERVAL: Duration = Duration::from_millis(50);

thread_local! {
    /// Whether Python code runs in the middle of this thread's work.
    static CALLED_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Runs Python code in the middle of a thread's work: a signal handler, or whatever may run one.
pub(crate) fn calling_back<R>(call: impl FnOnce() -> R) -> R {
    let before = CALLED_BACK.replace(true);
    let result = call();
    CALLED_BACK.set(before);
    result
}

/// Whether this is called by such code: what the thread's work holds cannot be waited for.
pub(crate) fn called_back() -> bool {
    CALLED_BACK.get()
}

/// Runs `work` without the GIL. Python's signal handlers run meanwhile; an exception of theirs ends the work early, and
/// is then the result.
pub(crate) fn interruptible<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    let raised = Arc::new(Mutex::new(None));
    let result = py.detach(|| {
        let (raised, last) = (Arc::clone(&raised), Cell::new(Instant::now()));
        let look = move || {
            if last.get().elapsed() < INTERVAL {
                return false;
            }
            let outcome = calling_back(|| Python::attach(|py| py.check_signals()));
            last.set(Instant::now());
            let Err(error) = outcome else { return false };
            *raised.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            true
        };
        interrupt::watching(look, work)
    });
    match raised.lock().unwrap_or_else(PoisonError::into_inner).take() {
        Some(error) => Err(error),
        None => Ok(result),
    }
}
