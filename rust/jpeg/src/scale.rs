//! The fractions of its size at which an image can be decoded.

/// The size of the output, as a fraction of the image's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scale {
    /// All pixels.
    #[default]
    Full,
    /// 1/2 in each direction.
    Half,
    /// 1/4 in each direction.
    Quarter,
    /// 1/8 in each direction.
    Eighth,
}

impl Scale {
    /// 1, 2, 4 or 8.
    #[must_use]
    pub fn denominator(self) -> usize {
        1 << self as usize
    }
}
