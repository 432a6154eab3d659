//! Where each output row or column comes from.
//!
//! Crops, flips, pads and nearest-neighbour resizes are separable: output pixel `(y, x)` is input pixel
//! `(rows[y], columns[x])`. So any run of them is two index maps, and executing the run is one copy.

use super::pad::PadMode;

/// The map of one axis: output position to input position, or to a fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Input positions that follow each other: `start, start + 1, ...`, or `start, start - 1, ...` if `reversed`.
    Run { start: usize, len: usize, reversed: bool },
    /// Any map. `entry >= 0` is an input position; `entry < 0` is fill number `-1 - entry`.
    Map(Vec<i32>),
}

impl Axis {
    pub(crate) const fn identity(len: usize) -> Self {
        Axis::Run { start: 0, len, reversed: false }
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Axis::Run { len, .. } => *len,
            Axis::Map(map) => map.len(),
        }
    }

    /// The entry at output position `at`.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> i32 {
        match self {
            Axis::Run { start, reversed: false, .. } => (start + at) as i32,
            Axis::Run { start, reversed: true, .. } => (start - at) as i32,
            Axis::Map(map) => map[at],
        }
    }

    /// The axis whose entry at `i` is this axis' entry at `index(i)`, or fill number `fill` where that is `None`.
    fn pick(&self, len: usize, fill: usize, index: impl Fn(usize) -> Option<usize>) -> Self {
        Axis::Map((0..len).map(|i| index(i).map_or(-1 - fill as i32, |at| self.get(at))).collect())
    }

    /// `len` positions from `start` on, all of them inside.
    pub(crate) fn slice(&self, start: usize, len: usize) -> Self {
        match self {
            Axis::Run { start: first, reversed: false, .. } => Axis::Run { start: first + start, len, reversed: false },
            // An empty run keeps its start in range, so that the subtraction cannot underflow.
            Axis::Run { start: first, reversed: true, .. } => {
                Axis::Run { start: first - start.min(*first), len, reversed: true }
            }
            Axis::Map(map) => Axis::Map(map[start..start + len].to_vec()),
        }
    }

    pub(crate) fn flip(&self) -> Self {
        match self {
            Axis::Run { start, len, reversed } => {
                let span = len.saturating_sub(1);
                let last = if *reversed { start - span } else { start + span };
                Axis::Run { start: last, len: *len, reversed: !reversed }
            }
            Axis::Map(map) => Axis::Map(map.iter().rev().copied().collect()),
        }
    }

    /// `before` and `after` more positions (fewer where negative), made as `mode` says.
    pub(crate) fn pad(&self, before: isize, after: isize, mode: PadMode, fill: usize) -> Self {
        let cut = (-before).max(0) as usize;
        let kept = self.len().saturating_sub(cut + (-after).max(0) as usize);
        let inner = self.slice(cut.min(self.len()), kept);
        let (before, after) = (before.max(0) as usize, after.max(0) as usize);
        if before == 0 && after == 0 {
            return inner;
        }
        inner.pick(before + kept + after, fill, |i| mode.source(i as isize - before as isize, kept))
    }

    /// This axis read at the positions of `index`; `None` becomes fill number `fill`.
    pub(crate) fn gather(&self, index: &[Option<usize>], fill: usize) -> Self {
        self.pick(index.len(), fill, |i| index[i])
    }

    /// The first input position and the number of positions up to the last, over `len` outputs from `start` on.
    pub(crate) fn span(&self, start: usize, len: usize) -> (usize, usize) {
        match self {
            _ if len == 0 => (0, 0),
            Axis::Run { reversed, .. } => {
                let at = if *reversed { start + len - 1 } else { start };
                (self.get(at) as usize, len)
            }
            Axis::Map(map) => {
                let inside = || map[start..start + len].iter().copied().filter(|&entry| entry >= 0);
                match (inside().min(), inside().max()) {
                    (Some(low), Some(high)) => (low as usize, (high - low) as usize + 1),
                    _ => (0, 0),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(axis: &Axis) -> Vec<i32> {
        (0..axis.len()).map(|i| axis.get(i)).collect()
    }

    #[test]
    fn runs_stay_runs() {
        let axis = Axis::identity(10).slice(2, 5).flip().slice(1, 3);
        assert_eq!(axis, Axis::Run { start: 5, len: 3, reversed: true });
        assert_eq!(entries(&axis), [5, 4, 3]);
        assert_eq!(entries(&axis.flip()), [3, 4, 5]);
        assert_eq!(axis.span(0, 3), (3, 3));
        assert_eq!(axis.span(1, 1), (4, 1));
    }

    #[test]
    fn pads_fill_or_cut() {
        assert_eq!(entries(&Axis::identity(3).pad(1, 2, PadMode::Constant, 4)), [-5, 0, 1, 2, -5, -5]);
        assert_eq!(entries(&Axis::identity(5).pad(-1, -2, PadMode::Constant, 0)), [1, 2]);
        assert_eq!(entries(&Axis::identity(5).pad(-1, 1, PadMode::Edge, 0)), [1, 2, 3, 4, 4]);
        assert_eq!(Axis::identity(3).pad(2, 0, PadMode::Constant, 0).span(0, 2), (0, 0));
    }

    #[test]
    fn later_maps_read_earlier_ones() {
        let padded = Axis::identity(2).pad(1, 0, PadMode::Constant, 0).pad(2, 0, PadMode::Reflect, 1);
        assert_eq!(entries(&padded), [1, 0, -1, 0, 1]);
        assert_eq!(entries(&padded.gather(&[Some(4), None, Some(2)], 7)), [1, -8, -1]);
    }
}
