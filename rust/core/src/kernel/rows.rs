//! Rows of bytes or pixels, moved as they are or mirrored, into planes.

/// Rows to be read. There is one for each row that is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows<'a> {
    pub(crate) data: &'a [u8],
    /// Where the first row begins.
    pub(crate) first: usize,
    /// Bytes from one row to the next; negative where they come from the bottom up.
    pub(crate) step: isize,
    /// Whether each is mirrored.
    pub(crate) reversed: bool,
}

/// Where rows are written: `len` columns from `left` on, of rows that begin every `stride` bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    pub(crate) left: usize,
    pub(crate) len: usize,
    pub(crate) stride: usize,
}

impl<'a> Rows<'a> {
    /// `len` bytes of row `y`.
    #[inline(always)]
    pub(super) fn get(&self, y: usize, len: usize) -> &'a [u8] {
        &self.data[self.first.wrapping_add_signed(y as isize * self.step)..][..len]
    }
}

/// Copies rows of bytes. Bytes beside the columns become `fill`.
#[inline(always)]
pub(super) fn move_rows(rows: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8]) {
    if columns.len < columns.stride {
        out.fill(fill);
    }
    match rows.reversed {
        true => move_rows_as::<true>(rows, columns, out),
        false => move_rows_as::<false>(rows, columns, out),
    }
}

#[inline(always)]
fn move_rows_as<const REVERSED: bool>(rows: Rows<'_>, columns: Columns, out: &mut [u8]) {
    match columns.len {
        0..8 => move_blocks::<1, REVERSED>(rows, columns, out),
        8..16 => move_blocks::<8, REVERSED>(rows, columns, out),
        16..32 => move_blocks::<16, REVERSED>(rows, columns, out),
        _ => move_blocks::<32, REVERSED>(rows, columns, out),
    }
}

/// Copies rows in blocks of `K` bytes, the last of which overlaps the one before. No row may be shorter than one.
#[inline(always)]
fn move_blocks<const K: usize, const REVERSED: bool>(rows: Rows<'_>, columns: Columns, out: &mut [u8]) {
    let Columns { left, len, stride } = columns;
    let Some(last) = len.checked_sub(K) else { return };
    for (y, out) in out.chunks_exact_mut(stride).enumerate() {
        let (from, to) = (rows.get(y, len), &mut out[left..left + len]);
        let mut at = 0;
        loop {
            let mut block: [u8; K] = *from[at..].first_chunk().expect("a whole block");
            if REVERSED {
                block.reverse();
            }
            to[if REVERSED { last - at } else { at }..][..K].copy_from_slice(&block);
            if at == last {
                break;
            }
            at = (at + K).min(last);
        }
    }
}

/// Copies rows of RGB pixels, each colour to a plane of its own.
#[inline(always)]
pub(super) fn split_rows(rows: Rows<'_>, columns: Columns, [red, green, blue]: [&mut [u8]; 3]) {
    let Columns { left, len, stride } = columns;
    let planes = red.chunks_exact_mut(stride).zip(green.chunks_exact_mut(stride)).zip(blue.chunks_exact_mut(stride));
    for (y, ((red, green), blue)) in planes.enumerate() {
        let from = rows.get(y, len * 3).as_chunks().0;
        let to = [red, green, blue].map(|row| &mut row[left..left + len]);
        match rows.reversed {
            true => split_row::<true>(from, to),
            false => split_row::<false>(from, to),
        }
    }
}

#[inline(always)]
fn split_row<const REVERSED: bool>(from: &[[u8; 3]], [red, green, blue]: [&mut [u8]; 3]) {
    let last = from.len().wrapping_sub(1);
    for (x, &[r, g, b]) in from.iter().enumerate() {
        let x = if REVERSED { last - x } else { x };
        (red[x], green[x], blue[x]) = (r, g, b);
    }
}

/// Writes three planes of values pixel by pixel.
pub(super) fn interleave<const N: usize>([red, green, blue]: [&[[u8; N]]; 3], out: &mut [[u8; N]]) {
    let (out, _) = out.as_chunks_mut::<3>();
    for (((out, &red), &green), &blue) in out.iter_mut().zip(red).zip(green).zip(blue) {
        *out = [red, green, blue];
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::Kernels, *};

    proptest! {
        /// What each build makes of rows, against every pixel asked for by itself.
        #[test]
        fn rows_are_moved(
            height in 1usize..6,
            len in 0usize..120,
            left in 0usize..3,
            gap in 0usize..40,
            upwards in any::<bool>(),
            reversed in any::<bool>(),
            data in prop::collection::vec(any::<u8>(), 6 * 400),
        ) {
            for channels in [1, 3] {
                let row = len * channels + gap;
                let data = &data[..height * row - gap];
                let (first, step) = if upwards { ((height - 1) * row, -(row as isize)) } else { (0, row as isize) };
                let (rows, columns) = (Rows { data, first, step, reversed }, Columns { left, len, stride: left + len + 1 });
                let mut expected = vec![7; 3 * height * columns.stride];
                for (c, plane) in expected.chunks_exact_mut(height * columns.stride).enumerate().take(channels) {
                    for (y, x) in (0..height).flat_map(|y| (0..len).map(move |x| (y, x))) {
                        let (from_y, from_x) = (if upwards { height - 1 - y } else { y }, if reversed { len - 1 - x } else { x });
                        plane[y * columns.stride + left + x] = data[from_y * row + from_x * channels + c];
                    }
                }
                for kernels in Kernels::all() {
                    let (mut out, fill) = (vec![7; expected.len()], 7);
                    if channels == 1 {
                        out[..height * columns.stride].fill(8); // all of it is written
                    }
                    let (red, rest) = out.split_at_mut(height * columns.stride);
                    let (green, blue) = rest.split_at_mut(height * columns.stride);
                    match channels {
                        1 => (kernels.move_rows)(rows, columns, fill, red),
                        _ => (kernels.split_rows)(rows, columns, [red, green, blue]),
                    }
                    prop_assert_eq!(&out, &expected);
                }
            }
        }
    }
}
