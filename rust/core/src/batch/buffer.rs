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
    alloc::{Layout, alloc_zeroed, dealloc},
    any::Any,
    fmt,
    ptr::NonNull,
    sync::{PoisonError, Weak},
};

use super::pool::Pool;
use crate::{
    Result,
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Blocks start at a cache line, which is also what torch's own CPU allocator guarantees.
pub(super) const ALIGNMENT: usize = 64;

/// A block of zeroed or recycled memory. Goes back to its pool when dropped.
pub struct Buffer {
    /// What was allocated: `capacity + ALIGNMENT` bytes, with the block somewhere in them.
    allocated: NonNull<u8>,
    start: NonNull<u8>,
    capacity: usize,
    len: usize,
    pool: Option<Weak<Pool>>,
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

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let &mut Self { allocated, start, capacity, len, .. } = self;
            let block = Buffer { allocated, start, capacity, len, pool: None };
            // What the pool does not keep is freed by the branch below; so is all of it once the pool is gone.
            drop(match pool.upgrade() {
                Some(pool) => pool.give_back(block),
                None => vec![block],
            });
        } else {
            // SAFETY: the block was allocated with this very layout, and a Buffer without a pool is its last owner.
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
///
/// A slot is valid until it is counted as done, and the memory is here until it is handed out, which it is not before all
/// slots are done. After that nothing here touches it: a thread that still holds the slots keeps no memory alive.
#[derive(Debug)]
pub struct Slots {
    /// Unset until there is memory for the images.
    images: OnceLock<Strip>,
    targets: Strip,
    len: usize,
    next: AtomicUsize,
    /// The slots that are not done.
    left: AtomicUsize,
    /// Of the images and of the targets, until it is handed out.
    memory: Mutex<(Option<Memory>, Option<Memory>)>,
}

/// The slots of a block: where the first begins, and the bytes of each.
#[derive(Debug, Clone, Copy)]
struct Strip {
    start: NonNull<u8>,
    bytes: usize,
}

impl Strip {
    fn new(memory: &Memory, len: usize) -> Self {
        assert!(memory.len.is_multiple_of(len), "slots of unequal size");
        Self { start: memory.start, bytes: memory.len / len }
    }

    /// The slot at `position`.
    ///
    /// # Safety
    /// The memory is `position + 1` slots long or longer, lives for `'a`, and nobody else touches this slot meanwhile.
    unsafe fn cut<'a>(&self, position: usize) -> &'a mut [u8] {
        // SAFETY: as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr().add(position * self.bytes), self.bytes) }
    }
}

// SAFETY: an address and a number; who may touch the bytes is Slots' business.
unsafe impl Send for Strip {}
// SAFETY: as above.
unsafe impl Sync for Strip {}

/// The memory of one sample, given to one thread.
#[derive(Debug)]
pub struct Slot<'a> {
    /// The sample's position in the batch.
    pub position: usize,
    /// Where its image goes. For this module alone, which must not keep it for longer than the slot.
    pub(super) image: &'a mut [u8],
    /// Where its target goes; as above.
    pub(super) target: &'a mut [u8],
}

impl Slots {
    /// `len` slots of equal size in `targets`, and in `images` where they are known to be of one size.
    ///
    /// # Panics
    /// If either cannot be cut into `len` equal parts.
    #[must_use]
    pub fn new(images: Option<Memory>, targets: Memory, len: usize) -> Self {
        assert!(len > 0, "no slots");
        Self {
            images: images.as_ref().map_or_else(OnceLock::new, |images| Strip::new(images, len).into()),
            targets: Strip::new(&targets, len),
            len,
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(len),
            memory: Mutex::new((images, Some(targets))),
        }
    }

    /// Gives a slot its part of the images' memory, which `make` makes for whoever comes first.
    ///
    /// # Errors
    /// That of `make`; it is asked again for the next slot.
    ///
    /// # Panics
    /// If that memory cannot be cut into equal parts.
    pub(super) fn provide<'a>(&'a self, slot: &mut Slot<'a>, make: impl FnOnce() -> Result<Memory>) -> Result<()> {
        let provide = || -> Result<Strip> {
            // Whoever else comes first waits here, and then finds it there.
            let mut memory = self.lock();
            if let Some(strip) = self.images.get() {
                return Ok(*strip);
            }
            let images = make()?;
            let strip = Strip::new(&images, self.len);
            memory.0 = Some(images);
            Ok(*self.images.get_or_init(|| strip))
        };
        let strip = self.images.get().copied().map_or_else(provide, Ok)?;
        // SAFETY: as in `claim`: the slot is the only one of its position.
        slot.image = unsafe { strip.cut(slot.position) };
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, (Option<Memory>, Option<Memory>)> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Up to `most` slots that follow each other and no one has yet; none when all are given out.
    pub(super) fn claim(&self, most: usize) -> impl ExactSizeIterator<Item = Slot<'_>> {
        // Looking first keeps threads that come late from counting the counter round.
        let first = match self.next.load(Ordering::Relaxed) {
            next if next < self.len => self.next.fetch_add(most, Ordering::Relaxed).min(self.len),
            _ => self.len,
        };
        // SAFETY: position < len, and the memory is not handed out before this slot is done. The counter gives each
        // position out once, and slots do not overlap, so this is the only access to these bytes.
        let cut = |strip: &Strip, position| unsafe { strip.cut(position) };
        (first..self.len.min(first + most)).map(move |position| Slot {
            position,
            image: self.images.get().map_or(&mut [], |images| cut(images, position)),
            target: cut(&self.targets, position),
        })
    }

    /// Takes `count` slots back, which the caller has let go of. Returns whether they were the last.
    pub(super) fn done(&self, count: usize) -> bool {
        // Release what was written to the slots; who sees that none is left acquires all of it.
        self.left.fetch_sub(count, Ordering::AcqRel) == count
    }

    /// Gives slots back unmade, from `position` on, of those that were claimed up to `end` and that the caller has let go
    /// of: they will be claimed again. Not where others were claimed meanwhile: these are then never done.
    pub(super) fn unclaim(&self, position: usize, end: usize) {
        // A slot is in two hands at no time: the counter only goes back where nobody has what is behind it.
        let _ = self.next.compare_exchange(end, position, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether all slots are done.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// The memory of all images, if there is any, and of all targets: once, and not before all slots are done.
    #[must_use]
    pub(super) fn hand_out(&self) -> (Option<Memory>, Option<Memory>) {
        if self.is_done() { std::mem::take(&mut *self.lock()) } else { (None, None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_is_claimed_once() {
        let pool = Pool::new(0);
        for late in [false, true] {
            let images = (!late).then(|| pool.take(3000).into());
            every_slot_of(&Slots::new(images, pool.take(300).into(), 300), || Ok(pool.try_take(3000)?.into()));
        }
    }

    #[test]
    fn slots_given_back_are_claimed_again() {
        let pool = Pool::new(0);
        let slots = Slots::new(Some(pool.take(50).into()), pool.take(5).into(), 5);
        let positions = |most| slots.claim(most).map(|slot| slot.position).collect::<Vec<_>>();
        assert_eq!(positions(3), [0, 1, 2]);
        assert!(!slots.done(1));
        slots.unclaim(1, 3);
        assert_eq!(positions(3), [1, 2, 3]);
        assert_eq!(positions(3), [4], "the last are fewer");
        slots.unclaim(4, 7);
        assert_eq!(positions(1), [4]);
        // Others were claimed meanwhile: nobody gets a slot that somebody has.
        slots.unclaim(1, 4);
        assert!(positions(3).is_empty());
        assert!(slots.done(4));
    }

    fn every_slot_of(slots: &Slots, images: impl Fn() -> Result<Memory> + Sync) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for most in (1..9).cycle() {
                        let claimed = slots.claim(most);
                        let count = claimed.len();
                        if count == 0 {
                            break;
                        }
                        for mut slot in claimed {
                            slots.provide(&mut slot, &images).unwrap();
                            slot.image.iter_mut().for_each(|b| *b += 1);
                            slot.target[0] += slot.position as u8;
                        }
                        assert!(slots.hand_out().1.is_none(), "these slots are not done");
                        slots.done(count);
                    }
                });
            }
        });
        assert_eq!(slots.claim(3).len(), 0);
        let (Some(images), Some(targets)) = slots.hand_out() else { panic!("all are done") };
        assert_eq!((images.len(), targets.len()), (3000, 300));
        // SAFETY: the threads are joined, so nobody writes any more.
        let bytes = |memory: &Memory| unsafe { std::slice::from_raw_parts(memory.start().as_ptr(), memory.len()) };
        assert!(bytes(&images).iter().all(|&b| b == 1));
        assert!(bytes(&targets).iter().enumerate().all(|(position, &b)| b == position as u8));
        assert!(slots.hand_out().0.is_none());
    }
}

/// In many orders of what threads do: `make shuttle`.
#[cfg(all(test, shuttle))]
mod orders {
    use std::sync::Arc;

    use super::*;

    fn claim_and_give_back(late: bool) {
        let pool = Pool::new(0);
        let images = || pool.take(4).into();
        let slots = Arc::new(Slots::new((!late).then(images), pool.take(4).into(), 4));
        let threads = [(); 3].map(|()| {
            let (slots, pool) = (Arc::clone(&slots), Arc::clone(&pool));
            shuttle::thread::spawn(move || {
                let mut last = false;
                loop {
                    let claimed = slots.claim(2);
                    let count = claimed.len();
                    if count == 0 {
                        return last;
                    }
                    for mut slot in claimed {
                        slots.provide(&mut slot, || Ok(pool.try_take(4)?.into())).unwrap();
                        slot.image[0] += 1;
                        slot.target[0] += 1;
                    }
                    last = slots.done(count);
                }
            })
        });
        let last = threads.map(|thread| thread.join().unwrap());
        assert_eq!(last.iter().filter(|&&last| last).count(), 1, "one thread is told that it was the last");
        let (Some(images), Some(targets)) = slots.hand_out() else { panic!("all are done") };
        for memory in [images, targets] {
            // SAFETY: the threads are joined, so nobody writes any more.
            assert_eq!(unsafe { std::slice::from_raw_parts(memory.start().as_ptr(), 4) }, [1; 4]);
        }
    }

    #[test]
    fn slots_are_claimed_once_and_handed_out_by_the_last() {
        for late in [false, true] {
            shuttle::check_random(move || claim_and_give_back(late), 10_000);
            shuttle::check_pct(move || claim_and_give_back(late), 10_000, 3);
        }
    }
}
