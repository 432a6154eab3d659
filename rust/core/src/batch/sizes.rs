//! Whether all images of a batch have one size.

use std::{collections::BTreeMap, sync::PoisonError};

use crate::{
    image::Size,
    sync::{Mutex, MutexGuard, OnceLock},
};

/// The sizes of one view of a batch's images.
#[derive(Debug)]
pub(super) struct Sizes {
    /// The size that the images should have: known before, or that of the image that is made first.
    common: OnceLock<Size>,
    /// The images of another size, by position.
    others: Mutex<BTreeMap<usize, Size>>,
}

/// Two images of a batch that cannot lie side by side: the position and size of each.
pub(super) type Unequal = [(usize, Size); 2];

impl Sizes {
    pub(super) fn new(known: Option<Size>) -> Self {
        Self { common: known.map_or_else(OnceLock::new, OnceLock::from), others: Mutex::default() }
    }

    // A panic elsewhere cannot leave the map half-written: it is inserted into, and nothing else.
    fn others(&self) -> MutexGuard<'_, BTreeMap<usize, Size>> {
        self.others.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the size of the image at `position`. Returns whether it is the common one.
    pub(super) fn note(&self, position: usize, size: Size) -> bool {
        let equal = size == *self.common.get_or_init(|| size);
        if !equal {
            self.others().insert(position, size);
        }
        equal
    }

    /// The size that the images should have; `None` if it was unknown and no image was made.
    pub(super) fn common(&self) -> Option<Size> {
        self.common.get().copied()
    }

    /// Compares the images at `positions`, which were made. Returns the first, and the first that differs from it.
    pub(super) fn unequal(&self, mut positions: impl Iterator<Item = usize>) -> Option<Unequal> {
        let others = self.others();
        if others.is_empty() {
            return None;
        }
        let size = |at: usize| (at, *others.get(&at).or_else(|| self.common.get()).expect("an image was made"));
        let first = size(positions.next()?);
        let other = positions.map(size).find(|(_, size)| *size != first.1)?;
        Some([first, other])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_compared_with_the_first_of_the_batch() {
        let (small, large) = (Size::new(1, 2), Size::new(3, 4));
        let sizes = Sizes::new(None);
        assert_eq!(sizes.common(), None);
        assert!(sizes.note(2, large) && sizes.note(1, large));
        assert_eq!(sizes.unequal(1..3), None);
        assert!(!sizes.note(0, small));
        assert_eq!(sizes.unequal(0..3), Some([(0, small), (1, large)]));
        assert_eq!(sizes.unequal(1..3), None, "the other one failed");
        assert!(!Sizes::new(Some(small)).note(5, large));
    }
}
