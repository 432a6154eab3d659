//! Image files in memory.

use std::fmt;

use crate::{Error, Result};

/// Memory that a source keeps alive; its content must not change while it is used.
pub type Bytes = Box<dyn AsRef<[u8]> + Send + Sync>;

/// Image files in memory, as one block.
pub struct Blobs {
    data: Bytes,
    ends: Vec<u64>,
}

impl fmt::Debug for Blobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blobs").field("len", &self.len()).finish_non_exhaustive()
    }
}

impl Blobs {
    /// Files that follow each other in `data`; `ends` says where each ends.
    ///
    /// # Errors
    /// [`Error::Parameter`] where `ends` falls or leaves `data`.
    pub fn new(data: Bytes, ends: Vec<u64>) -> Result<Self> {
        let len = (*data).as_ref().len() as u64;
        if !ends.is_sorted() || ends.last().is_some_and(|&end| end > len) {
            return Err(Error::Parameter(format!("ends must rise and stay within the {len} bytes of data")));
        }
        Ok(Self { data, ends })
    }

    /// The number of files.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no files.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// File `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Blobs::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &(*self.data).as_ref()[start..self.ends[index] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_give_their_parts() {
        let blobs = Blobs::new(Box::new(b"abcdef".to_vec()), vec![2, 2, 6]).unwrap();
        assert_eq!((blobs.len(), blobs.get(0), blobs.get(1), blobs.get(2)), (3, &b"ab"[..], &b""[..], &b"cdef"[..]));
        assert!(Blobs::new(Box::new(b"abc".to_vec()), vec![2, 1]).is_err());
        assert!(Blobs::new(Box::new(b"abc".to_vec()), vec![4]).is_err());
    }
}
