//! The tables of a file: quantisation and Huffman (ITU-T T.81, B.2.4).

use crate::{
    Error, Result,
    huffman::{Ac, Dc, Spec},
    standard_tables,
    zigzag::NATURAL,
};

/// Factors in natural order.
pub(crate) type Quant = [u16; 64];

/// A Huffman table, and the lookup tables that were built from it.
#[derive(Debug)]
struct HuffmanTable<T> {
    spec: Spec,
    /// Whether the current file has it.
    defined: bool,
    /// Built for `spec`. It outlives the file: most files use the same few tables. The memory outlives the table.
    built: Option<Box<T>>,
    /// Whether `built` is for `spec`, and not for one before it.
    current: bool,
    /// Whether it was built for long use.
    pairs: bool,
}

impl<T> Default for HuffmanTable<T> {
    fn default() -> Self {
        Self {
            spec: Spec { counts: [0; 16], symbols: [0; 256] },
            defined: false,
            built: None,
            current: false,
            pairs: false,
        }
    }
}

impl<T> HuffmanTable<T> {
    fn define(&mut self, spec: Spec) {
        self.defined = true;
        if self.spec != spec {
            self.spec = spec;
            self.current = false;
        }
    }

    /// The table of the current file, if it has one and that is built.
    fn table(&self) -> Option<&T> {
        self.built.as_deref().filter(|_| self.current)
    }
}

/// The tables that are in force, four of each kind. Kept from file to file, as memory and as a cache.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    quant: [Option<Quant>; 4],
    dc: [HuffmanTable<Dc>; 4],
    ac: [HuffmanTable<Ac>; 4],
}

impl Tables {
    /// Forgets the tables of the last file.
    pub(crate) fn reset(&mut self) {
        self.quant = [None; 4];
        self.dc.iter_mut().for_each(|table| table.defined = false);
        self.ac.iter_mut().for_each(|table| table.defined = false);
    }

    /// Reads a DQT segment. As in libjpeg, any precision but 0 means 16 bits.
    pub(crate) fn read_quant(&mut self, mut payload: &[u8]) -> Result<()> {
        let broken = || Error::Format("quantisation table segment of a wrong length or number".to_owned());
        while let Some((&head, rest)) = payload.split_first() {
            let (wide, number) = (head >> 4 != 0, usize::from(head & 15));
            let table = self.quant.get_mut(number).ok_or_else(broken)?.insert([0; 64]);
            let length = if wide { 128 } else { 64 };
            let (values, rest) = rest.split_at_checked(length).ok_or_else(broken)?;
            for (index, &place) in NATURAL[..64].iter().enumerate() {
                table[usize::from(place)] = match wide {
                    true => u16::from_be_bytes([values[2 * index], values[2 * index + 1]]),
                    false => values[index].into(),
                };
            }
            payload = rest;
        }
        Ok(())
    }

    /// Reads a DHT segment.
    pub(crate) fn read_huffman(&mut self, mut payload: &[u8]) -> Result<()> {
        let broken = || Error::Format("Huffman table segment of a wrong length or number".to_owned());
        while !payload.is_empty() {
            let (&[head, ref counts @ ..], rest) = payload.split_first_chunk::<17>().ok_or_else(broken)?;
            let total: usize = counts.iter().map(|&count| usize::from(count)).sum();
            if total > 256 {
                return Err(broken());
            }
            let (listed, rest) = rest.split_at_checked(total).ok_or_else(broken)?;
            let mut spec = Spec { counts: *counts, symbols: [0; 256] };
            spec.symbols[..total].copy_from_slice(listed);
            let number = usize::from(head & !0x10);
            match head & 0x10 {
                0 => self.dc.get_mut(number).ok_or_else(broken)?.define(spec),
                _ => self.ac.get_mut(number).ok_or_else(broken)?.define(spec),
            }
            payload = rest;
        }
        Ok(())
    }

    /// Fills in the standard tables where a sequential file has none (libjpeg-turbo, `std_huff_tables`).
    pub(crate) fn default_huffman(&mut self) {
        for number in 0..2 {
            if !self.dc[number].defined {
                self.dc[number].define(standard_tables::dc(number));
            }
            if !self.ac[number].defined {
                self.ac[number].define(standard_tables::ac(number));
            }
        }
    }

    /// The quantisation table with this number.
    pub(crate) fn quant(&self, number: u8) -> Result<Quant> {
        let table = self.quant.get(usize::from(number)).copied().flatten();
        table.ok_or_else(|| Error::Format(format!("quantisation table {number} is missing")))
    }

    /// Builds the table for DC with this number, unless that was done before.
    pub(crate) fn build_dc(&mut self, number: usize) -> Result<()> {
        let table = self.dc.get_mut(number).filter(|table| table.defined);
        let table = table.ok_or_else(|| Error::Format(format!("Huffman table {number} for DC is missing")))?;
        if !table.current {
            table.built.get_or_insert_default().build(&table.spec)?;
            table.current = true;
        }
        Ok(())
    }

    /// Builds the table for AC with this number, unless that was done before.
    pub(crate) fn build_ac(&mut self, number: usize, pairs: bool) -> Result<()> {
        let table = self.ac.get_mut(number).filter(|table| table.defined);
        let table = table.ok_or_else(|| Error::Format(format!("Huffman table {number} for AC is missing")))?;
        if !table.current || pairs && !table.pairs {
            table.built.get_or_insert_default().build(&table.spec, pairs)?;
            (table.current, table.pairs) = (true, pairs);
        }
        Ok(())
    }

    /// A table that [`Tables::build_dc`] has built.
    pub(crate) fn dc(&self, number: usize) -> Result<&Dc> {
        let built = self.dc.get(number).and_then(HuffmanTable::table);
        built.ok_or_else(|| Error::Format(format!("Huffman table {number} for DC is missing")))
    }

    /// A table that [`Tables::build_ac`] has built.
    pub(crate) fn ac(&self, number: usize) -> Result<&Ac> {
        let built = self.ac.get(number).and_then(HuffmanTable::table);
        built.ok_or_else(|| Error::Format(format!("Huffman table {number} for AC is missing")))
    }
}

/// Checks a DAC segment. Without arithmetic coding it means nothing, but libjpeg's `get_dac` refuses some values.
pub(crate) fn check_arithmetic(payload: &[u8]) -> Result<()> {
    let (pairs, rest) = payload.as_chunks::<2>();
    let good = |&[number, value]: &[u8; 2]| number < 32 && (number >= 16 || value & 15 <= value >> 4);
    match rest.is_empty() && pairs.iter().all(good) {
        true => Ok(()),
        false => Err(Error::Format("arithmetic conditioning segment of a wrong length or value".to_owned())),
    }
}
