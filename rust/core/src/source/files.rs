//! Files by path, kept as one block of memory.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use crate::{Error, Result};

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
        bytes_to_path(self.path_bytes(index))
    }

    /// Reads file `index` into `buffer`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read, or is no regular file (opening a FIFO would wait for ever).
    ///
    /// # Panics
    /// If `index` is not below [`Files::len`].
    pub fn read<'a>(&self, index: usize, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
        read_file(&self.path(index), buffer)
    }
}

/// Reads the file at `path` into `buffer`.
pub(super) fn read_file<'a>(path: &Path, buffer: &'a mut Vec<u8>) -> Result<&'a [u8]> {
    let kind = fs::metadata(path)?;
    if !kind.is_file() {
        return Err(Error::Io(std::io::Error::other("not a regular file")));
    }
    buffer.clear();
    buffer.reserve(kind.len() as usize);
    fs::File::open(path)?.read_to_end(buffer)?;
    Ok(buffer)
}

/// A path as the platform has it, from the bytes that a [`Files`] keeps.
#[cfg(unix)]
#[must_use]
pub fn bytes_to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

#[cfg(unix)]
pub(super) fn path_to_bytes(path: &std::ffi::OsStr) -> std::borrow::Cow<'_, [u8]> {
    use std::os::unix::ffi::OsStrExt;
    path.as_bytes().into()
}

/// A path as the platform has it, from the bytes that a [`Files`] keeps.
#[cfg(not(unix))]
#[must_use]
pub fn bytes_to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

#[cfg(not(unix))]
pub(super) fn path_to_bytes(path: &std::ffi::OsStr) -> std::borrow::Cow<'_, [u8]> {
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

    #[test]
    fn missing_files_and_folders_are_io_errors() {
        let mut files = Files::default();
        files.push(&[b"/nonexistent/file.jpg"]);
        files.push(&[std::env::temp_dir().to_str().expect("a UTF-8 temporary folder").as_bytes()]);
        let mut buffer = Vec::new();
        assert!(matches!(files.read(0, &mut buffer), Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::NotFound));
        assert!(matches!(files.read(1, &mut buffer), Err(Error::Io(_))));
    }
}
