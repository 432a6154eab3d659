//! Huffman codes (ITU-T T.81, Annexes C and F.2.2.3): from the table segment to look-ups.

use std::ops::Range;

use crate::{Error, Result};

/// Codes of up to this many bits are found in one step. With 10 bits more of them needed two, with 12 the tables would fill
/// the first-level cache.
pub(crate) const LOOKUP: u32 = 11;

/// A table as it stands in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    /// How many codes there are of each length from 1 to 16.
    pub(crate) counts: [u8; 16],
    /// The symbols in order of their codes; zero beyond the last.
    pub(crate) symbols: [u8; 256],
}

/// Codes to symbols.
#[derive(Debug, Clone)]
pub(crate) struct Codes {
    /// For each possible [`LOOKUP`] bits: length of the code in the high byte (0: longer than that), symbol in the low.
    pub(crate) short: [u16; 1 << LOOKUP],
    /// For each length: the first 16 bits that are beyond all codes of up to that length.
    limit: [u32; 17],
    /// For each length: index of a symbol, less its code.
    delta: [i32; 17],
    symbols: [u8; 256],
}

impl Default for Codes {
    fn default() -> Self {
        Self { short: [0; 1 << LOOKUP], limit: [0; 17], delta: [0; 17], symbols: [0; 256] }
    }
}

impl Codes {
    /// Figures C.1, C.2 and F.15, with the checks of libjpeg's `jpeg_make_d_derived_tbl`.
    fn build(&mut self, spec: &Spec) -> Result<()> {
        let codes = self;
        codes.short.fill(0);
        codes.symbols = spec.symbols;
        let (mut code, mut index) = (0_u32, 0_usize);
        for length in 1..=16_u32 {
            let count = usize::from(spec.counts[length as usize - 1]);
            codes.delta[length as usize] = index as i32 - code as i32;
            if length <= LOOKUP {
                let span = 1_usize << (LOOKUP - length);
                for &symbol in spec.symbols.get(index..index + count).unwrap_or(&[]) {
                    let start = code as usize * span;
                    // Codes that do not fit in their length are refused below.
                    if let Some(entries) = codes.short.get_mut(start..start + span) {
                        entries.fill((length as u16) << 8 | u16::from(symbol));
                    }
                    code += 1;
                }
            } else {
                code += count as u32;
            }
            index += count;
            // Of each length the code of all ones is reserved, hence `>=`.
            if index > 256 || (count > 0 && code >= 1 << length) {
                return Err(Error::Format(format!("Huffman table with too many codes of {length} bits")));
            }
            codes.limit[length as usize] = code << (16 - length);
            code <<= 1;
        }
        Ok(())
    }

    /// Length and symbol of the code at the top of `window`.
    ///
    /// The length is 17 where there is no such code; the symbol is then 0, as libjpeg's `jpeg_huff_decode` has it.
    #[inline(always)]
    pub(crate) fn decode(&self, window: u64) -> (u32, u8) {
        let entry = self.short[(window >> (64 - LOOKUP)) as usize];
        if entry >> 8 != 0 {
            return (u32::from(entry >> 8), entry as u8);
        }
        self.decode_long(window)
    }

    /// The same for codes of more than [`LOOKUP`] bits.
    #[cold]
    pub(crate) fn decode_long(&self, window: u64) -> (u32, u8) {
        let peek = (window >> 48) as u32;
        for length in LOOKUP + 1..=16 {
            if peek < self.limit[length as usize] {
                let code = (peek >> (16 - length)) as i32;
                return (length, self.symbols[(code + self.delta[length as usize]) as usize & 255]);
            }
        }
        (17, 0)
    }
}

/// The value of `size` bits at the top of `window`, 1 to 16 of them (T.81, F.2.2.1, EXTEND).
#[inline(always)]
pub(crate) fn extend(window: u64, size: u32) -> i32 {
    let value = (window >> (64 - size)) as i32;
    // Without a branch, as signs cannot be foreseen: if the first bit is 0, the value is negative.
    let negative = !((window as i64 >> 63) as i32);
    value + (negative & (1 - (1 << size)))
}

/// Table for DC differences.
#[derive(Debug, Clone)]
pub(crate) struct Dc {
    /// Value in the high half, bits of code and value in the low; 0 where they do not fit in [`LOOKUP`] bits.
    pub(crate) fast: [i32; 1 << LOOKUP],
    pub(crate) codes: Codes,
}

impl Default for Dc {
    fn default() -> Self {
        Self { fast: [0; 1 << LOOKUP], codes: Codes::default() }
    }
}

impl Dc {
    /// Makes this the table of `spec`. After an error it is none.
    pub(crate) fn build(&mut self, spec: &Spec) -> Result<()> {
        let count: usize = spec.counts.iter().map(|&count| usize::from(count)).sum();
        if let Some(symbol) = spec.symbols.iter().take(count).find(|&&symbol| symbol > 15) {
            return Err(Error::Format(format!("Huffman table for DC with the symbol {symbol}")));
        }
        self.codes.build(spec)?;
        self.fast.fill(0);
        each_value(spec, |entries, length, symbol, value| {
            if let Some(value) = value {
                self.fast[entries].fill(value << 16 | (length + u32::from(symbol)) as i32);
            }
        });
        Ok(())
    }
}

/// Table for AC coefficients: code, value and run in one step, and two symbols at once where they are short.
#[derive(Debug, Clone)]
pub(crate) struct Ac {
    pub(crate) fast: [Step; 1 << LOOKUP],
    pub(crate) codes: Codes,
}

/// What [`LOOKUP`] bits of AC coefficients mean. From the lowest bit:
///
/// - 6 bits: how many bits it takes;
/// - 4 bits and a zero: run of zeros before the first coefficient;
/// - 8 bits: how far the zigzag index advances, plus [`Step::END`] after an end of block; [`Step::LONG`] where code and
///   value do not fit: then instead of the first coefficient there is [`Step::sizes`];
/// - 5 bits, signed: the second coefficient, or 0;
/// - 8 bits, signed: the first coefficient, or 0.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step(i32);

impl Step {
    pub(crate) const END: usize = 128;
    pub(crate) const LONG: usize = 192;

    fn new(bits: u32, run: usize, advance: usize, first: i32, second: i32) -> Self {
        Self(first << 24 | (second & 31) << 19 | (advance << 11 | run << 6 | bits as usize) as i32)
    }

    /// This step of one symbol as the second of two: to be added to the first.
    fn as_second(self) -> i32 {
        let value = i32::from(self.first());
        match self.advance() == Self::LONG || !(-16..16).contains(&value) {
            true => LOOKUP as i32 + 1,
            false => self.0 & (255 << 11 | 63) | (value & 31) << 19,
        }
    }

    #[inline(always)]
    pub(crate) fn bits(self) -> u32 {
        self.0 as u32 & 63
    }

    #[inline(always)]
    pub(crate) fn run(self) -> usize {
        (self.0 as usize >> 6) & 15
    }

    #[inline(always)]
    pub(crate) fn advance(self) -> usize {
        (self.0 as usize >> 11) & 255
    }

    #[inline(always)]
    pub(crate) fn second(self) -> i16 {
        (self.0 << 8 >> 27) as i16
    }

    #[inline(always)]
    pub(crate) fn first(self) -> i16 {
        (self.0 >> 24) as i16
    }

    /// Bits of a code and of its value, where it is the value that is too long, or else (0, 0).
    #[inline(always)]
    pub(crate) fn sizes(self) -> (u32, u32) {
        (self.0 as u32 >> 28, (self.0 as u32 >> 24) & 15)
    }
}

impl Default for Ac {
    fn default() -> Self {
        Self { fast: [Step(0); 1 << LOOKUP], codes: Codes::default() }
    }
}

impl Ac {
    /// Makes this the table of `spec`. After an error it is none. `pairs` asks for steps of two symbols, which pay only
    /// if the table is used often.
    pub(crate) fn build(&mut self, spec: &Spec, pairs: bool) -> Result<()> {
        self.codes.build(spec)?;
        let single = &mut self.fast;
        single.fill(Step::new(0, 0, Step::LONG, 0, 0));
        each_value(spec, |entries, length, symbol, value| {
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            single[entries].fill(match value {
                Some(value) if size > 0 && size < 8 => Step::new(length + size, run, run + 1, value, 0),
                _ if size > 0 => Step::new(0, run, Step::LONG, (length << 4 | size) as i32, 0),
                _ if run == 15 => Step::new(length, 15, 16, 0, 0),
                _ => Step::new(length, 0, Step::END, 0, 0),
            });
        });
        if !pairs {
            return Ok(());
        }
        // What a step adds to one before it. Those that cannot be second take more bits than there are.
        let seconds = single.map(Step::as_second);
        for (index, step) in single.iter_mut().enumerate() {
            let second = seconds[index << step.bits() & ((1 << LOOKUP) - 1)];
            if step.advance() < Step::END && step.bits() + (second as u32 & 63) <= LOOKUP {
                step.0 += second;
            }
        }
        Ok(())
    }
}

/// Calls `f` for each value of each symbol of up to [`LOOKUP`] bits: with the look-ups that begin so, the length of the
/// code, the symbol, and the value if it is in those bits, too.
fn each_value(spec: &Spec, mut f: impl FnMut(Range<usize>, u32, u8, Option<i32>)) {
    let (mut start, mut symbols) = (0, spec.symbols.iter());
    for (&count, length) in spec.counts.iter().zip(1..=LOOKUP) {
        let span = 1_usize << (LOOKUP - length);
        for &symbol in symbols.by_ref().take(count.into()) {
            let size = u32::from(symbol & 15);
            if start + span > 1 << LOOKUP {
                return; // Refused by `Codes::build`.
            }
            if length + size > LOOKUP {
                f(start..start + span, length, symbol, None);
            } else {
                let part = span >> size;
                for value in 0..1 << size {
                    let from = start + value * part;
                    let negative = value < 1 << size >> 1;
                    let value = value as i32 - if negative { (1 << size) - 1 } else { 0 };
                    f(from..from + part, length, symbol, Some(value));
                }
            }
            start += span;
        }
    }
}
