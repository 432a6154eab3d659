//! Where each row or column of an image comes from.
//!
//! Crops, flips, paddings and nearest-neighbour resizes treat rows and columns apart: output pixel `(y, x)` is input
//! pixel `(rows[y], columns[x])`. So any sequence of them is two index maps, and running the sequence is one copy.

use std::fmt;

use super::padding::PadMode;

/// For each position of an output axis: the input position that it shows, or a fill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IndexMap {
    /// Consecutive input positions, perhaps between fills.
    Run(Run),
    /// Any positions. An entry `>= 0` is an input position; an entry `< 0` is fill number `-1 - entry`.
    List(Vec<i32>),
}

/// `len` consecutive input positions between `before` and `after` positions of one fill.
///
/// Crops, flips and one constant padding make runs only, so most samples need no list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first of the `len` input positions.
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
    /// The number of positions, fills included.
    pub(crate) const fn total(&self) -> usize {
        self.before + self.len + self.after
    }

    /// Whether the run has no fill.
    pub(crate) const fn is_bare(&self) -> bool {
        self.before == 0 && self.after == 0
    }

    /// The input position that stands at position `at` of the `len`.
    #[inline]
    const fn input(&self, at: usize) -> usize {
        if self.reversed { self.start - at } else { self.start + at }
    }

    /// The lowest input position and the number of input positions among `len` output positions from `start` on.
    pub(crate) fn span(&self, start: usize, len: usize) -> (usize, usize) {
        let Self { start, len, reversed, .. } = self.slice(start, len);
        match len {
            0 => (0, 0),
            _ if reversed => (start + 1 - len, len),
            _ => (start, len),
        }
    }

    /// `len` output positions from `start` on. All of them must exist.
    pub(crate) fn slice(&self, start: usize, len: usize) -> Self {
        let (inner, end) = (self.before + self.len, start + len);
        let first = start.clamp(self.before, inner) - self.before;
        let kept = end.clamp(self.before, inner) - self.before - first;
        // The start of an empty run stays in range, so that `input` cannot underflow.
        let start_at = self.input(first.min(self.len.saturating_sub(1)));
        Self {
            start: start_at,
            len: kept,
            before: self.before.saturating_sub(start).min(len),
            after: (end.saturating_sub(inner)).min(len),
            ..*self
        }
    }

    /// The same positions from last to first.
    fn flip(&self) -> Self {
        let last = self.input(self.len.saturating_sub(1));
        Self { start: last, reversed: !self.reversed, before: self.after, after: self.before, ..*self }
    }
}

impl IndexMap {
    /// Every position shows itself.
    pub(crate) const fn identity(len: usize) -> Self {
        IndexMap::Run(Run { start: 0, len, reversed: false, before: 0, after: 0, fill: 0 })
    }

    /// The number of output positions.
    pub(crate) const fn len(&self) -> usize {
        match self {
            IndexMap::Run(run) => run.total(),
            IndexMap::List(map) => map.len(),
        }
    }

    /// The entry at output position `at`.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> i32 {
        match self {
            IndexMap::Run(run) if at < run.before || at >= run.before + run.len => -1 - run.fill as i32,
            IndexMap::Run(run) => run.input(at - run.before) as i32,
            IndexMap::List(map) => map[at],
        }
    }

    /// The map whose entry at `i` is this map's entry at `index(i)`, or fill number `fill` where `index(i)` is `None`.
    fn pick(&self, len: usize, fill: usize, index: impl Fn(usize) -> Option<usize>) -> Self {
        IndexMap::List((0..len).map(|i| index(i).map_or(-1 - fill as i32, |at| self.get(at))).collect())
    }

    /// `len` output positions from `start` on. All of them must exist.
    pub(crate) fn slice(&self, start: usize, len: usize) -> Self {
        match self {
            IndexMap::Run(run) => IndexMap::Run(run.slice(start, len)),
            IndexMap::List(map) => IndexMap::List(map[start..start + len].to_vec()),
        }
    }

    /// The same positions from last to first.
    pub(crate) fn flip(&self) -> Self {
        match self {
            IndexMap::Run(run) => IndexMap::Run(run.flip()),
            IndexMap::List(map) => IndexMap::List(map.iter().rev().copied().collect()),
        }
    }

    /// Adds `before` and `after` positions, made as `mode` says; a negative number cuts positions off.
    pub(crate) fn pad(&self, before: isize, after: isize, mode: PadMode, fill: usize) -> Self {
        let cut = (-before).max(0) as usize;
        let kept = self.len().saturating_sub(cut + (-after).max(0) as usize);
        let inner = self.slice(cut.min(self.len()), kept);
        let (before, after) = (before.max(0) as usize, after.max(0) as usize);
        match inner {
            _ if before == 0 && after == 0 => inner,
            IndexMap::Run(run) if mode == PadMode::Constant && run.is_bare() => {
                IndexMap::Run(Run { before, after, fill, ..run })
            }
            _ => inner.pick(before + kept + after, fill, |i| mode.source(i as isize - before as isize, kept)),
        }
    }

    /// Reads this map at the positions of `index`; `None` becomes fill number `fill`.
    pub(crate) fn gather(&self, index: &[Option<usize>], fill: usize) -> Self {
        self.pick(index.len(), fill, |i| index[i])
    }

    /// The lowest input position that `len` output positions from `start` on show, and the number of positions up to the
    /// highest.
    pub(crate) fn span(&self, start: usize, len: usize) -> (usize, usize) {
        match self {
            IndexMap::Run(run) => run.span(start, len),
            IndexMap::List(map) => {
                let inside = || map[start..start + len].iter().copied().filter(|&entry| entry >= 0);
                match (inside().min(), inside().max()) {
                    (Some(low), Some(high)) => (low as usize, (high - low) as usize + 1),
                    _ => (0, 0),
                }
            }
        }
    }
}

impl fmt::Display for IndexMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IndexMap::Run(run) => run.fmt(f),
            IndexMap::List(list) => write!(f, "a list of {}", list.len()),
        }
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, len) = self.span(0, self.total());
        if self.before > 0 {
            write!(f, "{} filled + ", self.before)?;
        }
        write!(f, "{low}..{}{}", low + len, if self.reversed { " reversed" } else { "" })?;
        if self.after > 0 {
            write!(f, " + {} filled", self.after)?;
        }
        Ok(())
    }
}

/// The input position of every output position of a nearest-neighbour resize; `None` stays black.
///
/// Pillow adds the scale up instead of multiplying (`ImagingScaleAffine` in `Geometry.c`), and so does this function.
pub(crate) fn nearest(input: usize, output: usize) -> Vec<Option<usize>> {
    let scale = input as f64 / output as f64;
    let mut at = scale * 0.5;
    (0..output)
        .map(|_| {
            let position = at as usize;
            at += scale;
            (position < input).then_some(position)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(map: &IndexMap) -> Vec<i32> {
        (0..map.len()).map(|i| map.get(i)).collect()
    }

    #[test]
    fn runs_stay_runs() {
        let map = IndexMap::identity(10).slice(2, 5).flip().slice(1, 3);
        assert!(matches!(map, IndexMap::Run(Run { start: 5, len: 3, reversed: true, before: 0, after: 0, .. })));
        assert_eq!(entries(&map), [5, 4, 3]);
        assert_eq!(entries(&map.flip()), [3, 4, 5]);
        assert_eq!(map.span(0, 3), (3, 3));
        assert_eq!(map.span(1, 1), (4, 1));
    }

    #[test]
    fn pads_fill_or_cut() {
        assert_eq!(entries(&IndexMap::identity(3).pad(1, 2, PadMode::Constant, 4)), [-5, 0, 1, 2, -5, -5]);
        assert_eq!(entries(&IndexMap::identity(5).pad(-1, -2, PadMode::Constant, 0)), [1, 2]);
        assert_eq!(entries(&IndexMap::identity(5).pad(-1, 1, PadMode::Edge, 0)), [1, 2, 3, 4, 4]);
        assert_eq!(IndexMap::identity(3).pad(2, 0, PadMode::Constant, 0).span(0, 2), (0, 0));
    }

    #[test]
    fn runs_between_fills_are_cut_and_flipped_as_maps_are() {
        let padded = IndexMap::identity(4).pad(3, 2, PadMode::Constant, 1);
        let map = IndexMap::List(entries(&padded));
        assert!(matches!(padded, IndexMap::Run(_)));
        assert_eq!(entries(&padded), [-2, -2, -2, 0, 1, 2, 3, -2, -2]);
        for (start, len) in (0..=9).flat_map(|start| (0..=9 - start).map(move |len| (start, len))) {
            let (run, map) = (padded.slice(start, len), map.slice(start, len));
            assert_eq!(entries(&run), entries(&map));
            assert_eq!(entries(&run.flip()), entries(&map.flip()));
            assert_eq!(entries(&run.flip().slice(0, len / 2).flip()), entries(&map.flip().slice(0, len / 2).flip()));
            assert_eq!(run.span(0, len), map.span(0, len));
            assert_eq!(run.flip().span(len / 3, len / 2), map.flip().span(len / 3, len / 2));
            assert_eq!(padded.span(start, len), IndexMap::List(entries(&padded)).span(start, len));
        }
    }

    #[test]
    fn later_maps_read_earlier_ones() {
        let padded = IndexMap::identity(2).pad(1, 0, PadMode::Constant, 0).pad(2, 0, PadMode::Reflect, 1);
        assert_eq!(entries(&padded), [1, 0, -1, 0, 1]);
        assert_eq!(entries(&padded.gather(&[Some(4), None, Some(2)], 7)), [1, -8, -1]);
    }

    #[test]
    fn nearest_takes_centres() {
        assert_eq!(nearest(4, 2), [Some(1), Some(3)]);
        assert_eq!(nearest(2, 4), [Some(0), Some(0), Some(1), Some(1)]);
    }

    #[test]
    fn maps_print() {
        let map = IndexMap::identity(10).slice(2, 5);
        assert_eq!(map.to_string(), "2..7");
        assert_eq!(map.flip().pad(1, 2, PadMode::Constant, 0).to_string(), "1 filled + 2..7 reversed + 2 filled");
        assert_eq!(map.pad(1, 2, PadMode::Edge, 0).to_string(), "a list of 8");
    }
}
