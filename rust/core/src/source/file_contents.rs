//! Reading a file into memory that is used again for the next one.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read},
    path::Path,
};

use crate::{Error, Result};

/// Memory to read files into, kept from file to file. It only grows, so that no byte is cleared twice.
#[derive(Debug)]
pub struct Buffer {
    memory: Vec<u8>,
    /// The most bytes that a file may have.
    most: u64,
}

impl Default for Buffer {
    /// No memory yet, and no limit.
    fn default() -> Self {
        Self { memory: Vec::new(), most: u64::MAX }
    }
}

impl Buffer {
    /// Sets how many bytes a file may have that is read into this memory. It is held against the file's size first, and
    /// against what is read: a file may grow.
    pub fn set_limit(&mut self, max_file_bytes: u64) {
        self.most = max_file_bytes;
    }
}

/// Refuses a file, or a part of one, of more bytes than `max_file_bytes`.
///
/// # Errors
/// [`Error::Limit`] with both.
pub fn check_file_bytes(bytes: u64, max_file_bytes: u64) -> Result<()> {
    if bytes > max_file_bytes {
        return Err(Error::Limit(format!(
            "file of {bytes} bytes exceeds the limit of {max_file_bytes} bytes; raise Limits.max_file_bytes if such files \
             are meant"
        )));
    }
    Ok(())
}

/// Reads the file at `path`, which must be a regular one, into `buffer`.
///
/// The check is on the opened file, not on the path: somebody may replace the file by a FIFO in between.
pub(super) fn read_file<'a>(path: &Path, buffer: &'a mut Buffer) -> Result<&'a [u8]> {
    let file = open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Error::Io(io::Error::other("not a regular file")));
    }
    check_file_bytes(about.len(), buffer.most)?;
    let expected = usize::try_from(about.len()).map_err(|_| Error::Memory(usize::MAX))?;
    read_all(file, expected, buffer)
}

/// Opens a file to be read; never waits, as an ordinary open does at a FIFO until somebody writes to it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // A terminal must not become the one that controls this process.
        options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    }
    options.open(path)
}

/// Reads to the end of `file`, which should be `expected` bytes away; it may have been written to since.
fn read_all(mut file: impl Read, expected: usize, buffer: &mut Buffer) -> Result<&[u8]> {
    let Buffer { memory, most } = buffer;
    let mut end = 0;
    loop {
        check_file_bytes(end as u64, *most)?;
        // A byte more than there should be: a read that is not full has then come to the end.
        let enough = expected.max(end).saturating_add(1);
        if memory.len() < enough {
            memory.try_reserve(enough - memory.len()).map_err(|_| Error::Memory(enough))?;
            memory.resize(memory.capacity(), 0);
        }
        match file.read(&mut memory[end..]) {
            // Fewer than expected need not be the end, and at a size of 0 there may be more (in /proc).
            Ok(count) if count == 0 || (end + count == expected && expected > 0) => return Ok(&memory[..end + count]),
            Ok(count) => end += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::Io(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_files_and_folders_are_io_errors() {
        let mut buffer = Buffer::default();
        let missing = read_file(Path::new("/nonexistent/file.jpg"), &mut buffer).unwrap_err();
        assert!(matches!(missing, Error::Io(error) if error.kind() == ErrorKind::NotFound));
        assert!(matches!(read_file(&std::env::temp_dir(), &mut buffer), Err(Error::Io(_))));
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_fifos_are_io_errors_at_once() {
        let fifo = std::env::temp_dir().join(format!("torchfeed-fifo-{}", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        for path in [&fifo, Path::new("/dev/zero"), Path::new("/dev/null")] {
            let error = read_file(path, &mut Buffer::default()).unwrap_err().to_string();
            assert_eq!(error, "not a regular file", "{}", path.display());
        }
        std::fs::remove_file(&fifo).unwrap();
    }

    /// Gives as many bytes per call as it is told, and then the end.
    struct Pieces<'a>(&'a [usize], u8);

    impl Read for Pieces<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let Some((&count, rest)) = self.0.split_first() else { return Ok(0) };
            self.0 = rest;
            if count == 0 {
                return Err(ErrorKind::Interrupted.into());
            }
            assert!(out.len() >= count, "room for what was announced and a byte more");
            self.1 += 1;
            out[..count].fill(self.1);
            Ok(count)
        }
    }

    #[test]
    fn files_may_grow_shrink_and_come_in_pieces() {
        let mut buffer = Buffer::default();
        let mut read = |pieces, expected| read_all(Pieces(pieces, 0), expected, &mut buffer).unwrap().to_vec();
        assert_eq!(read(&[3], 3), [1; 3]);
        assert_eq!(read(&[2], 3), [1; 2], "shrunk");
        assert_eq!(read(&[], 3), b"", "emptied");
        assert_eq!(read(&[4, 1, 1], 3), [1, 1, 1, 1, 2, 3], "grown");
        assert_eq!(read(&[0, 1, 0, 2], 3), [1, 2, 2], "in pieces, interrupted");
        assert_eq!(read(&[1, 1], 0), [1, 2], "of a size that is not known");
        assert_eq!(read(&[], 0), b"");
    }

    #[test]
    fn memory_is_used_again() {
        let mut buffer = Buffer::default();
        let first = read_all(Pieces(&[100], 0), 100, &mut buffer).unwrap().as_ptr();
        assert_eq!(read_all(Pieces(&[50], 7), 50, &mut buffer).unwrap().as_ptr(), first);
        assert_eq!(buffer.memory[..51], [[8; 50].as_slice(), &[1]].concat());
    }

    #[test]
    fn large_files_are_refused_before_memory_is_taken() {
        let path = std::env::temp_dir().join(format!("torchfeed-large-{}", std::process::id()));
        // Without any block of the disk: only its size is large.
        File::create(&path).unwrap().set_len(1 << 40).unwrap();
        let mut buffer = Buffer::default();
        buffer.set_limit(1 << 30);
        let error = read_file(&path, &mut buffer).unwrap_err().to_string();
        std::fs::remove_file(&path).unwrap();
        assert!(error.contains("1099511627776 bytes exceeds the limit of 1073741824 bytes"), "{error}");
        assert_eq!(buffer.memory.capacity(), 0);
    }

    #[test]
    fn files_that_grow_are_refused_when_they_are_too_large() {
        let mut buffer = Buffer::default();
        buffer.set_limit(5);
        assert_eq!(read_all(Pieces(&[3, 2], 0), 3, &mut buffer).unwrap().len(), 3, "as many as there were");
        assert_eq!(read_all(Pieces(&[4, 1], 0), 3, &mut buffer).unwrap(), [1, 1, 1, 1, 2]);
        assert!(matches!(read_all(Pieces(&[4, 2], 0), 3, &mut buffer), Err(Error::Limit(_))));
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error() {
        let mut buffer = Buffer::default();
        let read = read_all(Pieces(&[], 0), usize::MAX / 2, &mut buffer);
        assert!(matches!(read, Err(Error::Memory(_))));
    }
}
