//! How often each sample came up in an epoch: what it draws depends on that.

use crate::{Error, Result};

/// Counts the samples of an epoch.
#[derive(Debug)]
pub struct Occurrences {
    len: usize,
    /// Empty until a sample is counted.
    seen: Vec<u32>,
}

impl Occurrences {
    /// Counts samples of which there are `len`.
    #[must_use]
    pub const fn new(len: usize) -> Self {
        Self { len, seen: Vec::new() }
    }

    /// Counts a sample; returns how often it came up before.
    ///
    /// # Errors
    /// [`Error::Parameter`] for an index out of range.
    pub fn count(&mut self, index: usize) -> Result<u32> {
        if self.seen.is_empty() {
            self.seen = vec![0; self.len];
        }
        let seen = self
            .seen
            .get_mut(index)
            .ok_or_else(|| Error::Parameter(format!("index {index} is out of range for {} samples", self.len)))?;
        *seen += 1;
        Ok(*seen - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_is_counted_for_itself() {
        let mut occurrences = Occurrences::new(71);
        let counted: Vec<_> = [5, 5, 0, 70, 5, 70, 6].iter().map(|&index| occurrences.count(index).unwrap()).collect();
        assert_eq!(counted, [0, 1, 0, 0, 2, 1, 0]);
        assert!(matches!(occurrences.count(71), Err(Error::Parameter(_))));
    }
}
