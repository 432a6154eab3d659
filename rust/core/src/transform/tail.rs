//! The pointwise end of a plan: from the last 8-bit pixel to the output's values.
//!
//! Whatever a pipeline does to single values after its last geometric step (`ToTensor`, `Normalize`, a cast) is a map
//! of 256 values per channel. The caller computes that table, with the very functions that it replaces, so the
//! output has their bits; here it is only looked up.

use super::geometry::Gather;
use crate::{Error, Result, image::View, kernel::lookup};

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

/// A table of output values, and how to lay them out.
#[derive(Debug, Clone)]
pub struct Tail {
    table: Vec<u8>,
    form: Form,
}

impl Tail {
    /// A tail for images of `channels` channels (1 or 3). `table` holds, for each channel, the output value of each
    /// of the 256 pixel values, as `element` bytes (1, 2, 4 or 8) in the machine's order.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the sizes do not fit.
    pub fn new(table: Vec<u8>, channels: usize, element: usize, layout: Layout) -> Result<Self> {
        if !matches!(channels, 1 | 3) || !matches!(element, 1 | 2 | 4 | 8) || table.len() != channels * 256 * element {
            return Err(Error::Parameter(format!(
                "a table of {} bytes is none for {channels} channels of {element}-byte values",
                table.len()
            )));
        }
        Ok(Self { table, form: Form { channels, element, layout } })
    }

    /// What this tail makes; it takes images of as many channels.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Writes the sample that `gather` makes of `image` to `out`. `row` is scratch memory.
    pub(super) fn write(&self, gather: &Gather, image: View<'_>, row: &mut Vec<u8>, out: &mut [u8]) {
        match (self.form.element, self.form.channels) {
            (1, 1) => self.write_as::<1, 1>(gather, image, row, out),
            (1, 3) => self.write_as::<1, 3>(gather, image, row, out),
            (2, 1) => self.write_as::<2, 1>(gather, image, row, out),
            (2, 3) => self.write_as::<2, 3>(gather, image, row, out),
            (4, 1) => self.write_as::<4, 1>(gather, image, row, out),
            (4, 3) => self.write_as::<4, 3>(gather, image, row, out),
            (8, 1) => self.write_as::<8, 1>(gather, image, row, out),
            _ => self.write_as::<8, 3>(gather, image, row, out),
        }
    }

    fn write_as<const N: usize, const C: usize>(
        &self,
        gather: &Gather,
        image: View<'_>,
        row: &mut Vec<u8>,
        out: &mut [u8],
    ) {
        let size = gather.size();
        let (values, _) = self.table.as_chunks::<N>();
        let tables: [&[[u8; N]; 256]; C] =
            std::array::from_fn(|c| values[c * 256..][..256].try_into().expect("256 values"));
        let (out, _) = out.as_chunks_mut::<N>();
        for y in 0..size.height {
            let pixels = gather.row(y, 0, size.width, image, row);
            match self.form.layout {
                Layout::ChannelsFirst => {
                    for (c, table) in tables.iter().enumerate() {
                        let line = &mut out[(c * size.height + y) * size.width..][..size.width];
                        lookup::plane::<N, C>(pixels, c, table, line);
                    }
                }
                Layout::ChannelsLast => {
                    let line = &mut out[y * size.width * C..][..size.width * C];
                    lookup::interleaved::<N, C>(pixels, &tables, line);
                }
            }
        }
    }
}
