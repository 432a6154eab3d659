//! The form of an output sample.

/// How an output sample lies in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Channel by channel: torch's contiguous (C, H, W).
    ChannelsFirst,
    /// Pixel by pixel: torch's `channels_last`.
    ChannelsLast,
}

/// What the values of an output sample are, and how they lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Form {
    /// Channels: 1 or 3.
    pub channels: usize,
    /// Bytes of one value: 1, 2, 4 or 8.
    pub element: usize,
    /// The order of the values.
    pub layout: Layout,
}
