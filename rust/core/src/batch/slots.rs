//! The memory of one batch, cut into a slot for each sample, which threads claim and fill side by side.
//!
//! A batch has one strip of memory for each field of its samples. A slot is a sample's part of every strip.
//!
//! This file is one of the crate's unsafe addresses. Three rules make it safe, and the types enforce them:
//! - a [`Claim`] holds positions that no other claim holds;
//! - bytes of a slot are reached only through a [`Slot`], which a claim lends, one at a time;
//! - memory is handed out only after every position was claimed and every claim ended, and it leaves the slots then.
#![allow(unsafe_code)]

use std::{ptr::NonNull, sync::PoisonError};

use smallvec::SmallVec;

use super::pool::block::Memory;
use crate::{
    Result,
    sync::{
        Mutex, MutexGuard, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

/// One value for each field. Two fields, an image and a target, take no memory of their own.
pub(super) type PerField<T> = SmallVec<[T; 2]>;

/// The slots of a batch.
#[derive(Debug)]
pub(super) struct Slots {
    /// A strip is unset until there is memory for its field.
    strips: PerField<OnceLock<StripAddress>>,
    len: usize,
    /// The first position that is not claimed: no claim holds a position from here on.
    next: AtomicUsize,
    /// The number of slots that are not done.
    left: AtomicUsize,
    /// The memory of each field, until it is handed out.
    memory: Mutex<PerField<Option<Memory>>>,
}

/// Where the first slot of a field begins, and the bytes of each slot.
#[derive(Debug, Clone, Copy)]
struct StripAddress {
    start: NonNull<u8>,
    bytes: usize,
}

// SAFETY: an address and a number; a claim decides who may touch the bytes.
unsafe impl Send for StripAddress {}
// SAFETY: as above.
unsafe impl Sync for StripAddress {}

impl StripAddress {
    fn new(memory: &Memory, len: usize) -> Self {
        assert!(memory.len().is_multiple_of(len), "slots of unequal size");
        Self { start: memory.start(), bytes: memory.len() / len }
    }
}

impl Slots {
    /// `len` slots in the memory of each field. `None` stands for memory that [`Slot::provide`] brings later.
    ///
    /// # Panics
    /// If there are no slots, or memory cannot be cut into `len` equal parts.
    pub(super) fn new(memory: PerField<Option<Memory>>, len: usize) -> Self {
        assert!(len > 0, "no slots");
        let strip = |memory: &Option<Memory>| match memory {
            Some(memory) => OnceLock::from(StripAddress::new(memory, len)),
            None => OnceLock::new(),
        };
        Self {
            strips: memory.iter().map(strip).collect(),
            len,
            next: AtomicUsize::new(0),
            left: AtomicUsize::new(len),
            memory: Mutex::new(memory),
        }
    }

    fn lock(&self) -> MutexGuard<'_, PerField<Option<Memory>>> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Claims up to `most` slots that follow each other; `None` when all are claimed.
    pub(super) fn claim(&self, most: usize) -> Option<Claim<'_>> {
        let end = |next: usize| next.saturating_add(most).min(self.len);
        // Acquires what a claim that gave its slots back has written to them.
        let claimed = self.next.fetch_update(Ordering::Acquire, Ordering::Relaxed, |next| {
            let end = end(next);
            (end > next).then_some(end)
        });
        let first = claimed.ok()?;
        Some(Claim { slots: self, first, next: first, end: end(first) })
    }

    /// Whether all slots are done.
    pub(super) fn is_done(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// The memory of each field that has some: once, and not before all slots are done.
    pub(super) fn hand_out(&self) -> Option<PerField<Option<Memory>>> {
        let memory = if self.is_done() { std::mem::take(&mut *self.lock()) } else { PerField::new() };
        (!memory.is_empty()).then_some(memory)
    }
}

/// Some slots that follow each other, claimed by one thread. However it ends, its slots count as done then, but for those
/// that it gave back.
#[derive(Debug)]
pub(super) struct Claim<'a> {
    slots: &'a Slots,
    /// The first position, the next one to be lent, and the one behind the last.
    first: usize,
    next: usize,
    end: usize,
}

impl Claim<'_> {
    /// Lends the next slot; `None` behind the last.
    pub(super) fn next_slot(&mut self) -> Option<Slot<'_>> {
        if self.next >= self.end {
            return None;
        }
        self.next += 1;
        Some(Slot { slots: self.slots, position: self.next - 1 })
    }

    /// Returns the slot that was lent last, and those behind it, to be claimed again.
    ///
    /// Only possible while no later slot is claimed. Otherwise the slots are lost, and the batch never becomes done: use
    /// it where one thread is at work, or when nobody waits for the batch.
    pub(super) fn give_back(&mut self) {
        let from = self.first.max(self.next.saturating_sub(1));
        // Where `next` is the end of this claim, nobody holds a position behind it. Releases what was written to the slots.
        let _ = self.slots.next.compare_exchange(self.end, from, Ordering::Release, Ordering::Relaxed);
        self.end = from;
    }

    /// Ends the claim. Returns whether its slots were the last to be done.
    pub(super) fn done(mut self) -> bool {
        self.count_as_done()
    }

    fn count_as_done(&mut self) -> bool {
        let count = self.end - self.first;
        self.first = self.end;
        // Releases what was written to the slots; who sees that none is left acquires all of it.
        count > 0 && self.slots.left.fetch_sub(count, Ordering::AcqRel) == count
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.count_as_done();
    }
}

/// One sample's part of every strip, lent by a [`Claim`].
#[derive(Debug)]
pub(super) struct Slot<'a> {
    slots: &'a Slots,
    position: usize,
}

impl Slot<'_> {
    /// The sample's position in the batch.
    pub(super) const fn position(&self) -> usize {
        self.position
    }

    /// The bytes of a field; none before there is memory for it.
    pub(super) fn bytes(&mut self, field: usize) -> &mut [u8] {
        let Some(strip) = self.slots.strips[field].get() else { return &mut [] };
        // SAFETY: The memory is `len` slots long, and `position` is below `len`. It stays here for as long as the claim
        // lives that lends this slot: it is not handed out before. The claim alone holds the position and lends it once,
        // slots do not overlap, and `&mut self` makes this the only access to the slot's part of this strip.
        unsafe { std::slice::from_raw_parts_mut(strip.start.as_ptr().add(self.position * strip.bytes), strip.bytes) }
    }

    /// Brings the memory of a field, which `make` makes for whoever comes first.
    ///
    /// # Errors
    /// That of `make`; it is asked again for the next slot.
    ///
    /// # Panics
    /// If that memory cannot be cut into equal parts.
    pub(super) fn provide(&mut self, field: usize, make: impl FnOnce() -> Result<Memory>) -> Result<()> {
        let Slots { strips, len, .. } = self.slots;
        if strips[field].get().is_none() {
            // Whoever else comes first waits here, and then finds it there.
            let mut memory = self.slots.lock();
            if strips[field].get().is_none() {
                let made = make()?;
                let strip = StripAddress::new(&made, *len);
                memory[field] = Some(made);
                strips[field].get_or_init(|| strip);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::pool::Pool;
    use std::sync::Arc;

    fn take(pool: &Arc<Pool>, len: usize) -> Option<Memory> {
        Some(pool.take(len).into())
    }

    #[test]
    fn every_slot_is_claimed_once() {
        let pool = Pool::new(0);
        for late in [false, true] {
            let images = if late { None } else { take(&pool, 3000) };
            let slots = Slots::new([images, take(&pool, 300)].into_iter().collect(), 300);
            every_slot_of(&slots, || Ok(pool.try_take(3000)?.into()));
        }
    }

    fn positions(claim: &mut Claim<'_>) -> Vec<usize> {
        std::iter::from_fn(|| claim.next_slot().map(|slot| slot.position())).collect()
    }

    #[test]
    fn slots_given_back_are_claimed_again() {
        let slots = Slots::new([take(&Pool::new(0), 5)].into_iter().collect(), 5);
        let mut first = slots.claim(3).unwrap();
        assert_eq!(first.next_slot().unwrap().position(), 0);
        assert_eq!(first.next_slot().unwrap().position(), 1);
        first.give_back();
        assert!(first.next_slot().is_none());
        assert!(!first.done(), "the first is done, the others are back");
        let mut others = slots.claim(3).unwrap();
        assert_eq!(positions(&mut others), [1, 2, 3]);
        let mut last = slots.claim(3).unwrap();
        assert_eq!(last.next_slot().unwrap().position(), 4, "the last are fewer");
        last.give_back();
        assert!(!last.done(), "none of it");
        assert_eq!(positions(&mut slots.claim(usize::MAX).unwrap()), [4]);
        // Others were claimed meanwhile: nobody gets a slot that somebody has.
        others.give_back();
        assert!(slots.claim(3).is_none());
        assert!(!others.done());
        assert!(!slots.is_done() && slots.hand_out().is_none(), "a slot that is lost is never done");
    }

    #[test]
    fn a_claim_that_is_dropped_is_done() {
        let slots = Slots::new([take(&Pool::new(0), 4)].into_iter().collect(), 4);
        let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            let mut claim = slots.claim(3).unwrap();
            claim.next_slot().unwrap().bytes(0)[0] = 1;
            panic!("deliberate");
        }));
        assert!(panicked.is_err() && !slots.is_done());
        assert!(slots.claim(3).unwrap().done());
        assert!(slots.hand_out().is_some() && slots.hand_out().is_none());
    }

    fn every_slot_of(slots: &Slots, images: impl Fn() -> Result<Memory> + Sync) {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for most in (1..9).cycle() {
                        let Some(mut claim) = slots.claim(most) else { break };
                        while let Some(mut slot) = claim.next_slot() {
                            slot.provide(0, &images).unwrap();
                            slot.bytes(0).iter_mut().for_each(|b| *b += 1);
                            slot.bytes(1)[0] += slot.position() as u8;
                        }
                        assert!(slots.hand_out().is_none(), "these slots are not done");
                        claim.done();
                    }
                });
            }
        });
        assert!(slots.claim(3).is_none());
        let memory = slots.hand_out().expect("all are done");
        let [Some(images), Some(targets)] = &memory[..] else { panic!("both are there") };
        assert_eq!((images.len(), targets.len()), (3000, 300));
        // SAFETY: the threads are joined, so nobody writes any more.
        let bytes = |memory: &Memory| unsafe { std::slice::from_raw_parts(memory.start().as_ptr(), memory.len()) };
        assert!(bytes(images).iter().all(|&b| b == 1));
        assert!(bytes(targets).iter().enumerate().all(|(position, &b)| b == position as u8));
        assert!(slots.hand_out().is_none());
    }
}

/// In many orders of what threads do: `make shuttle`.
#[cfg(all(test, shuttle))]
mod orders {
    use std::sync::Arc;

    use super::*;
    use crate::batch::pool::Pool;

    /// Three threads fill four slots of two fields; the first time round, one of them gives back what it claimed.
    fn claim_and_give_back(late: bool) {
        let pool = Pool::new(0);
        let memory = || Some(pool.take(4).into());
        let slots = Arc::new(Slots::new([if late { None } else { memory() }, memory()].into_iter().collect(), 4));
        let threads = [(); 3].map(|()| {
            let (slots, pool) = (Arc::clone(&slots), Arc::clone(&pool));
            shuttle::thread::spawn(move || {
                let mut last = false;
                while let Some(mut claim) = slots.claim(2) {
                    while let Some(mut slot) = claim.next_slot() {
                        slot.provide(0, || Ok(pool.try_take(4)?.into())).unwrap();
                        slot.bytes(0)[0] += 1;
                        slot.bytes(1)[0] += 1;
                    }
                    last = claim.done();
                }
                last
            })
        });
        let last = threads.map(|thread| thread.join().unwrap());
        assert_eq!(last.iter().filter(|&&last| last).count(), 1, "one thread is told that it was the last");
        for memory in slots.hand_out().expect("all are done").into_iter().flatten() {
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

    /// A thread that gives slots back, beside one that claims: no slot has two owners, and the memory stays while one is
    /// written to.
    fn give_back_beside_others() {
        let slots = Arc::new(Slots::new([Some(Pool::new(0).take(3).into())].into_iter().collect(), 3));
        let held = Arc::new([(); 3].map(|()| AtomicUsize::new(0)));
        let fill = |slots: &Slots, held: &[AtomicUsize; 3], gives_back: bool| {
            while let Some(mut claim) = slots.claim(2) {
                while let Some(mut slot) = claim.next_slot() {
                    let holders = &held[slot.position()];
                    assert_eq!(holders.fetch_add(1, Ordering::Relaxed), 0, "a slot of somebody else");
                    slot.bytes(0)[0] += 1;
                    holders.fetch_sub(1, Ordering::Relaxed);
                    if gives_back {
                        claim.give_back();
                        return;
                    }
                }
                claim.done();
            }
        };
        let other = {
            let (slots, held) = (Arc::clone(&slots), Arc::clone(&held));
            shuttle::thread::spawn(move || fill(&slots, &held, true))
        };
        fill(&slots, &held, false);
        other.join().unwrap();
        fill(&slots, &held, false);
        assert_eq!(slots.hand_out().is_some(), slots.is_done());
    }

    #[test]
    fn slots_given_back_have_one_owner() {
        shuttle::check_random(give_back_beside_others, 10_000);
        shuttle::check_pct(give_back_beside_others, 10_000, 3);
    }
}
