//! CMYK as it is in a JPEG to RGB, byte for byte as Pillow does.

/// The RGB of a pixel.
///
/// Pillow takes every such file to be inverted, as Adobe writes it (raw mode `CMYK;I`), and then uses `cmyk2rgb` of
/// `Convert.c`: `white - ink * white / 255` with `white = 255 - black`.
pub(super) fn rgb_of_cmyk([c, m, y, k]: [u8; 4]) -> [u8; 3] {
    [c, m, y].map(|inverted| k - mul_div_255(255 - inverted, k))
}

/// `a * b / 255`, rounded: Pillow's `MULDIV255`. Never more than `b`.
fn mul_div_255(a: u8, b: u8) -> u8 {
    let t = u32::from(a) * u32::from(b) + 128;
    (((t >> 8) + t) >> 8) as u8
}

#[cfg(test)]
mod tests {
    use super::rgb_of_cmyk;

    #[test]
    fn cmyk_is_inverted_and_multiplied() {
        let pixels = [[255, 255, 255, 255], [0, 0, 0, 0], [10, 20, 30, 40], [128, 0, 255, 200]];
        assert_eq!(pixels.map(rgb_of_cmyk), [[255, 255, 255], [0, 0, 0], [2, 3, 5], [100, 0, 200]]);
    }
}
