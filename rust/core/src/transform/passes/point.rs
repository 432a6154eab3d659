//! `Point`: each byte becomes another byte, whatever its place.

use std::fmt;

use smallvec::SmallVec;

use crate::{
    Result,
    color::blend,
    image::{Rect, View, Window},
    interrupt::Pace,
    kernel::byte_tables,
};

/// A function of one byte.
///
/// All channels share it. A function with parameters per channel, or with parameters that an earlier pass of the same
/// sample computes, is a variant that holds them; [`Point::table`] is where it would become 256 bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// `255 - value` (`PIL.ImageOps.invert`).
    Invert,
    /// Multiplies (`PIL.ImageEnhance.Brightness`).
    Brightness { factor: f32 },
    /// Keeps the `bits` highest bits (`PIL.ImageOps.posterize`).
    Posterize { bits: u8 },
    /// Inverts values that are not below `threshold` (`PIL.ImageOps.solarize`). The threshold is at most 256.
    Solarize { threshold: u16 },
    /// Adds to values below `thresh`, up to 255 (timm's `solarize_add`).
    SolarizeAdd { add: u8, thresh: u8 },
}

impl Function {
    /// Inverts values that are not below `threshold`, which may be any number.
    ///
    /// Pillow compares integers with it, so the next integer above it does the same.
    pub(crate) fn solarize(threshold: f64) -> Self {
        // The cast makes 0 of what is not a number, which no value is below.
        Function::Solarize { threshold: threshold.ceil().clamp(0.0, 256.0) as u16 }
    }

    /// Applies the function to each byte of `bytes`.
    fn apply(self, bytes: [u8; 256]) -> [u8; 256] {
        match self {
            Function::Invert => bytes.map(|byte| 255 - byte),
            Function::Brightness { factor } => bytes.map(|byte| blend(0, byte, factor)),
            Function::Posterize { bits } => {
                let mask = (0xff00_u16 >> bits.min(8)) as u8;
                bytes.map(|byte| byte & mask)
            }
            Function::Solarize { threshold } => {
                bytes.map(|byte| if u16::from(byte) < threshold { byte } else { 255 - byte })
            }
            Function::SolarizeAdd { add, thresh } => {
                bytes.map(|byte| if byte < thresh { byte.saturating_add(add) } else { byte })
            }
        }
    }
}

/// Functions that are applied to each byte, one after the other.
///
/// A point stays a list of functions, which is small and cheap to move, until it runs or is folded into the final
/// table: then it becomes a table of 256 bytes.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Point {
    functions: SmallVec<[Function; 4]>,
}

impl Point {
    /// Whether there is no function.
    pub(crate) fn is_identity(&self) -> bool {
        self.functions.is_empty()
    }

    /// Applies `function` after the functions that are there.
    pub(crate) fn push(&mut self, function: Function) {
        self.functions.push(function);
    }

    /// What becomes of each byte.
    pub(crate) fn table(&self) -> [u8; 256] {
        let bytes = std::array::from_fn(|byte| byte as u8);
        self.functions.iter().fold(bytes, |bytes, function| function.apply(bytes))
    }

    /// The colour that becomes `colour`, if there is one.
    pub(crate) fn preimage(&self, colour: [u8; 3]) -> Option<[u8; 3]> {
        if self.is_identity() {
            return Some(colour);
        }
        let table = self.table();
        let find = |wanted| table.iter().position(|&byte| byte == wanted).map(|byte| byte as u8);
        let [red, green, blue] = colour.map(find);
        Some([red?, green?, blue?])
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(&self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        out.try_reset(image.size, rect, image.channels)?;
        let table = self.table();
        let table = byte_tables::Table::of_bytes(&table);
        let mut pace = Pace::new();
        for (row, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * image.channels)) {
            if pace.after(line.len()) {
                break;
            }
            byte_tables::values(image.row(row, rect.left, rect.width), table, line.as_chunks_mut().0);
        }
        Ok(())
    }
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "point {:?}", self.functions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(functions: &[Function]) -> Point {
        Point { functions: functions.into() }
    }

    /// Some values of the tables that Pillow makes.
    #[test]
    fn functions_are_pillows() {
        let made = |function| [0, 1, 127, 128, 129, 255].map(|byte| point(&[function]).table()[byte]);
        assert_eq!(made(Function::Invert), [255, 254, 128, 127, 126, 0]);
        assert_eq!(made(Function::Posterize { bits: 1 }), [0, 0, 0, 128, 128, 128]);
        assert_eq!(made(Function::Posterize { bits: 7 }), [0, 0, 126, 128, 128, 254]);
        assert_eq!(made(Function::Posterize { bits: 8 }), [0, 1, 127, 128, 129, 255]);
        assert_eq!(made(Function::Posterize { bits: 0 }), [0; 6]);
        assert_eq!(made(Function::solarize(128.0)), [0, 1, 127, 127, 126, 0]);
        assert_eq!(made(Function::solarize(127.5)), [0, 1, 127, 127, 126, 0]);
        assert_eq!(made(Function::solarize(128.1)), [0, 1, 127, 128, 126, 0]);
        assert_eq!(made(Function::SolarizeAdd { add: 2, thresh: 128 }), [2, 3, 129, 128, 129, 255]);
        assert_eq!(made(Function::SolarizeAdd { add: 200, thresh: 128 }), [200, 201, 255, 128, 129, 255]);
        let all = [255, 254, 128, 127, 126, 0];
        assert_eq!([0.0, -0.5, -1e300, f64::NAN].map(|t| made(Function::solarize(t))), [all; 4]);
        assert_eq!([255.1, f64::INFINITY].map(|t| made(Function::solarize(t))), [[0, 1, 127, 128, 129, 255]; 2]);
    }

    #[test]
    fn points_are_applied_in_order() {
        let point = point(&[Function::Posterize { bits: 4 }, Function::Invert, Function::solarize(200.0)]);
        let expected = |value: u8| match 255 - (value & 0xf0) {
            value if value < 200 => value,
            value => 255 - value,
        };
        assert_eq!(point.table(), std::array::from_fn(|value| expected(value as u8)));
        assert_eq!(point.to_string(), "point [Posterize { bits: 4 }, Invert, Solarize { threshold: 200 }]");
    }

    #[test]
    fn colours_are_traced_back() {
        assert_eq!(point(&[]).preimage([7, 8, 9]), Some([7, 8, 9]));
        assert_eq!(point(&[Function::Invert]).preimage([7, 8, 9]), Some([248, 247, 246]));
        let coarse = point(&[Function::Posterize { bits: 4 }]);
        assert_eq!(coarse.preimage([0, 16, 240]), Some([0, 16, 240]));
        assert_eq!(coarse.preimage([0, 17, 240]), None);
    }
}
