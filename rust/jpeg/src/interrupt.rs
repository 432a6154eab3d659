//! Checking now and then whether the caller wants to stop.

use crate::{Error, Result, layout::Layout};

/// MCUs between two checks: a few milliseconds' work, and more than most photos have in a few rows.
const MCUS: usize = 4096;

/// Counts rows of MCUs between two checks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    interrupt: Option<fn() -> bool>,
    /// Rows between two checks, and until the next.
    every: usize,
    left: usize,
}

impl Pace {
    pub(crate) fn new(interrupt: Option<fn() -> bool>, layout: &Layout) -> Self {
        let every = MCUS / layout.mcus_x.max(1) + 1;
        Self { interrupt, every, left: every }
    }

    /// Another row is about to be decoded.
    pub(crate) fn row(&mut self) -> Result<()> {
        self.left -= 1;
        if self.left > 0 {
            return Ok(());
        }
        self.left = self.every;
        match self.interrupt.is_some_and(|interrupt| interrupt()) {
            true => Err(Error::Interrupted),
            false => Ok(()),
        }
    }
}
