//! An allocator that takes large blocks from the system, page by page, and gives them back as soon as they are freed.
//!
//! glibc learns from the first large block that is freed to keep such blocks, up to 32 MiB, in the arena of the thread that
//! asked. There they stay when the thread has ended: sixteen threads that decoded photos leave hundreds of megabytes to a
//! process that has no use for them. The system's own pages belong to no arena. To take and to touch them costs
//! time, so whatever is needed for each sample is kept from sample to sample (see [`crate::batch::SampleScratch`]).
//!
//! A program chooses it with `#[global_allocator]`, as the Python extension does. Other systems' allocators give large
//! blocks back by themselves, and are used as they are.
//!
//! This is one of the crate's unsafe addresses.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};

/// Large blocks are the system's pages; all others are the system allocator's.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocator;

/// From so many bytes on a block is large. What the `png` crate takes for each image is less, but for very wide ones.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: usize = 1 << 19;

/// Returns to the system what other allocations than those of [`Allocator`] have left free, where the C library is one
/// that keeps it: of the whole process. It takes milliseconds.
pub fn trim() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    // SAFETY: the function has no preconditions; it locks what it works on.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Returns to the system what others than [`Allocator`] have left free in the arena of this thread, which is about to end.
///
/// [`trim`] leaves what is free at an arena's end, up to 64 MiB, where the arena is not the main thread's. Who takes that
/// memory owns it for the while, and may say that its pages are not needed.
pub fn release() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const PIECE: usize = 1 << 20;
        let mut pieces = [std::ptr::null_mut::<libc::c_void>(); 64];
        // SAFETY: the function has no preconditions.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as usize;
        for piece in &mut pieces {
            // SAFETY: a new block, which is freed below; only whole pages within it lose what is in them.
            unsafe {
                *piece = libc::malloc(PIECE);
                let skip = piece.cast::<u8>().align_offset(page);
                if !piece.is_null() && skip < PIECE {
                    libc::madvise(piece.byte_add(skip), (PIECE - skip) / page * page, libc::MADV_DONTNEED);
                }
            }
        }
        // The last first, so that they are one piece again.
        for piece in pieces.into_iter().rev() {
            // SAFETY: a block of `malloc`'s, or null.
            unsafe { libc::free(piece) };
        }
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
// SAFETY: every call is passed on to the system's allocator as it is.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps to the contract of this very function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod pages {
    use std::ptr::{copy_nonoverlapping, null_mut};

    use super::{Allocator, GlobalAlloc, LARGE, Layout, System};

    /// The smallest page that a system has.
    const PAGE: usize = 4096;

    /// From so many bytes on the system is asked for huge pages, if it has some: one fault for 2 MiB instead of 512. As in
    /// NumPy, whose blocks are huge from the same size on.
    const HUGE: usize = 1 << 22;

    /// Whether a block is the system's pages. It follows from the layout, which is known wherever the block is.
    const fn is_large(layout: Layout) -> bool {
        layout.size() >= LARGE && layout.align() <= PAGE
    }

    /// `size` zeroed bytes, not 0, which begin at a page; null where there is no memory.
    fn map(size: usize) -> *mut u8 {
        let (access, kind) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new mapping, wherever the system has room, takes nothing from anybody.
        let block = unsafe { libc::mmap(null_mut(), size, access, kind, -1, 0) };
        if block == libc::MAP_FAILED { null_mut() } else { with_huge_pages(block.cast(), size) }
    }

    /// The block, of whose pages as many may be huge as can. A kernel without them says so, and nothing is lost.
    fn with_huge_pages(block: *mut u8, size: usize) -> *mut u8 {
        if size >= HUGE {
            // SAFETY: a mapping of this size, of which only the way it is backed changes.
            unsafe { libc::madvise(block.cast(), size, libc::MADV_HUGEPAGE) };
        }
        block
    }

    // SAFETY: a block is `layout.size()` bytes of pages that are mapped for it alone, or the system allocator's. Which of
    // the two it is follows from its layout, so each is freed and grown by whoever made it. No call unwinds.
    unsafe impl GlobalAlloc for Allocator {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            if is_large(layout) {
                return map(layout.size());
            }
            // SAFETY: the caller keeps to the contract of this very function.
            unsafe { System.alloc(layout) }
        }

        unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
            if is_large(layout) {
                return map(layout.size());
            }
            // SAFETY: as above.
            unsafe { System.alloc_zeroed(layout) }
        }

        unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
            // SAFETY: the caller says that `size`, rounded up to the alignment, is a size that a layout may have.
            let new = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
            match (is_large(layout), is_large(new)) {
                // SAFETY: as in `alloc`.
                (false, false) => unsafe { System.realloc(block, layout, size) },
                (true, true) => {
                    // SAFETY: the block is a mapping of `layout.size()` bytes; where it cannot grow it stays as it is. The
                    // pages move, and nothing is copied.
                    let moved = unsafe { libc::mremap(block.cast(), layout.size(), size, libc::MREMAP_MAYMOVE) };
                    if moved == libc::MAP_FAILED { null_mut() } else { with_huge_pages(moved.cast(), size) }
                }
                _ => {
                    // SAFETY: the size is not 0, as the caller says.
                    let other = unsafe { self.alloc(new) };
                    if !other.is_null() {
                        // SAFETY: both blocks are as long as what is copied, and `block` is not used any more.
                        unsafe {
                            copy_nonoverlapping(block, other, layout.size().min(size));
                            self.dealloc(block, layout);
                        }
                    }
                    other
                }
            }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            if is_large(layout) {
                // SAFETY: the block is a mapping of its own and of this size, which nobody uses any more. It can only fail
                // where the process has as many mappings as it may, and a block in their midst goes: it is then kept.
                unsafe { libc::munmap(block.cast(), layout.size()) };
                return;
            }
            // SAFETY: as in `alloc`.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes, grows, shrinks and frees one block, and looks that its bytes stay what they are.
    fn lives(sizes: &[usize], align: usize, zeroed: bool) {
        let layout = |size| Layout::from_size_align(size, align).unwrap();
        let first = layout(sizes[0]);
        // SAFETY: the sizes are not 0; every block is used as its latest layout says, and freed once.
        unsafe {
            let mut block = if zeroed { Allocator.alloc_zeroed(first) } else { Allocator.alloc(first) };
            assert!(!block.is_null());
            assert!(!zeroed || std::slice::from_raw_parts(block, first.size()).iter().all(|&byte| byte == 0));
            block.write_bytes(7, first.size());
            for pair in sizes.windows(2) {
                block = Allocator.realloc(block, layout(pair[0]), pair[1]);
                assert_eq!(block.align_offset(align), 0);
                let bytes = std::slice::from_raw_parts_mut(block, pair[1]);
                assert!(bytes[..pair[0].min(pair[1])].iter().all(|&byte| byte == 7));
                bytes.fill(7);
            }
            Allocator.dealloc(block, layout(sizes[sizes.len() - 1]));
        }
    }

    #[test]
    fn blocks_keep_their_bytes_across_all_sizes() {
        for align in [1, 8, 64, 4096, 1 << 16] {
            for zeroed in [false, true] {
                lives(&[1, 100, 1 << 19, (1 << 19) + 1, 3 << 20, 1 << 20, (1 << 19) - 1, 9], align, zeroed);
                lives(&[5 << 20, 700_001, 6 << 20], align, zeroed);
            }
        }
    }

    #[test]
    fn what_there_is_no_memory_for_is_null() {
        let most = Layout::from_size_align(isize::MAX as usize - 8192, 1).unwrap();
        let large = Layout::from_size_align(1 << 20, 1).unwrap();
        // SAFETY: the sizes are not 0; the block is freed once, with its own layout.
        unsafe {
            assert!(Allocator.alloc(most).is_null());
            let block = Allocator.alloc(large);
            block.write_bytes(5, large.size());
            assert!(Allocator.realloc(block, large, most.size()).is_null());
            assert_eq!(*block.add(large.size() - 1), 5, "the block is as it was");
            Allocator.dealloc(block, large);
        }
    }

    /// What is freed is not the process's any more, whichever thread had it, and however often blocks grew.
    #[test]
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[cfg_attr(miri, ignore = "there are no pages to count")]
    fn large_blocks_go_back_to_the_system() {
        let resident = || {
            let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
            pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
        };
        let before = resident();
        for _ in 0..4 {
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| lives(&[1 << 20, 5 << 20, 12 << 20, 2 << 20, 20 << 20], 1, false));
                }
            });
            // Tests beside this one hold memory for a while, longer on a busy machine.
            let is_back = || resident() < before + (32 << 20);
            let pause = || std::thread::sleep(std::time::Duration::from_millis(20));
            assert!((0..1500).any(|_| is_back() || (pause(), false).1));
        }
    }
}
