//! Memory for batches: recycled blocks, and memory that somebody else allocated.
//!
//! The first touch of fresh memory costs some twenty times a refill (page faults). So a block goes back to a [`Pool`] when
//! its last user lets go of it.
//!
//! This file is one of the crate's unsafe addresses. Its invariant: a [`Memory`] is the only way to its bytes until the
//! batch in it is handed out.
#![allow(unsafe_code)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc},
    any::Any,
    fmt,
    ptr::NonNull,
    sync::Weak,
};

use super::Pool;

/// Blocks start at a cache line, which is also what torch's own CPU allocator guarantees.
pub(super) const ALIGNMENT: usize = 64;

/// A block of zeroed or recycled memory. Goes back to its pool when dropped.
pub struct Block {
    /// What was allocated: `capacity + ALIGNMENT` bytes, with the block somewhere in them.
    allocated: NonNull<u8>,
    start: NonNull<u8>,
    capacity: usize,
    len: usize,
    pool: Option<Weak<Pool>>,
}

// SAFETY: a Block owns its block, as a Box<[u8]> does; nothing in it is bound to a thread.
unsafe impl Send for Block {}
// SAFETY: shared access gives shared bytes only, as with a Box<[u8]>.
unsafe impl Sync for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block({} of {} bytes)", self.len, self.capacity)
    }
}

impl Block {
    /// Room for a block of `capacity` bytes, wherever its first cache line begins.
    ///
    /// An alignment of more than the allocator's own would make `alloc_zeroed` write the zeros, in the thread that asks: a
    /// page fault for every 4 KiB of every batch under way, before the first sample is begun. As it is, large blocks are
    /// fresh pages of the system's, and the first to touch one is the thread that fills it.
    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity + ALIGNMENT, 1).expect("a block below isize::MAX bytes")
    }

    /// A fresh block of `len` bytes that belongs to no pool; `None` where there is no memory for it.
    pub(super) fn fresh(len: usize) -> Option<Self> {
        let capacity = len.max(1).checked_next_multiple_of(ALIGNMENT)?;
        // More than a block can have is more than there is.
        let layout = Layout::from_size_align(capacity.checked_add(ALIGNMENT)?, 1).ok()?;
        // SAFETY: the layout's size is at least 128, so not zero.
        let allocated = unsafe { alloc_zeroed(layout) };
        let allocated = NonNull::new(allocated)?;
        // SAFETY: fewer than ALIGNMENT bytes further on there are still `capacity` bytes.
        let start = unsafe { allocated.add(allocated.align_offset(ALIGNMENT)) };
        Some(Self { allocated, start, capacity, len, pool: None })
    }

    /// The bytes that there is room for.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The block with `len` bytes in use, to go back to `pool`.
    ///
    /// # Panics
    /// If there is no room for so many.
    pub(super) fn lent(mut self, len: usize, pool: Weak<Pool>) -> Self {
        assert!(len <= self.capacity, "a block of {} bytes for {len}", self.capacity);
        (self.len, self.pool) = (len, Some(pool));
        self
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: the block is `capacity >= len` initialised bytes (zeroed when it was made), and lives as long as self.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.len) }
    }

    /// The bytes, to be written.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`, and `&mut self` makes this the only access.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.len) }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let &mut Self { allocated, start, capacity, len, .. } = self;
            let block = Block { allocated, start, capacity, len, pool: None };
            // What the pool does not keep is freed by the branch below; so is all of it once the pool is gone.
            drop(match pool.upgrade() {
                Some(pool) => pool.give_back(block),
                None => vec![block],
            });
        } else {
            // SAFETY: the block was allocated with this very layout, and a Block without a pool is its last owner.
            unsafe { dealloc(self.allocated.as_ptr(), Self::layout(self.capacity)) };
        }
    }
}

/// Memory for a batch: a block of our own, or somebody else's (a pinned tensor of torch).
pub struct Memory {
    start: NonNull<u8>,
    len: usize,
    _owner: Box<dyn Any + Send + Sync>,
}

// SAFETY: the owner is Send and Sync and keeps the bytes alive; see the module's invariants for who may touch them.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Memory({} bytes)", self.len)
    }
}

impl From<Block> for Memory {
    fn from(block: Block) -> Self {
        Self { start: block.start, len: block.len, _owner: Box::new(block) }
    }
}

impl Memory {
    /// The `len` bytes at `start`, which `owner` keeps alive.
    ///
    /// # Safety
    /// The bytes must be initialised, stay valid until `owner` is dropped, and be touched by nobody else until the
    /// batch that is written to them is handed out.
    #[must_use]
    pub unsafe fn foreign(start: NonNull<u8>, len: usize, owner: Box<dyn Any + Send + Sync>) -> Self {
        Self { start, len, _owner: owner }
    }

    /// The address of the first byte.
    #[must_use]
    pub const fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// The number of bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}
