//! RGB to gray, byte for byte as Pillow's `convert("L")` does.

/// The luma of a pixel: `L24` of Pillow's `Convert.c`, after ITU-R BT.601, in 16 fractional bits and rounded.
pub(super) fn luma([r, g, b]: [u8; 3]) -> u8 {
    let sum = u32::from(r) * 19_595 + u32::from(g) * 38_470 + u32::from(b) * 7471 + 0x8000;
    (sum >> 16) as u8
}

/// The luma of a row of RGB pixels.
pub(super) fn luma_row(rgb: &[u8], gray: &mut [u8]) {
    for (gray, &pixel) in gray.iter_mut().zip(rgb.as_chunks().0) {
        *gray = luma(pixel);
    }
}

#[cfg(test)]
mod tests {
    use super::luma;

    #[test]
    fn gray_stays_as_it_is() {
        assert!((0..=255).all(|value| luma([value; 3]) == value));
        assert_eq!([[255, 0, 0], [0, 255, 0], [0, 0, 255]].map(luma), [76, 150, 29]);
    }
}
