//! Where the rows of JPEGs start, kept from epoch to epoch. A decode that knows the rows skips the entropy-coded data above
//! its crop and to the right of it.
//!
//! An entry belongs to a file's bytes, not to its path or its dates: a hash of all bytes tells whether it still applies. A
//! file that was replaced, cut or extended is simply unknown.

use std::{
    mem::size_of,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use torchfeed_jpeg::{Header, RowIndex};

/// The entry of one file: the hash of its bytes in [`HASH`] words, then its [`RowIndex`].
type Kept = Option<Box<[u16]>>;

const HASH: usize = 4;

/// A 64-bit hash of all bytes of a file. It tells the file from any other in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fingerprint([u16; HASH]);

impl Fingerprint {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let hash = rapidhash::v3::rapidhash_v3(bytes);
        Self(std::array::from_fn(|word| (hash >> (16 * word)) as u16))
    }
}

/// The row indexes of a dataset's JPEGs, by position, within a budget of memory. Threads share them, and no thread ever
/// waits for another.
#[derive(Debug)]
pub struct RowIndexes {
    entries: Box<[Mutex<Kept>]>,
    /// Bytes of all entries, the list of them included.
    used: AtomicUsize,
    /// The number of entries.
    images: AtomicUsize,
    budget: usize,
}

impl RowIndexes {
    /// Room for `len` images in at most `budget` bytes; `None` where the list itself would take more.
    #[must_use]
    pub fn new(len: usize, budget: usize) -> Option<Arc<Self>> {
        let used = len.checked_mul(size_of::<Mutex<Kept>>()).filter(|&bytes| bytes <= budget)?;
        let entries = (0..len).map(|_| Mutex::default()).collect();
        Some(Arc::new(Self { entries, used: used.into(), images: 0.into(), budget }))
    }

    /// Bytes in use; never more than the budget.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    /// The number of images that have an index.
    #[must_use]
    pub fn images(&self) -> usize {
        self.images.load(Ordering::Relaxed)
    }
}

/// The place of one image among [`RowIndexes`].
#[derive(Debug, Clone, Copy)]
pub struct RowIndexEntry<'a> {
    /// All of them.
    pub indexes: &'a RowIndexes,
    /// The image's position.
    pub at: usize,
}

impl RowIndexEntry<'_> {
    /// Calls `use_it` with the image's entry. Does nothing if another thread uses the entry, or used it when this process was
    /// forked off.
    fn with<R>(&self, use_it: impl FnOnce(&mut Kept) -> R) -> Option<R> {
        self.indexes.entries.get(self.at)?.try_lock().ok().map(|mut entry| use_it(&mut entry))
    }

    /// Copies the entry into `rows`, if it is about this `file`.
    pub(super) fn load(&self, file: Fingerprint, header: &Header, rows: &mut RowIndex) {
        rows.clear();
        self.with(|entry| {
            if let Some(words) = entry.as_deref().and_then(|entry| entry.strip_prefix(&file.0)) {
                rows.set_words(words, header);
            }
        });
    }

    /// Replaces the entry by `rows`, if there is room.
    pub(super) fn store(&self, file: Fingerprint, rows: &RowIndex) {
        let new: Box<[u16]> = [&file.0, rows.as_words()].concat().into();
        let RowIndexes { used, images, budget, .. } = self.indexes;
        let replaced = self.with(|entry| {
            let old = entry.as_deref().unwrap_or(&[]);
            if old.starts_with(&file.0) && old.len() >= new.len() {
                return None; // Another thread was faster.
            }
            let (old, bytes) = (size_of_val(old), size_of_val(&*new));
            let fit = |used: usize| Some(used - old + bytes).filter(|used| used <= budget);
            used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fit).ok()?;
            images.fetch_add(usize::from(entry.is_none()), Ordering::Relaxed);
            entry.replace(new)
        });
        drop(replaced); // Freed when the entry is free for others.
    }

    /// Whether there is an entry, or room for one.
    pub(super) fn is_of_use(&self) -> bool {
        self.indexes.bytes() + size_of::<[u16; 64]>() <= self.indexes.budget
            || self.with(|entry| entry.is_some()).unwrap_or(false)
    }
}

/// A loader's [`RowIndexes`], kept while its dataset has the same number of samples.
#[derive(Debug)]
pub struct RowIndexMemory {
    budget: usize,
    current: Mutex<Option<Arc<RowIndexes>>>,
}

impl RowIndexMemory {
    /// Memory of at most `budget` bytes.
    #[must_use]
    pub const fn new(budget: usize) -> Self {
        Self { budget, current: Mutex::new(None) }
    }

    /// The most bytes that it takes.
    #[must_use]
    pub const fn budget(&self) -> usize {
        self.budget
    }

    /// The row indexes of `len` images: the same as last time, if there were as many.
    #[must_use]
    pub fn indexes(&self, len: usize) -> Option<Arc<RowIndexes>> {
        // In a forked child a thread that is gone may hold it for ever.
        let mut current = self.current.try_lock().ok()?;
        if current.as_ref().is_none_or(|indexes| indexes.entries.len() != len) {
            *current = RowIndexes::new(len, self.budget);
        }
        current.clone()
    }

    /// How many images have an index, and the bytes of all.
    #[must_use]
    pub fn in_use(&self) -> (usize, usize) {
        let current = self.current.try_lock().ok().and_then(|current| current.clone());
        current.map_or((0, 0), |indexes| (indexes.images(), indexes.bytes()))
    }
}
