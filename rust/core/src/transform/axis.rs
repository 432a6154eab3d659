//! Where each output row or column comes from.
//!
//! Crops, flips, pads and nearest-neighbour resizes are separable: output pixel `(y, x)` is input pixel
//! `(rows[y], columns[x])`. So any run of them is two index maps, and executing the run is one copy.

use super::pad::PadMode;

/// The map of one axis: output position to input position, or to a fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Axis {
    /// Input positions that follow each other, perhaps between fills.
    Run(Run),
    /// Any map. `entry >= 0` is an input position; `entry < 0` is fill number `-1 - entry`.
    Map(Vec<i32>),
}

/// `len` input positions between `before` and `after` positions of fill. Crops, flips and one constant padding make
/// nothing else, so that no map need be written down for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The input position of the first of the `len`.
    pub(crate) start: usize,
    pub(crate) len: usize,
    /// Whether positions fall: `start, start - 1, ...`.
    pub(crate) reversed: bool,
    pub(crate) before: usize,
    pub(crate) after: usize,
    /// The number of the fill.
    pub(crate) fill: usize,
}

impl Run {
    pub(crate) const fn total(&self) -> usize {
        self.before + self.len + self.after
    }

    /// Whether there is no fill.
    pub(crate) const fn is_bare(&self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// The input position at position `at` of the `len`.
    #[inline]
    const fn input(&self, at: usize) -> usize {
        if self.reversed { self.start - at } else { self.start + at }
    }

    /// The first input position and the number of them over `len` positions of the whole from `start` on.
    pub(crate) fn span(&self, start: usize, len: usize) -> (usize, usize) {
        let Self { start, len, reversed, .. } = self.slice(start, len);
        match len {
            0 => (0, 0),
            _ if reversed => (start + 1 - len, len),
            _ => (start, len),
        }
    }

    /// `len` positions from `start` on, all of them inside.
    pub(crate) fn slice(&self, start: usize, len: usize) -> Self {
        let (inner, end) = (self.before + self.len, start + len);
        let first = start.clamp(self.before, inner) - self.before;
        let kept = end.clamp(self.before, inner) - self.before - first;
        // An empty run keeps its start in range, so that nothing underflows.
        let start_at = self.input(first.min(self.len.saturating_sub(1)));
        Self {
            start: start_at,
            len: kept,
            before: self.before.saturating_sub(start).min(len),
            after: (end.saturating_sub(inner)).min(len),
            ..*self
        }
    }

    fn flip(&self) -> Self {
        let last = self.input(self.len.saturating_sub(1));
        Self { start: last, reversed: !self.reversed, before: self.after, after: self.before, ..*self }
    }
}

impl Axis {
    pub(crate) const fn identity(len: usize) -> Self {
        Axis::Run(Run { start: 0, len, reversed: false, before: 0, after: 0, fill: 0 })
    }

    pub(crate) const fn len(&self) -> usize {
        match self {
            Axis::Run(run) => run.total(),
            Axis::Map(map) => map.len(),
        }
    }

    /// The entry at output position `at`.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> i32 {
        match self {
            Axis::Run(run) if at < run.before || at >= run.before + run.len => -1 - run.fill as i32,
            Axis::Run(run) => run.input(at - run.before) as i32,
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
            Axis::Run(run) => Axis::Run(run.slice(start, len)),
            Axis::Map(map) => Axis::Map(map[start..start + len].to_vec()),
        }
    }

    pub(crate) fn flip(&self) -> Self {
        match self {
            Axis::Run(run) => Axis::Run(run.flip()),
            Axis::Map(map) => Axis::Map(map.iter().rev().copied().collect()),
        }
    }

    /// `before` and `after` more positions (fewer where negative), made as `mode` says.
    pub(crate) fn pad(&self, before: isize, after: isize, mode: PadMode, fill: usize) -> Self {
        let cut = (-before).max(0) as usize;
        let kept = self.len().saturating_sub(cut + (-after).max(0) as usize);
        let inner = self.slice(cut.min(self.len()), kept);
        let (before, after) = (before.max(0) as usize, after.max(0) as usize);
        match inner {
            _ if before == 0 && after == 0 => inner,
            Axis::Run(run) if mode == PadMode::Constant && run.is_bare() => {
                Axis::Run(Run { before, after, fill, ..run })
            }
            _ => inner.pick(before + kept + after, fill, |i| mode.source(i as isize - before as isize, kept)),
        }
    }

    /// This axis read at the positions of `index`; `None` becomes fill number `fill`.
    pub(crate) fn gather(&self, index: &[Option<usize>], fill: usize) -> Self {
        self.pick(index.len(), fill, |i| index[i])
    }

    /// The first input position and the number of positions up to the last, over `len` outputs from `start` on.
    pub(crate) fn span(&self, start: usize, len: usize) -> (usize, usize) {
        match self {
            Axis::Run(run) => run.span(start, len),
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
        assert!(matches!(axis, Axis::Run(Run { start: 5, len: 3, reversed: true, before: 0, after: 0, .. })));
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
    fn runs_between_fills_are_cut_and_flipped_as_maps_are() {
        let padded = Axis::identity(4).pad(3, 2, PadMode::Constant, 1);
        let map = Axis::Map(entries(&padded));
        assert!(matches!(padded, Axis::Run(_)));
        assert_eq!(entries(&padded), [-2, -2, -2, 0, 1, 2, 3, -2, -2]);
        for (start, len) in (0..=9).flat_map(|start| (0..=9 - start).map(move |len| (start, len))) {
            let (run, map) = (padded.slice(start, len), map.slice(start, len));
            assert_eq!(entries(&run), entries(&map));
            assert_eq!(entries(&run.flip()), entries(&map.flip()));
            assert_eq!(entries(&run.flip().slice(0, len / 2).flip()), entries(&map.flip().slice(0, len / 2).flip()));
            assert_eq!(run.span(0, len), map.span(0, len));
            assert_eq!(run.flip().span(len / 3, len / 2), map.flip().span(len / 3, len / 2));
            assert_eq!(padded.span(start, len), Axis::Map(entries(&padded)).span(start, len));
        }
    }

    #[test]
    fn later_maps_read_earlier_ones() {
        let padded = Axis::identity(2).pad(1, 0, PadMode::Constant, 0).pad(2, 0, PadMode::Reflect, 1);
        assert_eq!(entries(&padded), [1, 0, -1, 0, 1]);
        assert_eq!(entries(&padded.gather(&[Some(4), None, Some(2)], 7)), [1, -8, -1]);
    }
}
