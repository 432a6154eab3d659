//! The bodies of [`super::scalar`], compiled with AVX2.

use super::scalar;

macro_rules! with_avx2 {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {$(
        #[target_feature(enable = "avx2")]
        pub(super) fn $name($($arg: $type),*) {
            scalar::$name($($arg),*);
        }
    )*};
}

with_avx2! {
    resample_row_rgb(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8]);
    resample_row_gray(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8]);
    resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]);
}
