//! Samples of a PNG to pixels, byte for byte as Pillow 13.0 does in `convert("RGB")`.
//!
//! Transparency is dropped, not blended: neither an alpha channel nor a transparent colour changes a pixel.

/// A colour for each 8-bit sample.
pub(super) type Colors = [[u8; 3]; 256];

/// How the samples of a PNG become RGB.
#[derive(Debug)]
pub(super) enum Samples<'a> {
    /// One sample of 1, 2, 4 or 8 bits per pixel, most significant bits first, that is looked up.
    Table {
        /// Bits per sample.
        bits: u8,
        /// The colour of each sample.
        colors: &'a Colors,
    },
    /// One big-endian 16-bit sample per pixel.
    ///
    /// Pillow 13 clips it: everything above 255 is white. (Gray with alpha, and RGB, are shifted instead.)
    Gray16,
    /// Whole bytes, at the offsets `rgb` of each `stride` bytes. The offsets of 16-bit samples point to their high bytes.
    Bytes {
        /// Bytes per pixel.
        stride: usize,
        /// Where red, green and blue are.
        rgb: [usize; 3],
    },
}

impl<'a> Samples<'a> {
    /// Gray of up to 8 bits: black is 0 and white 255 at every depth.
    pub(super) fn gray(bits: u8, colors: &'a mut Colors) -> Self {
        let white = (1_usize << bits) - 1;
        for (sample, color) in colors.iter_mut().enumerate().take(white + 1) {
            *color = [(sample * 255 / white) as u8; 3];
        }
        Self::Table { bits, colors }
    }

    /// A palette of RGB triples. Pillow 13 shows a sample beyond its end as black.
    pub(super) fn palette(bits: u8, palette: &[u8], colors: &'a mut Colors) -> Self {
        colors.fill([0; 3]);
        for (color, entry) in colors.iter_mut().zip(palette.as_chunks::<3>().0) {
            *color = *entry;
        }
        Self::Table { bits, colors }
    }

    /// Converts the pixels of `row` from column `left` on, as many as `rgb` has room for.
    pub(super) fn row(&self, row: &[u8], left: usize, rgb: &mut [u8]) {
        let pixels = rgb.as_chunks_mut::<3>().0;
        match self {
            Self::Table { bits: 8, colors } => {
                for (pixel, &sample) in pixels.iter_mut().zip(&row[left..]) {
                    *pixel = colors[usize::from(sample)];
                }
            }
            Self::Table { bits, colors } => {
                let bits = usize::from(*bits);
                for (x, pixel) in (left..).zip(pixels) {
                    let bit = x * bits;
                    let sample = (row[bit / 8] >> (8 - bits - bit % 8)) & ((1 << bits) - 1);
                    *pixel = colors[usize::from(sample)];
                }
            }
            Self::Gray16 => {
                for (pixel, &sample) in pixels.iter_mut().zip(&row.as_chunks::<2>().0[left..]) {
                    *pixel = [u16::from_be_bytes(sample).min(255) as u8; 3];
                }
            }
            Self::Bytes { stride: 3, .. } => rgb.copy_from_slice(&row[left * 3..][..rgb.len()]),
            Self::Bytes { stride, rgb: [r, g, b] } => {
                for (pixel, sample) in pixels.iter_mut().zip(row[left * stride..].chunks_exact(*stride)) {
                    *pixel = [sample[*r], sample[*g], sample[*b]];
                }
            }
        }
    }
}

/// Unpacks samples of 1, 2, 4 or 8 bits, most significant bits first, from column `left` on, as many as `out` has room
/// for.
pub(super) fn unpack(bits: u8, row: &[u8], left: usize, out: &mut [u8]) {
    let bits = usize::from(bits);
    for (x, out) in (left..).zip(out) {
        let bit = x * bits;
        *out = (row[bit / 8] >> (8 - bits - bit % 8)) & (((1_usize << bits) - 1) as u8);
    }
}
