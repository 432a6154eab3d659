//! The walk from marker to marker (ITU-T T.81, B.1.1).

use crate::{Error, Result};

pub(crate) const SOF0: u8 = 0xC0;
pub(crate) const SOF2: u8 = 0xC2;
pub(crate) const SOF3: u8 = 0xC3;
pub(crate) const DHT: u8 = 0xC4;
pub(crate) const JPG: u8 = 0xC8;
pub(crate) const DAC: u8 = 0xCC;
pub(crate) const SOF15: u8 = 0xCF;
pub(crate) const RST0: u8 = 0xD0;
pub(crate) const RST7: u8 = 0xD7;
pub(crate) const SOI: u8 = 0xD8;
pub(crate) const EOI: u8 = 0xD9;
pub(crate) const SOS: u8 = 0xDA;
pub(crate) const DQT: u8 = 0xDB;
pub(crate) const DNL: u8 = 0xDC;
pub(crate) const DRI: u8 = 0xDD;
pub(crate) const APP0: u8 = 0xE0;
pub(crate) const APP1: u8 = 0xE1;
pub(crate) const APP2: u8 = 0xE2;
pub(crate) const APP14: u8 = 0xEE;
pub(crate) const APP15: u8 = 0xEF;
pub(crate) const COM: u8 = 0xFE;
pub(crate) const TEM: u8 = 0x01;

/// A position in a file, moved from marker to marker.
#[derive(Debug, Clone)]
pub(crate) struct Walk<'a> {
    pub(crate) bytes: &'a [u8],
    /// The position behind the last byte that was read.
    pub(crate) at: usize,
    /// Oddities that libjpeg warns of.
    pub(crate) warnings: u32,
}

impl<'a> Walk<'a> {
    /// Starts after the SOI marker. libjpeg and Pillow demand it in the first two bytes.
    pub(crate) fn new(bytes: &'a [u8]) -> Result<Self> {
        match bytes {
            [0xFF, SOI, ..] => Ok(Self { bytes, at: 2, warnings: 0 }),
            _ => Err(Error::Format(format!("it starts with {:02x?}, not with ff d8", &bytes[..bytes.len().min(2)]))),
        }
    }

    /// The code of the next marker. What stands before it is skipped, with a warning (libjpeg, `next_marker`).
    pub(crate) fn marker(&mut self) -> Result<u8> {
        let mut junk = false;
        loop {
            let found = self.bytes[self.at..].iter().position(|&byte| byte == 0xFF).ok_or_else(|| self.truncated())?;
            junk |= found > 0;
            self.at += found;
            let fill = self.bytes[self.at..].iter().position(|&byte| byte != 0xFF).ok_or_else(|| self.truncated())?;
            let code = self.bytes[self.at + fill];
            self.at += fill + 1;
            if code != 0 {
                self.warnings += u32::from(junk);
                return Ok(code);
            }
            junk = true; // a stuffed zero outside of entropy-coded data
        }
    }

    /// The payload of the segment whose marker, of this code, was read last.
    pub(crate) fn payload(&mut self, code: u8) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let mut length = usize::from(u16::from_be_bytes(*rest.first_chunk().ok_or_else(|| self.truncated())?));
        if matches!(code, APP0..=APP15 | COM | DNL) {
            // Where libjpeg needs nothing it takes the two bytes of the length, whatever they say.
            length = length.max(2);
        }
        if length < 2 {
            return Err(Error::Format(format!("segment of length {length} at byte {}", self.at)));
        }
        let payload = rest.get(2..length).ok_or_else(|| self.truncated())?;
        self.at += length;
        Ok(payload)
    }

    pub(crate) fn truncated(&self) -> Error {
        Error::Truncated { bytes: self.bytes.len() }
    }
}
