//! Texts and colour profiles of a PNG: whether Pillow reads them without an error, and without a change of its pixels.

use crate::decode::FallbackLimits;

/// A deflated byte becomes at most so many: a match of 258 bytes takes two bits.
pub(super) const MOST_INFLATED: u64 = 1032;

/// Names of settings that Pillow decodes by. A text of such a name replaces the setting.
const NAMES: [&[u8]; 6] = [b"bbox", b"blend", b"default_image", b"disposal", b"interlace", b"transparency"];

/// The texts of one file.
#[derive(Debug)]
pub(super) struct Texts<'a> {
    limits: &'a FallbackLimits,
    /// Bytes of all of them so far, at most.
    bytes: u64,
}

impl<'a> Texts<'a> {
    pub(super) fn new(limits: &'a FallbackLimits) -> Self {
        Self { limits, bytes: 0 }
    }

    /// An `iCCP` chunk: a name, zero, zero for deflate, a compressed profile.
    pub(super) fn profile(&self, data: &[u8]) -> Result<(), String> {
        match split(data) {
            Some((_, [0, profile @ ..])) => self.inflated(profile).map(|_| ()),
            _ => Err("broken PNG: colour profile of an unknown compression".to_owned()),
        }
    }

    /// A `tEXt` chunk: a name, zero, a text.
    pub(super) fn plain(&mut self, data: &[u8]) -> Result<(), String> {
        let (name, text) = split(data).unwrap_or((data, b""));
        self.keep(name, text.len() as u64)
    }

    /// A `zTXt` chunk: a name, zero, zero for deflate, a compressed text.
    pub(super) fn compressed(&mut self, data: &[u8]) -> Result<(), String> {
        match split(data) {
            Some((name, [0, text @ ..])) => {
                let bytes = self.inflated(text)?;
                self.keep(name, bytes)
            }
            _ => Err("broken PNG: text of an unknown compression".to_owned()),
        }
    }

    /// An `iTXt` chunk: a name, zero, whether it is compressed, zero for deflate, a language, zero, a translated name, zero,
    /// a text. Pillow passes over other chunks of this name.
    pub(super) fn international(&mut self, data: &[u8]) -> Result<(), String> {
        let Some((name, [compressed, method, rest @ ..])) = split(data) else { return Ok(()) };
        let text = split(rest).and_then(|(_, rest)| split(rest)).map(|(_, text)| text);
        let Some(text) = text else { return Ok(()) };
        let bytes = match (compressed, method) {
            (0, _) => text.len() as u64,
            (_, 0) => self.inflated(text)?,
            _ => return Ok(()),
        };
        self.keep(name, bytes)
    }

    /// Takes note of a text of at most so many bytes.
    fn keep(&mut self, name: &[u8], bytes: u64) -> Result<(), String> {
        if NAMES.contains(&name) {
            return Err(format!("PNG with a text that is named {}", name.escape_ascii()));
        }
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.limits.text_memory {
            return Err(format!("PNG with {} bytes of text, or nearly as many", self.bytes));
        }
        Ok(())
    }

    /// The most bytes that zlib data become. Data that may become too many are decompressed to find out.
    ///
    /// Broken data are left to Pillow, which passes over them after it has read some of them.
    fn inflated(&self, data: &[u8]) -> Result<u64, String> {
        let most = self.limits.text_chunk;
        let at_most = (data.len() as u64).saturating_mul(MOST_INFLATED);
        if at_most < most {
            return Ok(at_most);
        }
        match fdeflate::decompress_to_vec_bounded(data, most.min(1 << 30) as usize) {
            Ok(text) if (text.len() as u64) < most => Ok(text.len() as u64),
            Ok(_) => Err(format!("PNG with compressed text of {most} bytes or more")),
            Err(_) => Err(format!("PNG with compressed text that is broken, or more than {most} bytes")),
        }
    }
}

/// The bytes before the first zero, and the bytes behind it.
fn split(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = data.iter().position(|&byte| byte == 0)?;
    Some((&data[..at], &data[at + 1..]))
}
