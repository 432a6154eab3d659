//! The end of a plan: bytes become output values.
//!
//! `ToTensor`, `Normalize`, casts and the like change single values after the last 8-bit pixel. Together they are a map
//! from the 256 byte values of each channel to output values. The caller computes this table with the very functions that
//! it replaces, so the output has their bits. Here bytes are only looked up in it.
//!
//! A sample whose calls end with functions of bytes ([`Point`]) gets a table of its own, in which they are included.

use super::{
    compile::Ending,
    form::{Form, Layout},
    passes::{Gather, Point, index_map::Run},
};
use crate::{
    Error, Result,
    image::View,
    interrupt::Pace,
    kernel::{
        self, Columns, Rows,
        byte_tables::{self, Table},
    },
};

/// The output value of each byte of each channel, in the two forms that [`byte_tables::Table`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Tables {
    values: Vec<u8>,
    planes: Vec<u8>,
}

impl Tables {
    /// Makes these tables look up in `tables` what `point` makes of a byte. Values have `N` bytes.
    fn fold<const N: usize>(&mut self, point: &Point, tables: &Self) {
        let bytes = point.table();
        self.values.resize(tables.values.len(), 0);
        self.planes.resize(tables.planes.len(), 0);
        let (values, planes) = (self.values.as_chunks_mut::<N>().0, self.planes.chunks_exact_mut(256 * N));
        for (c, (values, planes)) in values.chunks_exact_mut(256).zip(planes).enumerate() {
            let old = tables.channel::<N>(c);
            byte_tables::values(&bytes, old, values);
            for (plane, old) in planes.chunks_exact_mut(256).zip(old.planes) {
                byte_tables::values(&bytes, Table::of_bytes(old), plane.as_chunks_mut().0);
            }
        }
    }

    /// The table of channel `c`. Values have `N` bytes.
    fn channel<const N: usize>(&self, c: usize) -> Table<'_, N> {
        let (values, planes) = (self.values.as_chunks::<N>().0, self.planes.as_chunks::<256>().0);
        Table {
            values: values[c * 256..].first_chunk().expect("256 values"),
            planes: planes[c * N..].first_chunk().expect("a plane for each byte"),
        }
    }
}

/// Memory for a sample's values on their way, used again for every sample.
#[derive(Debug, Default)]
pub(super) struct LookupScratch {
    /// Pixels of one row or of a few.
    pub(super) row: Vec<u8>,
    /// The tables of a sample whose calls end with a point.
    tables: Tables,
}

/// A table of output values, and how to lay them out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    tables: Tables,
    form: Form,
}

impl Lookup {
    /// A lookup for images of `channels` channels (1 or 3). `table` holds, for each channel, the output value of each
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
        let planes = table
            .chunks_exact(256 * element)
            .flat_map(|channel| (0..element).flat_map(|byte| channel.iter().skip(byte).step_by(element).copied()));
        let tables = Tables { planes: planes.collect(), values: table };
        Ok(Self { tables, form: Form { channels, element, layout } })
    }

    /// The form of the output. Images have as many channels.
    #[must_use]
    pub const fn form(&self) -> Form {
        self.form
    }

    /// Whether [`Lookup::write`] takes the pixels of `gather` from a packed image only.
    pub(super) fn needs_packed(&self, gather: &Gather, image: View<'_>) -> bool {
        let [_, pixel, channel] = image.strides;
        let (planar, pixels) = (pixel == 1, (pixel, channel) == (self.form.channels, 1));
        !(planar || pixels) || gather.runs().is_none()
    }

    /// Writes the sample that `ending` makes of `image` to `out`.
    pub(super) fn write(&self, ending: &Ending, image: View<'_>, scratch: &mut LookupScratch, out: &mut [u8]) {
        match (self.form.element, self.form.channels) {
            (1, 1) => self.write_as::<1, 1>(ending, image, scratch, out),
            (1, 3) => self.write_as::<1, 3>(ending, image, scratch, out),
            (2, 1) => self.write_as::<2, 1>(ending, image, scratch, out),
            (2, 3) => self.write_as::<2, 3>(ending, image, scratch, out),
            (4, 1) => self.write_as::<4, 1>(ending, image, scratch, out),
            (4, 3) => self.write_as::<4, 3>(ending, image, scratch, out),
            (8, 1) => self.write_as::<8, 1>(ending, image, scratch, out),
            _ => self.write_as::<8, 3>(ending, image, scratch, out),
        }
    }

    fn write_as<const N: usize, const C: usize>(
        &self,
        ending: &Ending,
        image: View<'_>,
        scratch: &mut LookupScratch,
        out: &mut [u8],
    ) {
        let (Ending { gather, point }, LookupScratch { row, tables: folded }) = (ending, scratch);
        let tables = if point.is_identity() {
            &self.tables
        } else {
            folded.fold::<N>(point, &self.tables);
            folded
        };
        let tables: [Table<'_, N>; C] = std::array::from_fn(|c| tables.channel(c));
        let (out, _) = out.as_chunks_mut::<N>();
        match (self.form.layout, gather.runs()) {
            (layout, Some((rows, columns, fill))) => {
                let moved = Moved { rows, columns, fill, image };
                match tables.first_chunk() {
                    Some(tables) if layout == Layout::ChannelsLast => moved.write_pixels(tables, row, out),
                    _ => moved.write(&tables, row, out),
                }
            }
            (Layout::ChannelsFirst, None) => {
                let size = gather.size();
                for y in 0..size.height {
                    let pixels = gather.row(y, 0, size.width, image, row);
                    for (c, table) in tables.iter().enumerate() {
                        let line = &mut out[(c * size.height + y) * size.width..][..size.width];
                        byte_tables::plane::<N, C>(pixels, c, table.values, line);
                    }
                }
            }
            (Layout::ChannelsLast, None) => {
                let size = gather.size();
                let tables = tables.map(|table| table.values);
                for (y, line) in out.chunks_exact_mut(size.width * C).enumerate() {
                    byte_tables::interleaved::<N, C>(gather.row(y, 0, size.width, image, row), &tables, line);
                }
            }
        }
    }
}

/// Bytes of each channel that are moved before they are looked up. They should stay in the first-level cache.
const BYTES_PER_STRIP: usize = 4096;

/// Pixels that come to the output by moves alone: a rectangle of `image`, perhaps mirrored, in a frame of one colour.
struct Moved<'a> {
    rows: Run,
    columns: Run,
    fill: [u8; 3],
    /// Packed, or with the pixels of each channel side by side.
    image: View<'a>,
}

impl Moved<'_> {
    /// Writes the values of all pixels to `out`, channel by channel. `bytes` is scratch memory.
    fn write<const N: usize, const C: usize>(
        &self,
        tables: &[Table<'_, N>; C],
        bytes: &mut Vec<u8>,
        out: &mut [[u8; N]],
    ) {
        let (height, width) = (self.rows.total(), self.columns.total());
        let strip = self.strip();
        bytes.resize(C * strip * width, 0);
        let mut pace = Pace::new();
        for top in (0..height).step_by(strip) {
            if pace.after(strip * width * C * N) {
                return;
            }
            let planes = self.read::<C>(top, strip, bytes);
            for (c, (table, plane)) in tables.iter().zip(planes).enumerate() {
                byte_tables::values(plane, *table, &mut out[(c * height + top) * width..][..plane.len()]);
            }
        }
    }

    /// The same, pixel by pixel.
    fn write_pixels<const N: usize>(&self, tables: &[Table<'_, N>; 3], bytes: &mut Vec<u8>, out: &mut [[u8; N]]) {
        let (height, width) = (self.rows.total(), self.columns.total());
        let strip = self.strip();
        bytes.resize(3 * strip * width * (1 + N), 0);
        let (bytes, values) = bytes.split_at_mut(3 * strip * width);
        let values = values.as_chunks_mut().0;
        let mut pace = Pace::new();
        for (top, out) in (0..height).step_by(strip).zip(out.chunks_mut(3 * strip * width)) {
            if pace.after(out.len() * N) {
                return;
            }
            byte_tables::interleaved_planes(self.read(top, strip, bytes), tables, values, out);
        }
    }

    /// The number of rows that are made together.
    fn strip(&self) -> usize {
        (BYTES_PER_STRIP / self.columns.total()).clamp(1, self.rows.total())
    }

    /// Copies the pixels of up to `strip` rows from `top` on to planes in `bytes`, without gaps between rows.
    fn read<'b, const C: usize>(&self, top: usize, strip: usize, bytes: &'b mut [u8]) -> [&'b [u8]; C] {
        let (columns, width) = (self.columns, self.columns.total());
        let rows = self.rows.slice(top, strip.min(self.rows.total() - top));
        let mut planes = bytes.chunks_exact_mut(strip * width);
        let mut planes: [&mut [u8]; C] =
            std::array::from_fn(|_| &mut planes.next().expect("a plane for each channel")[..rows.total() * width]);
        let none = rows.len == 0 || columns.len == 0;
        let (first, last) = if none { (0, 0) } else { (rows.before * width, (rows.before + rows.len) * width) };
        for (plane, fill) in planes.iter_mut().zip(self.fill) {
            plane[..first].fill(fill);
            plane[last..].fill(fill);
        }
        if !none {
            self.move_pixels(rows, planes.each_mut().map(|plane| &mut plane[first..last]));
        }
        planes.map(|plane| &*plane)
    }

    /// Copies the pixels of `rows` without those above and below.
    fn move_pixels<const C: usize>(&self, rows: Run, mut planes: [&mut [u8]; C]) {
        let columns = self.columns;
        let View { rect, data, strides: [row, pixel, channel], .. } = self.image;
        let left = columns.span(columns.before, columns.len).0 - rect.left;
        let from = Rows {
            data,
            first: (rows.start - rect.top) * row + left * pixel,
            step: if rows.reversed { -(row as isize) } else { row as isize },
            reversed: columns.reversed,
        };
        let to = Columns { left: columns.before, len: columns.len, stride: columns.total() };
        match &mut planes[..] {
            [red, green, blue] if pixel != 1 => {
                if !columns.is_bare() {
                    [&mut *red, green, blue].into_iter().zip(self.fill).for_each(|(plane, fill)| plane.fill(fill));
                }
                kernel::split_rows(from, to, [red, green, blue]);
            }
            planes => {
                for (c, (plane, fill)) in planes.iter_mut().zip(self.fill).enumerate() {
                    kernel::move_rows(Rows { first: from.first + c * channel, ..from }, to, fill, plane);
                }
            }
        }
    }
}
