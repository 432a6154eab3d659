//! Files by path, kept as one block of memory.

use std::{
    borrow::Cow,
    path::{Path, PathBuf},
};

use super::file_contents::{Buffer, read_file};
use crate::Result;

/// A list of paths: one arena of bytes and an offset per path, instead of an object per path.
#[derive(Debug, Clone, Default)]
pub struct Files {
    /// All paths, one after the other, in the platform's encoding ([`std::ffi::OsStr::as_encoded_bytes`] on Unix,
    /// UTF-8 elsewhere).
    arena: Vec<u8>,
    /// Where each path ends.
    ends: Vec<u64>,
}

impl Files {
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

    /// Appends a path, given as its bytes in some parts.
    pub fn push(&mut self, parts: &[&[u8]]) {
        parts.iter().for_each(|part| self.arena.extend_from_slice(part));
        self.ends.push(self.arena.len() as u64);
    }

    /// Appends all of another list.
    pub fn append(&mut self, other: &Self) {
        let before = self.arena.len() as u64;
        self.arena.extend_from_slice(&other.arena);
        self.ends.extend(other.ends.iter().map(|end| before + end));
    }

    /// The bytes of path `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Files::len`].
    #[must_use]
    pub fn path_bytes(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.ends[index - 1] as usize };
        &self.arena[start..self.ends[index] as usize]
    }

    /// Path `index`.
    ///
    /// # Panics
    /// If `index` is not below [`Files::len`].
    #[must_use]
    pub fn path(&self, index: usize) -> PathBuf {
        bytes_to_path(self.path_bytes(index)).into_owned()
    }

    /// Reads file `index` into `buffer`.
    ///
    /// # Errors
    /// [`crate::Error::Io`] where it cannot be read, or is no regular file.
    ///
    /// # Panics
    /// If `index` is not below [`Files::len`].
    pub fn read<'a>(&self, index: usize, buffer: &'a mut Buffer) -> Result<&'a [u8]> {
        read_file(&bytes_to_path(self.path_bytes(index)), buffer)
    }
}

/// A path as the platform has it, from the bytes that a [`Files`] keeps.
#[cfg(unix)]
#[must_use]
pub fn bytes_to_path(bytes: &[u8]) -> Cow<'_, Path> {
    use std::os::unix::ffi::OsStrExt;
    Path::new(std::ffi::OsStr::from_bytes(bytes)).into()
}

#[cfg(unix)]
pub(super) fn path_to_bytes(path: &std::ffi::OsStr) -> Cow<'_, [u8]> {
    use std::os::unix::ffi::OsStrExt;
    path.as_bytes().into()
}

/// A path as the platform has it, from the bytes that a [`Files`] keeps.
#[cfg(not(unix))]
#[must_use]
pub fn bytes_to_path(bytes: &[u8]) -> Cow<'_, Path> {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned()).into()
}

#[cfg(not(unix))]
pub(super) fn path_to_bytes(path: &std::ffi::OsStr) -> Cow<'_, [u8]> {
    path.to_string_lossy().into_owned().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_come_back() {
        let mut files = Files::default();
        for path in ["a/b.jpg", "", "c d/ü.png"] {
            files.push(&[path.as_bytes()]);
        }
        assert_eq!(files.len(), 3);
        assert_eq!(files.path(0), PathBuf::from("a/b.jpg"));
        assert_eq!(files.path(1), PathBuf::from(""));
        assert_eq!(files.path(2), PathBuf::from("c d/ü.png"));
    }
}
