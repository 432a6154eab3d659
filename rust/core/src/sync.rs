//! Locks, atomics and threads: the standard library's, or those of a checker.
//!
//! With `--cfg shuttle` they are [shuttle](https://docs.rs/shuttle)'s, which runs one thread at a time and decides
//! itself which is next at each of these operations: `tests/shuttle.rs` tries many such orders.

#[cfg(not(shuttle))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, OnceLock, atomic},
    thread, thread_local,
};

#[cfg(shuttle)]
pub(crate) use once_lock::OnceLock;
#[cfg(shuttle)]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, atomic},
    thread, thread_local,
};

/// `std::sync::OnceLock`, which shuttle lacks, as far as it is used here.
#[cfg(shuttle)]
mod once_lock {
    #[derive(Debug)]
    pub(crate) struct OnceLock<T> {
        once: shuttle::sync::Once,
        value: std::sync::OnceLock<T>,
    }

    impl<T> OnceLock<T> {
        pub(crate) fn new() -> Self {
            Self { once: shuttle::sync::Once::new(), value: std::sync::OnceLock::new() }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            self.value.get()
        }

        pub(crate) fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
            if self.get().is_none() {
                self.once.call_once(|| _ = self.value.set(make()));
            }
            self.get().expect("made just now, or by another thread")
        }
    }

    impl<T> From<T> for OnceLock<T> {
        fn from(value: T) -> Self {
            Self { once: shuttle::sync::Once::new(), value: value.into() }
        }
    }
}
