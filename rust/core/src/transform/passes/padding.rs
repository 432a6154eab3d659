//! The arguments of a padding, and where its pixels come from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::image::Size;

/// How pixels outside the image are made. Names and meaning are torchvision's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PadMode {
    /// A constant colour.
    Constant,
    /// The nearest pixel of the edge.
    Edge,
    /// Mirrored at the edge pixel, which is not repeated.
    Reflect,
    /// Mirrored at the edge, the edge pixel is repeated.
    Symmetric,
}

impl PadMode {
    /// The position that stands at `at` beside an axis of `len` positions; `None` is the constant.
    ///
    /// Mirrors repeat where the padding is longer than the axis, as `numpy.pad` does.
    pub(crate) fn source(self, at: isize, len: usize) -> Option<usize> {
        let n = len as isize;
        if (0..n).contains(&at) {
            return Some(at as usize);
        }
        if n == 0 {
            return None;
        }
        let mirrored = |period: isize, edge: isize| {
            let at = at.rem_euclid(period);
            Some(if at < n { at } else { period - edge - at } as usize)
        };
        match self {
            PadMode::Constant => None,
            PadMode::Edge => Some(at.clamp(0, n - 1) as usize),
            PadMode::Reflect if n == 1 => Some(0),
            PadMode::Reflect => mirrored(2 * (n - 1), 0),
            PadMode::Symmetric => mirrored(2 * n, 1),
        }
    }
}

/// Pixels to add on each side; negative ones are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "Arguments", into = "Arguments")]
pub struct Padding {
    /// Columns on the left.
    pub left: isize,
    /// Rows above.
    pub top: isize,
    /// Columns on the right.
    pub right: isize,
    /// Rows below.
    pub bottom: isize,
    /// The colour of [`PadMode::Constant`], a byte per channel.
    pub fill: [u8; 3],
    /// How the new pixels are made.
    pub mode: PadMode,
}

/// A padding as data, with the names of `torchvision.transforms.functional.pad`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Arguments {
    /// Left, top, right, bottom.
    padding: [isize; 4],
    fill: [u8; 3],
    padding_mode: PadMode,
}

impl From<Padding> for Arguments {
    fn from(Padding { left, top, right, bottom, fill, mode }: Padding) -> Self {
        Self { padding: [left, top, right, bottom], fill, padding_mode: mode }
    }
}

impl From<Arguments> for Padding {
    fn from(Arguments { padding: [left, top, right, bottom], fill, padding_mode }: Arguments) -> Self {
        Self { left, top, right, bottom, fill, mode: padding_mode }
    }
}

impl fmt::Display for Padding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left, top, right, bottom, fill, mode } = self;
        let mode = format!("{mode:?}").to_lowercase();
        write!(f, "padding={:?}, fill={fill:?}, padding_mode=\"{mode}\"", [left, top, right, bottom])
    }
}

impl Padding {
    /// No padding.
    pub const NONE: Self = Self { left: 0, top: 0, right: 0, bottom: 0, fill: [0; 3], mode: PadMode::Constant };

    /// Whether nothing is padded or cut.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.left == 0 && self.top == 0 && self.right == 0 && self.bottom == 0
    }

    /// The size of an image of `size` after padding.
    #[must_use]
    pub fn apply(&self, size: Size) -> Size {
        // Nothing wraps round: what is too long is refused afterwards.
        let grow = |len: usize, before: isize, after: isize| {
            (len as i128 + before as i128 + after as i128).clamp(0, usize::MAX as i128) as usize
        };
        Size::new(grow(size.height, self.top, self.bottom), grow(size.width, self.left, self.right))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(mode: PadMode, len: usize) -> Vec<usize> {
        (-7..len as isize + 7).map(|at| mode.source(at, len).unwrap()).collect()
    }

    /// Expected rows printed by `numpy.pad(range(n), 7, mode)`.
    #[test]
    fn mirrors_repeat_as_in_numpy() {
        assert_eq!(line(PadMode::Reflect, 3), [1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1, 2, 1, 0, 1]);
        assert_eq!(line(PadMode::Symmetric, 3), [0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0, 0, 1, 2, 2]);
        assert_eq!(line(PadMode::Edge, 2), [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
        assert_eq!(line(PadMode::Reflect, 1), [0; 15]);
        assert_eq!(PadMode::Constant.source(-1, 3), None);
    }
}
