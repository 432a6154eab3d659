//! Where pixels go.

use crate::{Error, Result, region::Region};

/// A buffer for a whole region.
#[derive(Debug)]
pub struct Output<'a> {
    /// Pixels, row after row.
    pub pixels: &'a mut [u8],
    /// Bytes from the start of one row to that of the next.
    pub stride: usize,
}

/// Receives rows, from the top down, in strips of about one row of MCUs.
pub(crate) trait Sink {
    /// Room for `count` rows from row `first` of the region on, and the distance of rows.
    fn strip(&mut self, first: usize, count: usize) -> (&mut [u8], usize);

    /// These rows are complete.
    fn finish(&mut self, first: usize, count: usize);
}

impl Output<'_> {
    pub(crate) fn check(&self, region: Region, channels: usize) -> Result<()> {
        let row = region.width * channels;
        let needed = (region.height - 1).checked_mul(self.stride).and_then(|bytes| bytes.checked_add(row));
        if self.stride < row || needed.is_none_or(|needed| self.pixels.len() < needed) {
            return Err(Error::Parameter(format!(
                "buffer of {} bytes with rows of {} for {} rows of {row} bytes",
                self.pixels.len(),
                self.stride,
                region.height
            )));
        }
        Ok(())
    }
}

impl Sink for Output<'_> {
    fn strip(&mut self, first: usize, _: usize) -> (&mut [u8], usize) {
        (&mut self.pixels[first * self.stride..], self.stride)
    }

    fn finish(&mut self, _: usize, _: usize) {}
}

/// Hands strips to a function while they are in the cache.
#[derive(Debug)]
pub(crate) struct Strips<'a, F> {
    pub(crate) buffer: &'a mut Vec<u8>,
    pub(crate) row: usize,
    pub(crate) receive: F,
}

impl<F: FnMut(usize, &[u8])> Sink for Strips<'_, F> {
    fn strip(&mut self, _: usize, count: usize) -> (&mut [u8], usize) {
        if self.buffer.len() < count * self.row {
            self.buffer.resize(count * self.row, 0);
        }
        (self.buffer, self.row)
    }

    fn finish(&mut self, first: usize, count: usize) {
        (self.receive)(first, &self.buffer[..count * self.row]);
    }
}
