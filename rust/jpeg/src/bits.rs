//! Bits of entropy-coded data from which byte stuffing has been removed.

/// Zero bytes that must follow the data, so that a window can be filled at its very end.
pub(crate) const PADDING: usize = 16;

/// A position in the bits of one segment: the data between two restart markers, or a whole scan.
///
/// Beyond the end all bits are zero, as libjpeg makes them up (`jpeg_fill_bit_buffer`).
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    /// The segment and its padding.
    data: &'a [u8],
    /// The next byte that no counted bit of the window comes from.
    next: usize,
    /// The next bits, the first of them in the highest place.
    window: u64,
    /// How many bits of the window count. Those below are right, too, or zero.
    count: u32,
    /// Bits of the segment.
    end: usize,
    /// Codes that do not exist.
    pub(crate) warnings: u32,
}

impl<'a> Bits<'a> {
    /// `padded` are the bytes of a segment and then [`PADDING`] zeros.
    pub(crate) fn new(padded: &'a [u8]) -> Self {
        let end = padded.len().saturating_sub(PADDING) * 8;
        Self { data: padded, next: 0, window: 0, count: 0, end, warnings: 0 }
    }

    /// Fills the window, so that at least 56 bits count.
    ///
    /// Eight bytes are put in below the bits that count, and those that fit in whole count from then on. The load does
    /// not depend on what was decoded since the last call, so that nobody has to wait for it. (F. Giesen, "Reading bits
    /// in far too many ways", part 2, 2018, variant 4.)
    #[inline(always)]
    pub(crate) fn fill(&mut self) {
        let bytes = match self.data.get(self.next..).and_then(<[u8]>::first_chunk) {
            Some(bytes) => u64::from_be_bytes(*bytes),
            None => 0,
        };
        self.window |= bytes >> (self.count & 63);
        self.next += (63 - self.count as usize) >> 3;
        self.count |= 56;
    }

    /// The next bits, the first of them in the highest place.
    #[inline(always)]
    pub(crate) fn window(&self) -> u64 {
        self.window
    }

    /// How many bits of the window count.
    #[inline(always)]
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Takes bits away, at most as many as count, and less than 64.
    #[inline(always)]
    pub(crate) fn skip(&mut self, count: u32) {
        self.window <<= count & 63;
        self.count = self.count.wrapping_sub(count);
    }

    /// Takes away less than eight bits.
    pub(crate) fn start_at(&mut self, bit: u8) {
        self.fill();
        self.skip(u32::from(bit & 7));
    }

    /// Whether more bits were taken than there are.
    #[inline(always)]
    pub(crate) fn exhausted(&self) -> bool {
        self.at() > self.end
    }

    /// Whether whole bytes are left.
    pub(crate) fn left_over(&self) -> bool {
        self.at() + 8 <= self.end
    }

    /// How many bits were taken.
    #[inline(always)]
    pub(crate) fn at(&self) -> usize {
        self.next * 8 - self.count as usize
    }
}
