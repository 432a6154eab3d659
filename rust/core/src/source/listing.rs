//! The entries of a folder.

use std::{
    borrow::Cow,
    fs, io,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
};

use super::files::path_to_bytes;
use crate::interrupt;

/// Entries between two looks whether to go on.
const ENTRIES: usize = 1024;

/// The request to give a scan up. One thread of the scan sees interrupts, and tells the others by this.
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

/// What an entry of a folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    File = 0,
    Folder = 1,
    /// To a folder, to anything else or to nothing. Its target may change while the folder that holds it does not.
    Link = 2,
}

/// The entries of a folder, sorted by name, as one block of bytes: of each its kind, the length of its name, and that.
#[derive(Debug, Clone)]
pub(super) struct Listing<'a>(Cow<'a, [u8]>);

impl<'a> Listing<'a> {
    /// Lists a folder. Also says whether these are all entries: what cannot be read is passed over.
    ///
    /// # Errors
    /// Where it cannot be listed at all, or the scan is given up.
    pub(super) fn read(folder: &Path, stop: &Stop) -> io::Result<(Self, bool)> {
        let (mut entries, mut is_whole) = (Vec::new(), true);
        for (number, entry) in fs::read_dir(folder)?.enumerate() {
            if number % ENTRIES == 0 && stop.asked() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let Ok(entry) = entry else {
                is_whole = false;
                continue;
            };
            // The kind comes with the folder's entry on most file systems.
            let kind = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => Kind::Link,
                Ok(kind) if kind.is_dir() => Kind::Folder,
                Ok(_) => Kind::File,
                Err(_) => {
                    is_whole = false;
                    Kind::File
                }
            };
            entries.push((entry.file_name(), kind));
        }
        let mut entries: Vec<_> = entries.iter().map(|(name, kind)| (path_to_bytes(name), *kind)).collect();
        entries.sort_unstable();
        let mut bytes = Vec::with_capacity(entries.iter().map(|(name, _)| name.len() + 5).sum());
        for (name, kind) in &entries {
            bytes.push(*kind as u8);
            bytes.extend_from_slice(&(name.len() as u32).to_le_bytes());
            bytes.extend_from_slice(name);
        }
        Ok((Self(bytes.into()), is_whole))
    }

    /// A listing that was written by somebody; `None` if it is none, or has a name that leads elsewhere.
    pub(super) fn checked(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (_, name) = entry(&mut rest)?;
            let leads_elsewhere = |&byte: &u8| byte == 0 || std::path::is_separator(byte.into()) || is_prefix(byte);
            if matches!(name, b"" | b"." | b"..") || name.iter().any(leads_elsewhere) {
                return None;
            }
        }
        Some(Self(bytes.into()))
    }

    /// A listing that was checked before.
    pub(super) const fn known(bytes: &'a [u8]) -> Self {
        Self(Cow::Borrowed(bytes))
    }

    /// The kind and the name of each entry.
    pub(super) fn entries(&self) -> impl Iterator<Item = (Kind, &[u8])> {
        let mut rest = &*self.0;
        std::iter::from_fn(move || entry(&mut rest))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a name with this byte could begin with a drive.
fn is_prefix(byte: u8) -> bool {
    cfg!(windows) && byte == b':'
}

fn entry<'a>(rest: &mut &'a [u8]) -> Option<(Kind, &'a [u8])> {
    let kind = match split(rest)? {
        [0] => Kind::File,
        [1] => Kind::Folder,
        [2] => Kind::Link,
        _ => return None,
    };
    Some((kind, split_bytes(rest)?))
}

/// Takes the first `N` bytes off.
pub(super) fn split<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, others) = rest.split_first_chunk()?;
    *rest = others;
    Some(*first)
}

/// Takes bytes off that begin with their number.
pub(super) fn split_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(split(rest)?);
    let (bytes, others) = rest.split_at_checked(length as usize)?;
    *rest = others;
    Some(bytes)
}
