//! Memory for batches that is used again. [`block`] says why.

pub mod block;

use std::sync::Arc;

use crate::{
    Error, Result,
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering},
    },
};
use block::{ALIGNMENT, Block};

/// Blocks that wait to be used again.
///
/// Blocks that are handed out hold no pool: when it goes, so do the blocks that it keeps.
#[derive(Debug)]
pub struct Pool {
    /// Oldest first.
    free: Mutex<Vec<Block>>,
    blocks: usize,
    /// See [`Pool::set_limit`].
    limit: AtomicUsize,
    handed_out: AtomicUsize,
    kept: AtomicUsize,
    most: AtomicUsize,
    /// The process that made the pool.
    process: u32,
}

/// The bytes of a [`Pool`]'s blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Of those in use.
    pub handed_out: usize,
    /// Of those that wait to be used again.
    pub kept: usize,
    /// The most that both ever were together.
    pub most: usize,
}

impl Pool {
    /// A pool that keeps at most `blocks` free blocks.
    #[must_use]
    pub fn new(blocks: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Mutex::default(),
            blocks,
            limit: AtomicUsize::new(usize::MAX),
            handed_out: AtomicUsize::new(0),
            kept: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            process: std::process::id(),
        })
    }

    /// The most free blocks that it keeps.
    #[must_use]
    pub const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Keeps free blocks only as long as they and those in use are at most `bytes` together. Blocks in use may be more.
    pub fn set_limit(&self, bytes: usize) {
        self.limit.store(bytes, Ordering::Relaxed);
        drop(self.lock().map(|mut free| self.surplus(&mut free)));
    }

    /// The free blocks. `None` where waiting for them could be for ever: in a forked child, while a thread holds them
    /// that stayed in the parent.
    fn lock(&self) -> Option<MutexGuard<'_, Vec<Block>>> {
        // Its critical sections are a few moves and counts, which do not panic.
        if self.process == std::process::id() { self.free.lock().ok() } else { self.free.try_lock().ok() }
    }

    /// A block of `len` bytes. Its content is unspecified: zeros, or what was there before.
    ///
    /// # Panics
    /// If there is not enough memory: [`Pool::try_take`] is for sizes that somebody else has chosen.
    #[must_use]
    pub fn take(self: &Arc<Self>, len: usize) -> Block {
        self.try_take(len).expect("memory for a block")
    }

    /// [`Pool::take`], if there is enough memory for the block in the place of those that wait to be used again.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub fn try_take(self: &Arc<Self>, len: usize) -> Result<Block> {
        let mut free = self.lock();
        let recycled = free.as_mut().and_then(|free| {
            // Newest first: it is the warmest. A block twice as long as asked for would waste memory.
            let most = len.max(ALIGNMENT).saturating_mul(2);
            let found = free.iter().rposition(|b| (len..=most).contains(&b.capacity()))?;
            let block = free.remove(found);
            self.kept.fetch_sub(block.capacity(), Ordering::Relaxed);
            Some(block)
        });
        let mut block = recycled.or_else(|| Block::fresh(len));
        if block.is_none()
            && let Some(free) = &mut free
        {
            free.clear();
            self.kept.store(0, Ordering::Relaxed);
            block = Block::fresh(len);
        }
        let block = block.ok_or(Error::Memory(len))?;
        let handed_out = self.handed_out.fetch_add(block.capacity(), Ordering::Relaxed) + block.capacity();
        let surplus = free.as_mut().map(|free| self.surplus(free));
        self.most.fetch_max(handed_out + self.kept.load(Ordering::Relaxed), Ordering::Relaxed);
        drop(free);
        drop(surplus);
        Ok(block.lent(len, Arc::downgrade(self)))
    }

    /// Keeps a block, in the place of older ones where there are enough. Returns those to free.
    pub(super) fn give_back(&self, block: Block) -> Vec<Block> {
        let mut free = self.lock();
        self.handed_out.fetch_sub(block.capacity(), Ordering::Relaxed);
        let Some(free) = &mut free else { return vec![block] };
        self.kept.fetch_add(block.capacity(), Ordering::Relaxed);
        free.push(block);
        self.surplus(free)
    }

    /// Takes the oldest blocks away until those that are left are within the limits.
    fn surplus(&self, free: &mut Vec<Block>) -> Vec<Block> {
        let (mut count, mut kept) = (0, self.kept.load(Ordering::Relaxed));
        let most = self.limit.load(Ordering::Relaxed).saturating_sub(self.handed_out.load(Ordering::Relaxed));
        while count < free.len() && (kept > most || free.len() - count > self.blocks) {
            kept -= free[count].capacity();
            count += 1;
        }
        self.kept.store(kept, Ordering::Relaxed);
        free.drain(..count).collect()
    }

    /// The memory in use and that which waits for it.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let _free = self.lock();
        let read = |number: &AtomicUsize| number.load(Ordering::Relaxed);
        Usage { handed_out: read(&self.handed_out), kept: read(&self.kept), most: read(&self.most) }
    }

    /// The number of free blocks.
    #[must_use]
    pub fn free_blocks(&self) -> usize {
        self.lock().map_or(0, |free| free.len())
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
        assert!(pool.take(100).capacity() < 1 << 10);
    }

    #[test]
    fn free_blocks_are_kept_within_a_limit() {
        let pool = Pool::new(usize::MAX);
        pool.set_limit(4096);
        let usage = |handed_out, kept, most| Usage { handed_out, kept, most };
        let mut blocks: Vec<_> = (0..6).map(|_| pool.take(1024)).collect();
        assert_eq!(pool.usage(), usage(6144, 0, 6144), "blocks in use are not limited");
        drop(blocks.split_off(3));
        assert_eq!(pool.usage(), usage(3072, 1024, 6144));
        // None of that size is free: the one that is makes room.
        let other = pool.take(128);
        assert_eq!(pool.usage(), usage(3200, 0, 6144));
        drop((other, blocks));
        assert_eq!(pool.usage(), usage(0, 3200, 6144));
        pool.set_limit(2000);
        assert_eq!(pool.usage(), usage(0, 1024, 6144));
    }

    /// Whoever asks for a block is not to wait for its pages: those who fill it touch them.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_fresh_block_takes_no_memory_before_it_is_filled() {
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        let before = resident();
        let mut block = Pool::new(0).take(1 << 28);
        assert!(resident() < before + (1 << 27));
        block.bytes_mut().fill(1);
        assert!(resident() >= before + (1 << 27));
    }

    #[test]
    fn memory_that_cannot_be_had_is_an_error_after_what_is_free_went() {
        let pool = Pool::new(2);
        drop(pool.take(1000));
        for len in [usize::MAX, usize::MAX - ALIGNMENT, isize::MAX as usize - 2 * ALIGNMENT] {
            assert!(matches!(pool.try_take(len), Err(Error::Memory(bytes)) if bytes == len));
            assert_eq!(pool.usage(), Usage { handed_out: 0, kept: 0, most: 1024 });
        }
        assert_eq!(pool.take(1000).bytes().len(), 1000);
    }

    #[test]
    fn a_block_in_use_keeps_no_others() {
        let pool = Pool::new(8);
        let (kept, gone) = (pool.take(64), Arc::downgrade(&pool));
        drop(pool.take(1 << 16));
        drop(pool);
        assert!(gone.upgrade().is_none());
        assert_eq!(kept.bytes().len(), 64);
    }
}
