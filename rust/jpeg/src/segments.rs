//! Entropy-coded data of a scan without byte stuffing, cut at restart markers (ITU-T T.81, B.1.1.5).

use std::ops::Range;

use crate::{
    Error, Result,
    bits::{Bits, PADDING},
    kernel::Kernels,
    marker,
};

/// What ended the data of a scan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// A marker; its 0xFF is at this byte of the file.
    Marker(usize),
    /// The end of the file.
    File,
}

/// The data of one scan. Memory is kept from scan to scan.
#[derive(Debug, Default)]
pub(crate) struct Segments {
    data: Vec<u8>,
    segments: Vec<Segment>,
    /// Number of the first segment here: not 0 if reading began in the midst of the scan.
    first: usize,
}

#[derive(Debug)]
struct Segment {
    /// Where its bytes are in the data, without the padding.
    range: Range<usize>,
    /// Where it starts in the file.
    source: usize,
}

/// A byte of a segment, and where that is in the file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    pub(crate) byte: usize,
    pub(crate) source: usize,
}

impl Segments {
    /// Forgets the last scan's segments. The first that is read next has the number `first`.
    pub(crate) fn reset(&mut self, first: usize) {
        self.first = first;
        self.segments.clear();
    }

    /// Reads the data of a scan from byte `start` of the file on, as the next segment, or more of them.
    ///
    /// `restarts` tells whether restart markers are expected. One that is out of order ends the scan.
    pub(crate) fn read(&mut self, kernels: &Kernels, bytes: &[u8], start: usize, restarts: bool) -> Result<End> {
        let source = bytes.get(start..).unwrap_or(&[]);
        let (mut from, mut to) = (0, self.segments.last().map_or(0, |last| last.range.end + PADDING));
        // Never shrunk, and never cleared but for the paddings.
        self.make_room(to, source.len())?;
        let mut segment = Place { byte: to, source: start };
        loop {
            let (read, written) = kernels.unstuff(&source[from..], &mut self.data[to..]);
            from += read;
            to += written;
            // Here is a 0xFF that may be part of a marker, or the end.
            let fill = source[from..].iter().take_while(|&&byte| byte == 0xFF).count();
            let Some(&code) = source.get(from + fill) else {
                self.close(segment, to);
                return Ok(End::File);
            };
            if code == 0 {
                // libjpeg takes any number of 0xFF and a zero for one 0xFF.
                self.data[to] = 0xFF;
                to += 1;
                from += fill + 1;
                continue;
            }
            let expected = marker::RST0 + (self.end() % 8) as u8;
            self.close(segment, to);
            if !restarts || code != expected {
                return Ok(End::Marker(start + from + fill - 1));
            }
            from += fill + 1;
            to += PADDING;
            segment = Place { byte: to, source: start + from };
            self.make_room(to, source.len() - from)?;
        }
    }

    /// Makes room for `more` bytes of the file from byte `to` of the data on, and for the paddings around them.
    fn make_room(&mut self, to: usize, more: usize) -> Result<()> {
        let enough = to + more + 2 * PADDING + 32;
        if self.data.len() < enough {
            let enough = enough.max(self.data.len() * 5 / 4);
            let room = self.data.try_reserve(enough - self.data.len());
            room.map_err(|_| Error::Memory { bytes: enough })?;
            self.data.resize(enough, 0);
        }
        Ok(())
    }

    fn close(&mut self, start: Place, end: usize) {
        self.data[end..end + PADDING].fill(0);
        self.segments.push(Segment { range: start.byte..end, source: start.source });
    }

    fn get(&self, number: usize) -> Option<&Segment> {
        self.segments.get(number.checked_sub(self.first)?)
    }

    /// The number of the first segment.
    pub(crate) fn first(&self) -> usize {
        self.first
    }

    /// The number after that of the last segment.
    pub(crate) fn end(&self) -> usize {
        self.first + self.segments.len()
    }

    /// The bits of a segment; none at all beyond the last.
    pub(crate) fn bits(&self, number: usize) -> Bits<'_> {
        match self.get(number) {
            Some(Segment { range, .. }) => Bits::new(&self.data[range.start..range.end + PADDING]),
            None => Bits::new(&[]),
        }
    }

    /// Where a segment starts.
    pub(crate) fn start(&self, number: usize) -> Option<Place> {
        self.get(number).map(|segment| Place { byte: 0, source: segment.source })
    }
}

impl Place {
    /// Moves on to another byte of the same segment, over the stuffing in between.
    pub(crate) fn move_to(&mut self, bytes: &[u8], byte: usize) {
        while self.byte < byte {
            // A block at a time where there is no 0xFF in it. The sum is what the compiler finds vector code for.
            const BLOCK: usize = 16;
            if self.byte + BLOCK <= byte
                && let Some(block) = bytes.get(self.source..).and_then(<[u8]>::first_chunk::<BLOCK>)
                && block.iter().fold(0, |found, &byte| found | u8::from(byte == 0xFF)) == 0
            {
                self.source += BLOCK;
                self.byte += BLOCK;
                continue;
            }
            if bytes.get(self.source) == Some(&0xFF) {
                while bytes.get(self.source) == Some(&0xFF) {
                    self.source += 1;
                }
            }
            self.source += 1;
            self.byte += 1;
        }
    }
}
