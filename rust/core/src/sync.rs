//! Locks, atomics and threads: the standard library's, or those of a checker.
//!
//! With `--cfg shuttle` they are [shuttle](https://docs.rs/shuttle)'s, which runs one thread at a time and decides
//! itself which is next at each of these operations: `tests/shuttle.rs` tries many such orders.

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};

#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread,
};
