//! Table look-ups: bytes to output values of `N` bytes.

use super::Kernels;

/// The values of a channel: one for each of the 256 bytes, and the same values cut into their bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Table<'a, const N: usize> {
    /// The value of each byte.
    pub(crate) values: &'a [[u8; N]; 256],
    /// For each byte of a value, that byte of all values. The vector kernel looks these up.
    pub(crate) planes: &'a [[u8; 256]; N],
}

impl<'a> Table<'a, 1> {
    /// The table whose values are `bytes`.
    pub(crate) fn of_bytes(bytes: &'a [u8; 256]) -> Self {
        let (values, _) = bytes.as_chunks();
        Self { values: values.first_chunk().expect("256 values"), planes: std::array::from_ref(bytes) }
    }
}

/// The values of `bytes`.
pub(crate) fn values<const N: usize>(bytes: &[u8], table: Table<'_, N>, out: &mut [[u8; N]]) {
    Kernels::in_use().values(bytes, table, out);
}

/// The values of three planes, pixel by pixel. `scratch` has room for the values of all.
pub(crate) fn interleaved_planes<const N: usize>(
    planes: [&[u8]; 3],
    tables: &[Table<'_, N>; 3],
    scratch: &mut [[u8; N]],
    out: &mut [[u8; N]],
) {
    Kernels::in_use().interleaved_planes(planes, tables, scratch, out);
}

/// The bytes that RGB pixels become by a table for each channel.
pub(crate) fn pixels(pixels: &[u8], tables: &[[u8; 256]; 3], out: &mut [u8]) {
    Kernels::in_use().pixels(pixels, tables, out);
}

impl Kernels {
    /// See [`pixels`].
    #[inline]
    fn pixels(&self, pixels: &[u8], tables: &[[u8; 256]; 3], out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.avx512 {
            return token.pixels(pixels, tables, out);
        }
        for (pixel, out) in pixels.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
            let [red, green, blue]: [u8; 3] = *pixel;
            *out = [tables[0][usize::from(red)], tables[1][usize::from(green)], tables[2][usize::from(blue)]];
        }
    }

    /// See [`values`].
    #[inline]
    fn values<const N: usize>(&self, bytes: &[u8], table: Table<'_, N>, out: &mut [[u8; N]]) {
        #[cfg(target_arch = "x86_64")]
        if let (1..=4, Some(token)) = (N, self.avx512) {
            return token.values(bytes, table.planes, out);
        }
        scalar(bytes, table.values, out);
    }

    /// See [`interleaved_planes`].
    #[inline]
    fn interleaved_planes<const N: usize>(
        &self,
        planes: [&[u8]; 3],
        tables: &[Table<'_, N>; 3],
        scratch: &mut [[u8; N]],
        out: &mut [[u8; N]],
    ) {
        #[cfg(target_arch = "x86_64")]
        if let (1..=4, Some(token)) = (N, self.avx512) {
            let len = planes[0].len();
            let (red, rest) = scratch.split_at_mut(len);
            let (green, rest) = rest.split_at_mut(len);
            let made = [red, green, &mut rest[..len]];
            for ((plane, table), made) in planes.iter().zip(tables).zip(made) {
                token.values(plane, table.planes, made);
            }
            return token.interleave([&scratch[..len], &scratch[len..2 * len], &scratch[2 * len..3 * len]], out);
        }
        let (out, _) = out.as_chunks_mut::<3>();
        let values = tables.map(|table| table.values);
        for (i, out) in out.iter_mut().enumerate() {
            for c in 0..3 {
                out[c] = values[c][usize::from(planes[c][i])];
            }
        }
    }
}

/// The same as [`values`], one by one.
fn scalar<const N: usize>(bytes: &[u8], values: &[[u8; N]; 256], out: &mut [[u8; N]]) {
    for (value, &byte) in out.iter_mut().zip(bytes) {
        *value = values[usize::from(byte)];
    }
}

/// Values of channel `channel` of a row of `C`-channel pixels.
#[inline]
pub(crate) fn plane<const N: usize, const C: usize>(
    pixels: &[u8],
    channel: usize,
    values: &[[u8; N]; 256],
    out: &mut [[u8; N]],
) {
    let (pixels, _) = pixels.as_chunks::<C>();
    for (value, pixel) in out.iter_mut().zip(pixels) {
        *value = values[usize::from(pixel[channel])];
    }
}

/// Values of all channels of a row of `C`-channel pixels, pixel by pixel.
#[inline]
pub(crate) fn interleaved<const N: usize, const C: usize>(
    pixels: &[u8],
    tables: &[&[[u8; N]; 256]; C],
    out: &mut [[u8; N]],
) {
    let (pixels, _) = pixels.as_chunks::<C>();
    let (out, _) = out.as_chunks_mut::<C>();
    for (values, pixel) in out.iter_mut().zip(pixels) {
        for c in 0..C {
            values[c] = tables[c][usize::from(pixel[c])];
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pixels_are_looked_up(bytes in prop::collection::vec(any::<u8>(), 0..900), key in any::<u8>()) {
            let bytes = &bytes[..bytes.len() / 3 * 3];
            let tables = [3, 5, 7].map(|factor: u8| std::array::from_fn(|i| (i as u8).wrapping_mul(factor) ^ key));
            let expected: Vec<_> = bytes.iter().enumerate().map(|(i, &byte)| tables[i % 3][usize::from(byte)]).collect();
            for kernels in Kernels::all() {
                let mut out = vec![7; bytes.len()];
                kernels.pixels(bytes, &tables, &mut out);
                prop_assert_eq!(&out, &expected);
            }
        }
    }

    /// What each build makes of `bytes`, with a table of values that differ in every byte.
    fn check<const N: usize>(bytes: &[u8], key: u8) {
        let values: [[u8; N]; 256] =
            std::array::from_fn(|i| std::array::from_fn(|n| (i as u8).wrapping_mul(2 * n as u8 + 1) ^ key));
        let planes = std::array::from_fn(|n| values.map(|value| value[n]));
        let expected: Vec<_> = bytes.iter().map(|&byte| values[usize::from(byte)]).collect();
        let table = Table { values: &values, planes: &planes };
        // The same bytes as three planes, each with a table of its own.
        let n = bytes.len() / 3;
        let colors = [0, 1, 2].map(|c| &bytes[c * n..][..n]);
        let other = values.map(|value| value.map(|byte| byte ^ 0x5a));
        let other_planes = planes.map(|plane: [u8; 256]| plane.map(|byte| byte ^ 0x5a));
        let tables = [table, Table { values: &other, planes: &other_planes }, table];
        let pixels: Vec<_> = (0..3 * n).map(|i| tables[i % 3].values[usize::from(colors[i % 3][i / 3])]).collect();
        for kernels in Kernels::all() {
            let mut out = vec![[7; N]; bytes.len()];
            kernels.values(bytes, table, &mut out);
            assert_eq!(out, expected);
            let (mut scratch, mut out) = (vec![[7; N]; 3 * n + 1], vec![[7; N]; 3 * n]);
            kernels.interleaved_planes(colors, &tables, &mut scratch, &mut out);
            assert_eq!(out, pixels);
        }
    }

    proptest! {
        #[test]
        fn values_are_looked_up(bytes in prop::collection::vec(any::<u8>(), 0..900), key in any::<u8>()) {
            check::<1>(&bytes, key);
            check::<2>(&bytes, key);
            check::<4>(&bytes, key);
            check::<8>(&bytes, key);
        }
    }
}
