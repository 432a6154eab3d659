//! The loops over pixels. The bodies are in [`scalar`], written so that the compiler vectorises them; [`avx2`] is
//! the same bodies compiled for wider registers, chosen once at run time. Both give the same bits: all arithmetic
//! is on integers, and there is one body.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
pub(crate) mod lookup;
pub(crate) mod scalar;

/// Defines a kernel that runs the AVX2 build of its body where the CPU has it.
macro_rules! kernel {
    ($(#[$doc:meta])* $name:ident($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has AVX2, as was checked on the line above; the body itself is safe code.
                return unsafe { avx2::$name($($arg),*) };
            }
            scalar::$name($($arg),*);
        }
    };
}

kernel!(
    /// One row of a horizontal pass: `out[x] = clip(sum(weights[x] * row[bounds[x]..]))` for 3 channels.
    resample_row_rgb(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8])
);
kernel!(
    /// One row of a horizontal pass for a single channel.
    resample_row_gray(row: &[u8], bounds: &[(usize, usize)], weights: &[i32], taps: usize, out: &mut [u8])
);
kernel!(
    /// One row of a vertical pass: `out = clip(sum(weights[i] * rows[i * stride..]))`, byte by byte.
    resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8])
);
