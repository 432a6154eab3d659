//! Giving up work that nobody waits for any more.
//!
//! A photo takes milliseconds, an image of a hundred megapixels takes seconds. Long loops therefore ask [`requested`] now
//! and then whether to go on, and return as soon as they are told not to. What they leave is worth nothing, and whoever
//! watched them looks at [`stopped`] before using it.
//!
//! How that is found out is for those to say who give a thread its work, with [`watching`]: an engine's thread looks
//! whether the engine closes, a Python binding whether somebody pressed Ctrl-C. It holds for the thread, and not for a
//! call, as it concerns whatever the thread does, at any depth.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::sync::thread_local;

struct Watch {
    look: Box<dyn Fn() -> bool>,
    stopped: Cell<bool>,
}

thread_local! {
    static WATCH: RefCell<Option<Rc<Watch>>> = const { RefCell::new(None) };
}

/// Runs `work`, which is to be given up once `look` returns true. Inside of another, this is the one that counts.
pub fn watching<R>(look: impl Fn() -> bool + 'static, work: impl FnOnce() -> R) -> R {
    /// Puts back what was watched before, also where the work panics.
    struct Restore(Option<Rc<Watch>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            WATCH.with(|watch| drop(watch.replace(self.0.take())));
        }
    }
    let watch = Rc::new(Watch { look: Box::new(look), stopped: Cell::new(false) });
    let _restore = Restore(WATCH.with(|current| current.replace(Some(watch))));
    work()
}

/// Whether this thread is to give up what it does: looks now. Once it was told to, it stays so.
#[must_use]
pub fn requested() -> bool {
    let watch = WATCH.with(|watch| watch.borrow().clone());
    watch.is_some_and(|watch| {
        if !watch.stopped.get() {
            watch.stopped.set((watch.look)());
        }
        watch.stopped.get()
    })
}

/// Whether [`requested`] has returned true, so that what was made meanwhile is worth nothing.
#[must_use]
pub fn stopped() -> bool {
    WATCH.with(|watch| watch.borrow().as_ref().is_some_and(|watch| watch.stopped.get()))
}

/// Bytes that loops make between two looks. The slowest take a few milliseconds for them; photos are mostly smaller.
const BYTES: usize = 1 << 20;

/// Looks after every so many bytes of work.
#[derive(Debug)]
pub(crate) struct Pace {
    left: usize,
}

impl Pace {
    pub(crate) const fn new() -> Self {
        Self { left: BYTES }
    }

    /// Whether to give up, after `bytes` more.
    pub(crate) fn after(&mut self, bytes: usize) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                false
            }
            None => {
                self.left = BYTES;
                requested()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_watches_by_default() {
        assert!(!requested() && !stopped());
    }

    #[test]
    fn once_stopped_stays_stopped_until_the_work_ends() {
        let looks = Rc::new(Cell::new(0));
        let counted = Rc::clone(&looks);
        let look = move || {
            counted.set(counted.get() + 1);
            counted.get() == 2
        };
        watching(look, || {
            assert!(!requested() && !stopped());
            assert!(requested() && stopped() && requested());
            assert_eq!(looks.get(), 2, "there is no need to look again");
            watching(|| false, || assert!(!requested() && !stopped()));
            assert!(stopped());
        });
        assert!(!stopped() && !requested());
    }

    #[test]
    fn a_panic_ends_the_watch() {
        let panicked = std::panic::catch_unwind(|| watching(|| true, || panic!("{}", requested())));
        assert_eq!(*panicked.unwrap_err().downcast::<String>().unwrap(), "true");
        assert!(!requested());
    }

    #[test]
    fn a_pace_looks_after_so_many_bytes() {
        watching(
            || true,
            || {
                let mut pace = Pace::new();
                assert!(!pace.after(BYTES / 2) && !pace.after(BYTES / 2) && !stopped());
                assert!(pace.after(1) && stopped());
            },
        );
    }
}
