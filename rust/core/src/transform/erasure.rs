//! Erasures: rectangles of a sample that get other values after the final table.
//!
//! The values are those of the output, for which no byte need stand: 0 after a normalization, or normal numbers.

use serde::{Deserialize, Serialize};

use super::form::{Form, Layout};
use crate::{image::Size, interrupt::Pace, rng::Normals};

/// What an erased rectangle is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErasedValue {
    /// A value for each channel: the numbers, and the same as the elements of the output, in their lowest bytes.
    Constant {
        /// The numbers.
        numbers: [f64; 3],
        /// The elements.
        elements: [u64; 3],
    },
    /// A standard normal number for each channel, drawn from the seed. Elements are 32-bit floats.
    NormalColor {
        /// The seed.
        seed: u64,
    },
    /// A standard normal number for each element, drawn from the seed channel by channel. Elements are 32-bit floats.
    Normal {
        /// The seed.
        seed: u64,
    },
}

/// A rectangle of a sample, and what it is filled with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Erasure {
    /// The first row.
    pub i: usize,
    /// The first column.
    pub j: usize,
    /// Rows.
    pub h: usize,
    /// Columns.
    pub w: usize,
    /// What it is filled with.
    pub v: ErasedValue,
}

impl Erasure {
    /// Fills the part of the rectangle that lies in `out`, a sample of `size` and `form`.
    pub(super) fn write(&self, size: Size, form: Form, out: &mut [u8]) {
        match form.element {
            1 => self.write_as::<1>(size, form, out),
            2 => self.write_as::<2>(size, form, out),
            4 => self.write_as::<4>(size, form, out),
            _ => self.write_as::<8>(size, form, out),
        }
    }

    fn write_as<const N: usize>(&self, size: Size, form: Form, out: &mut [u8]) {
        let (out, _) = out.as_chunks_mut::<N>();
        let rows = self.i.min(size.height)..self.i.saturating_add(self.h).min(size.height);
        let columns = self.j.min(size.width)..self.j.saturating_add(self.w).min(size.width);
        if columns.is_empty() {
            return;
        }
        let mut normals = match self.v {
            ErasedValue::Constant { .. } => None,
            ErasedValue::NormalColor { seed } | ErasedValue::Normal { seed } => Some(Normals::new(seed)),
        };
        let mut pace = Pace::new();
        for c in 0..form.channels {
            let mut draw = || element(u64::from(normals.as_mut().map_or(0, |normals| normals.draw().to_bits())));
            let value = match self.v {
                ErasedValue::Constant { elements, .. } => Some(element::<N>(elements[c])),
                ErasedValue::NormalColor { .. } => Some(draw()),
                ErasedValue::Normal { .. } => None,
            };
            for y in rows.clone() {
                if pace.after(columns.len() * N) {
                    return;
                }
                let (start, step) = match form.layout {
                    Layout::ChannelsFirst => ((c * size.height + y) * size.width + columns.start, 1),
                    Layout::ChannelsLast => ((y * size.width + columns.start) * form.channels + c, form.channels),
                };
                let row = &mut out[start..][..(columns.len() - 1) * step + 1];
                match value {
                    Some(value) if step == 1 => row.fill(value),
                    Some(value) => row.iter_mut().step_by(step).for_each(|element| *element = value),
                    None if step == 1 => row.iter_mut().for_each(|element| *element = draw()),
                    None => row.iter_mut().step_by(step).for_each(|element| *element = draw()),
                }
            }
        }
    }
}

/// The lowest `N` bytes of an element, in the machine's order.
fn element<const N: usize>(bits: u64) -> [u8; N] {
    let bytes = bits.to_le_bytes();
    let mut made = std::array::from_fn(|i| bytes[i]);
    if cfg!(target_endian = "big") {
        made.reverse();
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each layout and width of elements against the obvious loop, at the edges too.
    #[test]
    fn rectangles_are_filled() {
        let size = Size::new(4, 5);
        let elements = [0x1122_3344_5566_7788, 2, 3];
        for (i, j, h, w) in [(0, 0, 4, 5), (1, 2, 2, 3), (3, 4, 9, 9), (7, 0, 1, 1), (0, 9, 2, 2), (2, 2, 0, 3)] {
            for (channels, layout) in
                [(1, Layout::ChannelsFirst), (3, Layout::ChannelsFirst), (3, Layout::ChannelsLast)]
            {
                for element in [1, 2, 4, 8] {
                    let form = Form { channels, element, layout };
                    let v = ErasedValue::Constant { numbers: [0.0; 3], elements };
                    let mut out = vec![9; channels * 20 * element];
                    Erasure { i, j, h, w, v }.write(size, form, &mut out);
                    for (at, made) in out.chunks_exact(element).enumerate() {
                        let (c, y, x) = match layout {
                            Layout::ChannelsFirst => (at / 20, at / 5 % 4, at % 5),
                            Layout::ChannelsLast => (at % channels, at / channels / 5, at / channels % 5),
                        };
                        let inside = (i..i + h).contains(&y) && (j..j + w).contains(&x);
                        let expected =
                            if inside { elements[c].to_ne_bytes()[..element].to_vec() } else { vec![9; element] };
                        assert_eq!(made, expected, "{form:?} {c} {y} {x}");
                    }
                }
            }
        }
    }

    #[test]
    fn normal_numbers_are_drawn_channel_by_channel() {
        let (size, seed) = (Size::new(3, 4), 77);
        let erased = |v, layout| {
            let mut out = vec![0; 3 * 12 * 4];
            let form = Form { channels: 3, element: 4, layout };
            Erasure { i: 1, j: 1, h: 2, w: 2, v }.write(size, form, &mut out);
            let values: Vec<f32> = out.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect();
            values
        };
        let mut normals = Normals::new(seed);
        let drawn: Vec<f32> = (0..12).map(|_| normals.draw()).collect();
        let made = erased(ErasedValue::Normal { seed }, Layout::ChannelsFirst);
        let (c, y, x) = (2, 2, 1);
        assert_eq!(made[(c * 3 + y) * 4 + x], drawn[c * 4 + 2]);
        let last = erased(ErasedValue::Normal { seed }, Layout::ChannelsLast);
        assert!((0..12).all(|at| (0..3).all(|c| last[at * 3 + c] == made[c * 12 + at])));
        let color = erased(ErasedValue::NormalColor { seed }, Layout::ChannelsFirst);
        assert_eq!([color[5], color[10], color[12 + 5], color[24 + 9]], [drawn[0], drawn[0], drawn[1], drawn[2]]);
    }
}
