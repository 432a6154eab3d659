//! How the threads that scan a folder are told to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::interrupt;

/// Whether a scan is to be given up. One of its threads is watched, and tells the others.
#[derive(Debug, Default)]
pub(super) struct Stop(AtomicBool);

impl Stop {
    /// Looks now.
    pub(super) fn asked(&self) -> bool {
        if interrupt::requested() {
            self.0.store(true, Ordering::Relaxed);
        }
        self.0.load(Ordering::Relaxed)
    }
}
