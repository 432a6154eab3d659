//! The order of coefficients in the file (ITU-T T.81, figure 5).

/// Where the coefficient with a zigzag index goes in a block stored row by row.
///
/// Indices from 64 on are reached only in passing (see `block.rs`): they lead to position 0, the DC coefficient, which
/// is written last of all.
pub(crate) static NATURAL: [u8; 256] = {
    let mut table = [0; 256];
    let (mut x, mut y) = (0_u8, 0_u8);
    let mut index = 0;
    while index < 64 {
        table[index] = y * 8 + x;
        // Even anti-diagonals run up and to the right, odd ones down and to the left.
        match (x + y) % 2 {
            0 if x == 7 => y += 1,
            0 if y == 0 => x += 1,
            0 => (x, y) = (x + 1, y - 1),
            _ if y == 7 => x += 1,
            _ if x == 0 => y += 1,
            _ => (x, y) = (x - 1, y + 1),
        }
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::NATURAL;

    #[test]
    fn follows_figure_5() {
        assert_eq!(NATURAL[..16], [0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5]);
        assert_eq!(NATURAL[56..66], [53, 60, 61, 54, 47, 55, 62, 63, 0, 0]);
        let mut all = NATURAL[..64].to_vec();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..64));
    }
}
