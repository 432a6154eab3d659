//! Output memory: recycled blocks, and slots that threads fill side by side.
//!
//! The first touch of fresh memory costs some twenty times a refill (page faults), so blocks go back to a [`Pool`]
//! when their last user lets go of them.
//!
//! This is one of the crate's unsafe addresses. The two invariants that everything here rests on:
//! - a [`Memory`] is the only way to its bytes for as long as it lives, but for views that its user hands out after
//!   it is filled;
//! - [`Slots::claim`] gives every slot out once.
#![allow(unsafe_code)]

use std::{
    alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error},
    any::Any,
    fmt,
    ptr::NonNull,
    sync::Arc,
};

use crate::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

/// Blocks start at a cache line, which is also what torch's own CPU allocator guarantees.
const ALIGNMENT: usize = 64;

/// A block of zeroed or recycled memory. Goes back to its pool when dropped.
pub struct Buffer {
    start: NonNull<u8>,
    capacity: usize,
    len: usize,
    pool: Option<Arc<Pool>>,
}

// SAFETY: a Buffer owns its block, as a Box<[u8]> does; nothing in it is bound to a thread.
unsafe impl Send for Buffer {}
// SAFETY: shared access gives shared bytes only, as with a Box<[u8]>.
unsafe impl Sync for Buffer {}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} of {} bytes)", self.len, self.capacity)
    }
}

impl Buffer {
    fn layout(capacity: usize) -> Layout {
        Layout::from_size_align(capacity, ALIGNMENT).expect("a block below isize::MAX bytes")
    }

    /// A fresh block of `len` bytes that belongs to no pool.
    fn fresh(len: usize) -> Self {
        let capacity = len.max(1).next_multiple_of(ALIGNMENT);
        let layout = Self::layout(capacity);
        // SAFETY: the layout's size is at least 64, so not zero.
        let start = unsafe { alloc_zeroed(layout) };
        let Some(start) = NonNull::new(start) else { handle_alloc_error(layout) };
        Self { start, capacity, len, pool: None }
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

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let block = Buffer { start: self.start, capacity: self.capacity, len: self.len, pool: None };
            // If the pool does not keep it, the block is dropped here, and freed by the branch below.
            drop(pool.give_back(block));
        } else {
            // SAFETY: the block was allocated with this very layout, and a Buffer without a pool is its last owner.
            unsafe { dealloc(self.start.as_ptr(), Self::layout(self.capacity)) };
        }
    }
}

/// Blocks that wait to be used again.
pub struct Pool {
    free: Mutex<Vec<Buffer>>,
    most: usize,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("most", &self.most).finish_non_exhaustive()
    }
}

impl Pool {
    /// A pool that keeps at most `most` free blocks.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { free: Mutex::new(Vec::new()), most })
    }

    /// A block of `len` bytes. Its content is unspecified: zeros, or what was there before.
    ///
    /// Never waits: where another thread holds the pool, and in a forked child where a thread that is gone holds it
    /// for ever, the block is a fresh one.
    #[must_use]
    pub fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let recycled = self.free.try_lock().ok().and_then(|mut free| {
            // Newest first: it is the warmest. A block twice as long as asked for would waste memory.
            let found = free.iter().rposition(|b| (len..=2 * len.max(ALIGNMENT)).contains(&b.capacity))?;
            Some(free.remove(found))
        });
        let mut buffer = recycled.unwrap_or_else(|| Buffer::fresh(len));
        buffer.len = len;
        buffer.pool = Some(Arc::clone(self));
        buffer
    }

    /// Keeps a block, in the place of the oldest one where there are enough. Returns the one to free.
    fn give_back(&self, block: Buffer) -> Option<Buffer> {
        let Ok(mut free) = self.free.try_lock() else { return Some(block) };
        if self.most == 0 {
            return Some(block);
        }
        free.push(block);
        (free.len() > self.most).then(|| free.remove(0))
    }

    /// The number of free blocks.
    #[must_use]
    pub fn free_blocks(&self) -> usize {
        self.free.lock().map_or(0, |free| free.len())
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

impl From<Buffer> for Memory {
    fn from(buffer: Buffer) -> Self {
        Self { start: buffer.start, len: buffer.len, _owner: Box::new(buffer) }
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

/// A batch's images and targets, cut into one slot per sample.
#[derive(Debug)]
pub struct Slots {
    images: Arc<Memory>,
    targets: Arc<Memory>,
    len: usize,
    next: AtomicUsize,
}

/// The memory of one sample, given to one thread.
#[derive(Debug)]
pub struct Slot<'a> {
    /// The sample's position in the batch.
    pub position: usize,
    /// Where its image goes.
    pub image: &'a mut [u8],
    /// Where its target goes.
    pub target: &'a mut [u8],
}

impl Slots {
    /// `len` slots of equal size in `images` and in `targets`.
    ///
    /// # Panics
    /// If either cannot be cut into `len` equal parts.
    #[must_use]
    pub fn new(images: Memory, targets: Memory, len: usize) -> Self {
        assert!(images.len.is_multiple_of(len) && targets.len.is_multiple_of(len), "slots of unequal size");
        assert!(len > 0, "no slots");
        Self { images: Arc::new(images), targets: Arc::new(targets), len, next: AtomicUsize::new(0) }
    }

    /// A slot that no one has yet, or `None` when all are given out.
    pub fn claim(&self) -> Option<Slot<'_>> {
        // Looking first keeps threads that come late from counting the counter round.
        if self.next.load(Ordering::Relaxed) >= self.len {
            return None;
        }
        let position = self.next.fetch_add(1, Ordering::Relaxed);
        if position >= self.len {
            return None;
        }
        let cut = |memory: &Memory| {
            let bytes = memory.len / self.len;
            // SAFETY: position < len, so the slot is within the memory, which lives as long as self. The counter
            // gives each position out once, and slots do not overlap, so this is the only access to these bytes.
            unsafe { std::slice::from_raw_parts_mut(memory.start.as_ptr().add(position * bytes), bytes) }
        };
        Some(Slot { position, image: cut(&self.images), target: cut(&self.targets) })
    }

    /// The memory of all images.
    #[must_use]
    pub const fn images(&self) -> &Arc<Memory> {
        &self.images
    }

    /// The memory of all targets.
    #[must_use]
    pub const fn targets(&self) -> &Arc<Memory> {
        &self.targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_recycled_up_to_a_number() {
        let pool = Pool::new(2);
        let first = pool.take(1000);
        let address = first.bytes().as_ptr() as usize;
        assert_eq!(address % ALIGNMENT, 0);
        drop(first);
        let again = pool.take(900);
        assert_eq!((again.bytes().as_ptr() as usize, again.bytes().len()), (address, 900));
        assert_ne!(pool.take(1000).bytes().as_ptr() as usize, address);
        let many: Vec<_> = (0..5).map(|_| pool.take(64)).collect();
        drop(many);
        assert_eq!(pool.free_blocks(), 2);
    }

    #[test]
    fn a_much_longer_block_is_not_wasted() {
        let pool = Pool::new(4);
        drop(pool.take(1 << 20));
        assert!(pool.take(100).capacity < 1 << 10);
    }

    #[test]
    fn every_slot_is_claimed_once() {
        let pool = Pool::new(0);
        let slots = Slots::new(pool.take(3000).into(), pool.take(300).into(), 300);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    while let Some(slot) = slots.claim() {
                        slot.image.iter_mut().for_each(|b| *b += 1);
                        slot.target[0] += 1;
                    }
                });
            }
        });
        assert!(slots.claim().is_none());
        // SAFETY: the threads are joined, so nobody writes any more.
        let images = unsafe { std::slice::from_raw_parts(slots.images().start().as_ptr(), 3000) };
        assert!(images.iter().all(|&b| b == 1));
    }
}
