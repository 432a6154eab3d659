//! A file with the entries of a dataset's folders, so that folders that did not change are not listed again.
//!
//! A folder whose state is what it was then is not listed: adding, removing or renaming anything in it changes its times.
//! The file is made of
//!
//! - [`MAGIC`], which names the version of the format; another is a foreign file;
//! - the CRC-32 of all that follows;
//! - for each folder: its path from the root, its inode and its two times in nanoseconds, and its [`Listing`]. Numbers are
//!   little-endian, and bytes begin with their number.
//!
//! A file that is anything else counts as empty, and all is listed again.

use std::{
    collections::HashMap,
    fs, io,
    ops::Range,
    path::Path,
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::listing::{Listing, split, split_bytes};

const MAGIC: &[u8] = b"torchfeed folder index, version 1\n";

/// The state of a folder. It changes with the folder's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    modified: i64,
    /// When anything about it changed; not to be set by anybody, unlike `modified`.
    changed: i64,
}

impl Stamp {
    #[cfg(unix)]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let time = |seconds: i64, nanoseconds: i64| seconds.saturating_mul(1_000_000_000).saturating_add(nanoseconds);
        Self {
            inode: metadata.ino(),
            modified: time(metadata.mtime(), metadata.mtime_nsec()),
            changed: time(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Without inodes, the time at which the folder was made stands for its identity.
    #[cfg(not(unix))]
    pub(super) fn of(metadata: &fs::Metadata) -> Self {
        let time = |time: io::Result<SystemTime>| time.map_or(0, nanoseconds);
        let modified = time(metadata.modified());
        Self { inode: time(metadata.created()) as u64, modified, changed: modified }
    }

    /// Whether the folder had not changed for so long at `now` that a later change is sure to show.
    pub(super) fn is_settled(&self, now: SystemTime, settled: Duration) -> bool {
        let latest = self.modified.max(self.changed);
        nanoseconds(now).saturating_sub(latest) >= i64::try_from(settled.as_nanos()).unwrap_or(i64::MAX)
    }
}

fn nanoseconds(time: SystemTime) -> i64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// A folder, for the file.
#[derive(Debug)]
pub(super) struct Record<'a> {
    /// Its path from the root.
    pub(super) key: Vec<u8>,
    pub(super) stamp: Stamp,
    pub(super) listing: Listing<'a>,
    /// Whether it is not in the file yet.
    pub(super) is_new: bool,
}

/// The content of an index's file.
#[derive(Debug, Default)]
pub(super) struct Index {
    data: Vec<u8>,
    folders: HashMap<Vec<u8>, (Stamp, Range<usize>)>,
}

impl Index {
    /// Reads the index in a file. It is empty if there is no file, or if the file is broken or of another version.
    pub(super) fn load(path: &Path) -> Self {
        let read = || fs::metadata(path).ok()?.is_file().then(|| fs::read(path).ok())?;
        read().and_then(Self::parse).unwrap_or_default()
    }

    fn parse(data: Vec<u8>) -> Option<Self> {
        let mut rest = data.strip_prefix(MAGIC)?;
        if u32::from_le_bytes(split(&mut rest)?) != crc32fast::hash(rest) {
            return None;
        }
        let mut folders = HashMap::new();
        while !rest.is_empty() {
            let key = split_bytes(&mut rest)?.to_vec();
            let stamp = Stamp {
                inode: u64::from_le_bytes(split(&mut rest)?),
                modified: i64::from_le_bytes(split(&mut rest)?),
                changed: i64::from_le_bytes(split(&mut rest)?),
            };
            let listing = split_bytes(&mut rest)?;
            Listing::checked(listing)?;
            let end = data.len() - rest.len();
            folders.insert(key, (stamp, end - listing.len()..end));
        }
        Some(Self { data, folders })
    }

    /// The entries of a folder, if its state did not change.
    pub(super) fn get(&self, key: &[u8], stamp: Stamp) -> Option<Listing<'_>> {
        let (then, range) = self.folders.get(key)?;
        (*then == stamp).then(|| Listing::known(&self.data[range.clone()]))
    }

    /// Whether a file of `records` would be another.
    pub(super) fn differs(&self, records: &[Record<'_>]) -> bool {
        records.len() != self.folders.len() || records.iter().any(|record| record.is_new)
    }
}

/// Puts a file of `records` in the place of the one at `path`, if there is one: all of it or nothing.
///
/// # Errors
/// Where it cannot be written.
pub(super) fn save(path: &Path, records: &[Record<'_>]) -> io::Result<()> {
    let mut body = Vec::new();
    for Record { key, stamp, listing, .. } in records {
        body.extend_from_slice(&length(key)?);
        body.extend_from_slice(key);
        body.extend_from_slice(&stamp.inode.to_le_bytes());
        body.extend_from_slice(&stamp.modified.to_le_bytes());
        body.extend_from_slice(&stamp.changed.to_le_bytes());
        body.extend_from_slice(&length(listing.bytes())?);
        body.extend_from_slice(listing.bytes());
    }
    let data = [MAGIC, &crc32fast::hash(&body).to_le_bytes(), &body].concat();
    // A name that nobody else writes to, in the same folder: a file can be moved over another one there.
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{}-{}.tmp", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
    let written = fs::write(&temporary, data).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn length(bytes: &[u8]) -> io::Result<[u8; 4]> {
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::other("a folder too large for an index"))?;
    Ok(length.to_le_bytes())
}
