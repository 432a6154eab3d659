//! The loops over pixels. The bodies are in [`scalar`] and [`rows`]; [`avx2`] has the same bodies compiled for wider
//! registers, and one of its own where the compiler finds no good one; [`avx512`] has a table look-up and a resize of its
//! own, [`avx512_rows`] moves rows and pixels. Which runs is chosen at run time. All give the same bits: all arithmetic is on integers, and tests run each on
//! the same input.
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_rows;
pub(crate) mod lookup;
mod rows;
pub(crate) mod scalar;
mod table;

pub(crate) use rows::{Columns, Rows};
pub(crate) use table::Coefficients;
#[cfg(test)]
pub(crate) use table::PRECISION_BITS;

/// Defines a kernel that runs the AVX2 build of its body where the CPU has it.
macro_rules! kernel {
    ($(#[$doc:meta])* $module:ident::$name:ident($($arg:ident: $type:ty),* $(,)?)) => {
        $(#[$doc])*
        pub(crate) fn $name($($arg: $type),*) {
            #[cfg(target_arch = "x86_64")]
            if std::arch::is_x86_feature_detected!("avx2") {
                // SAFETY: the CPU has AVX2, as was checked on the line above; the body itself is safe code.
                return unsafe { avx2::$name($($arg),*) };
            }
            $module::$name($($arg),*);
        }
    };
}

/// Rows of a horizontal pass over RGB pixels: `out[x] = clip(sum(weights[x] * row[bounds[x]..]))`. Rows begin every
/// `stride` bytes; there are as many as fit in `out`, where they begin every `out_stride` bytes, without gaps.
pub(crate) fn resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    #[cfg(target_arch = "x86_64")]
    if avx512::is_available() {
        // SAFETY: the CPU has what the kernel is compiled for, as was checked on the line above.
        return unsafe { avx512::resample_rows_rgb(rows, stride, table, out, out_stride) };
    }
    up_to_avx2::resample_rows_rgb(rows, stride, table, out, out_stride);
}

/// What CPUs without AVX-512 run.
mod up_to_avx2 {
    use super::*;

    kernel!(
        /// See the function of that name above.
        scalar::resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize)
    );
    kernel!(
        /// See the function of that name below.
        rows::move_rows(rows: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8])
    );
}

kernel!(
    /// The same for a single channel.
    scalar::resample_rows_gray(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize)
);
kernel!(
    /// One row of a vertical pass: `out = clip(sum(weights[i] * rows[i * stride..]))`, byte by byte.
    scalar::resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8])
);

/// Copies rows of bytes to the rows of a plane; what is beside the columns becomes `fill`.
pub(crate) fn move_rows(rows: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if columns.stride <= avx512_rows::BLOCK && avx512::is_available() {
        // SAFETY: the CPU has what the kernel is compiled for, as was checked on the line above.
        return unsafe { avx512_rows::move_rows(rows, columns, fill, out) };
    }
    up_to_avx2::move_rows(rows, columns, fill, out);
}
kernel!(
    /// Copies rows of RGB pixels to the rows of three planes, one for each colour.
    rows::split_rows(rows: Rows<'_>, columns: Columns, out: [&mut [u8]; 3])
);

/// Asks for a value's cache line; does nothing where there is no way to ask.
#[inline]
pub(crate) fn prefetch_value<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing, and x86-64 always has SSE.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// Asks for the cache lines of `bytes`.
#[inline]
pub(crate) fn prefetch(bytes: &[u8]) {
    bytes.chunks(64).for_each(|line| prefetch_value(&line[0]));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Rows = fn(&[u8], usize, &Coefficients, &mut [u8], usize);

    /// Every build of the row kernels that this CPU runs, by channels.
    fn builds() -> Vec<(usize, Rows)> {
        let mut all: Vec<(usize, Rows)> = vec![(1, scalar::resample_rows_gray), (3, scalar::resample_rows_rgb)];
        all.extend([(1, resample_rows_gray as Rows), (3, up_to_avx2::resample_rows_rgb as Rows)]);
        all.push((3, resample_rows_rgb as Rows));
        all
    }

    proptest! {
        /// One body for all instruction sets: what each build makes of a row, against the sum written out.
        #[test]
        fn rows_are_sums(
            input in 1usize..100,
            output in 1usize..100,
            rows in 1usize..10,
            gap in 0usize..9,
            taps in 1usize..20,
            exact in prop::collection::vec(0.2f64..1.0, 200),
            bytes in prop::collection::vec(any::<u8>(), 3200),
        ) {
            let mut table = Coefficients::default();
            // Some negative weights, as the wider filters have, but far from a sum of zero.
            let exact: Vec<f64> = exact.iter().enumerate().map(|(i, w)| if i % 4 == 3 { -w / 5.0 } else { *w }).collect();
            table.clear(output, taps).unwrap();
            for x in 0..output {
                let first = x * input / output;
                table.push(first, &exact[x / 4 * 4..][..taps.min(input - first)]);
            }
            for (channels, build) in builds() {
                let (stride, out_stride) = (input * channels + gap, output * channels);
                // The last row ends where its pixels end, as in a part of a wider image.
                let end = rows * stride - gap;
                let mut out = vec![0; rows * out_stride];
                build(&bytes[..end], stride, &table, &mut out, out_stride);
                for (i, &got) in out.iter().enumerate() {
                    let (row, x, c) = (&bytes[i / out_stride * stride..], i % out_stride / channels, i % channels);
                    let first = table.bounds[x].0;
                    let terms = table.weights(x).iter().enumerate();
                    let sum: i64 = terms.map(|(k, &w)| i64::from(w) * i64::from(row[(first + k) * channels + c])).sum();
                    prop_assert_eq!(got, ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8);
                }
            }
        }
    }
}
