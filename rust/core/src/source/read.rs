//! Reading a file into memory that is used again for the next one.

use std::{
    fs::{File, OpenOptions},
    io::{self, ErrorKind, Read},
    path::Path,
};

use crate::{Error, Result};

/// Memory to read files into, kept from file to file. It only grows, so that no byte is cleared twice.
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

/// Reads the file at `path`, which must be a regular one, into `buffer`.
///
/// What is opened is what is looked at: between a look at the path and the opening somebody may put a FIFO there.
pub(super) fn read_file<'a>(path: &Path, buffer: &'a mut Buffer) -> Result<&'a [u8]> {
    let file = open(path)?;
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(Error::Io(io::Error::other("not a regular file")));
    }
    let expected = usize::try_from(about.len()).map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
    Ok(read_all(file, expected, buffer)?)
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
fn read_all(mut file: impl Read, expected: usize, buffer: &mut Buffer) -> io::Result<&[u8]> {
    let Buffer(memory) = buffer;
    let mut end = 0;
    loop {
        // A byte more than there should be: a read that is not full has then come to the end.
        let enough = expected.max(end).saturating_add(1);
        if memory.len() < enough {
            memory.try_reserve(enough - memory.len()).map_err(|_| ErrorKind::OutOfMemory)?;
            memory.resize(memory.capacity(), 0);
        }
        match file.read(&mut memory[end..]) {
            // Fewer than expected need not be the end, and at a size of 0 there may be more (in /proc).
            Ok(count) if count == 0 || (end + count == expected && expected > 0) => return Ok(&memory[..end + count]),
            Ok(count) => end += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
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
        assert_eq!(buffer.0[..51], [[8; 50].as_slice(), &[1]].concat());
    }
}
