//! Table look-ups: pixels to output values of `N` bytes.

/// Values of channel `channel` of a row of `C`-channel pixels.
#[inline]
pub(crate) fn plane<const N: usize, const C: usize>(
    pixels: &[u8],
    channel: usize,
    table: &[[u8; N]; 256],
    out: &mut [[u8; N]],
) {
    let (pixels, _) = pixels.as_chunks::<C>();
    for (value, pixel) in out.iter_mut().zip(pixels) {
        *value = table[usize::from(pixel[channel])];
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
