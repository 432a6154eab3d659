//! Kernels for AVX2. All but one are the bodies of [`super::scalar`], [`super::rows`], [`super::stencils`] and
//! [`super::convolve`], compiled with AVX2.
//!
//! # RGB pixels of a horizontal pass
//!
//! A pixel is `sum(k[i] * pixel[i])` over neighbouring pixels, with 22-bit weights. The multiplier for such sums,
//! `vpmaddwd`, takes 16-bit factors, so a weight is split: `k = high * 2^11 + low`. Each part is summed on its own, and
//! `(sum_high << 11) + sum_low` is exact: all arithmetic is modulo 2^32, and the result is known to fit.
//!
//! Four pixels are 12 bytes. They are loaded into both 128-bit lanes; a byte shuffle widens them to 16 bits and puts
//! equal channels side by side: `r0 r1 g0 g1 b0 b1 - -` in lane 0 and `r2 r3 g2 g3 b2 b3 - -` in lane 1. The weights
//! are spread by the same kind of shuffle to `k0 k1 k0 k1 k0 k1 - -` and `k2 k3 ...`. One `vpmaddwd` then does twelve
//! products and adds them in pairs. (Weights stored spread out would save the shuffle, but not fit the L1 cache.)
//! After the last group the two lanes are added, rounded, shifted and narrowed with saturation, which is the clip.
//!
//! Four rows are done together. A load takes 16 bytes where 12 count; what it takes from the row below has weight 0,
//! and the pixels at the very end of the image are left to the scalar body.

use std::arch::x86_64::{
    __m128i, _mm_add_epi32, _mm_load_si128, _mm_packs_epi32, _mm_packus_epi16, _mm_set1_epi32, _mm_srai_epi32,
    _mm256_add_epi32, _mm256_broadcastsi128_si256, _mm256_castsi256_si128, _mm256_extracti128_si256, _mm256_madd_epi16,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_setr_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi32,
};

use super::{
    Kernels,
    avx2_memory::{load, store},
    avx2_warp,
    coefficients::{Coefficients, PRECISION_BITS, SplitWeights},
    color, convolve,
    rows::{self, Columns, Rows},
    scalar,
    stencils::{self, BoxWeights},
};

/// Proof that the CPU has AVX2, BMI1, BMI2 and LZCNT, as the AVX2 code of `torchfeed-jpeg` needs them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2Token(());

impl Avx2Token {
    pub(super) fn detect() -> Option<Self> {
        let can = is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("bmi1")
            && is_x86_feature_detected!("bmi2")
            && is_x86_feature_detected!("lzcnt");
        can.then_some(Self(()))
    }
}

/// The build for AVX2. The token is the reason that its functions may be called: the pointers exist nowhere else.
pub(super) fn kernels(_: Avx2Token) -> Kernels {
    Kernels {
        // SAFETY: in all of these the CPU has AVX2, see above.
        resample_rows_rgb: |rows, stride, table, out, out_stride| unsafe {
            resample_rows_rgb(rows, stride, table, out, out_stride);
        },
        // SAFETY: as above.
        resample_rows_gray: |rows, stride, table, out, out_stride| unsafe {
            resample_rows_gray(rows, stride, table, out, out_stride);
        },
        // SAFETY: as above.
        resample_column: |rows, stride, weights, out| unsafe { resample_column(rows, stride, weights, out) },
        // SAFETY: as above.
        move_rows: |rows, columns, fill, out| unsafe { move_rows(rows, columns, fill, out) },
        // SAFETY: as above.
        split_rows: |rows, columns, out| unsafe { split_rows(rows, columns, out) },
        // SAFETY: as above.
        gray: |pixels, out| unsafe { gray(pixels, out) },
        // SAFETY: as above.
        sum_lightness: |pixels, sum| unsafe { sum_lightness(pixels, sum) },
        // SAFETY: as above.
        saturate: |pixels, factor, out| unsafe { saturate(pixels, factor, out) },
        // SAFETY: as above.
        turn_hue: |pixels, turn, out| unsafe { turn_hue(pixels, turn, out) },
        // SAFETY: as above.
        bilinear_rgb: |source, x, y, fill, out| unsafe { avx2_warp::bilinear_rgb(source, x, y, fill, out) },
        // SAFETY: as above.
        bilinear_gray: |source, x, y, fill, out| unsafe { avx2_warp::bilinear_gray(source, x, y, fill, out) },
        // SAFETY: as above.
        bicubic_rgb: |source, x, y, fill, out| unsafe { avx2_warp::bicubic_rgb(source, x, y, fill, out) },
        // SAFETY: as above.
        bicubic_gray: |source, x, y, fill, out| unsafe { avx2_warp::bicubic_gray(source, x, y, fill, out) },
        // SAFETY: as above.
        sharpen_row: |rows, channels, factor, out| unsafe { sharpen_row(rows, channels, factor, out) },
        // SAFETY: as above.
        blur_line: |weights, lines, sums, out| unsafe { blur_line(weights, lines, sums, out) },
        // SAFETY: as above.
        weigh_lines: |weights, numbers, starts, out| unsafe { weigh_lines(weights, numbers, starts, out) },
        // SAFETY: as above.
        round_bytes: |numbers, tolerance, out, near| unsafe { round_bytes(numbers, tolerance, out, near) },
        ..Kernels::portable()
    }
}

macro_rules! with_avx2 {
    ($($module:ident::$name:ident($($arg:ident: $type:ty),*);)*) => {$(
        #[target_feature(enable = "avx2")]
        pub(super) fn $name($($arg: $type),*) {
            $module::$name($($arg),*);
        }
    )*};
}

with_avx2! {
    scalar::resample_rows_gray(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize);
    scalar::resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]);
    color::gray(pixels: &[u8], out: &mut [u8]);
    color::sum_lightness(pixels: &[u8], sum: &mut u64);
    color::saturate(pixels: &[u8], factor: f32, out: &mut [u8]);
    color::turn_hue(pixels: &[u8], turn: u8, out: &mut [u8]);
    rows::move_rows(from: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8]);
    rows::split_rows(from: Rows<'_>, columns: Columns, out: [&mut [u8]; 3]);
    stencils::sharpen_row(rows: [&[u8]; 3], channels: usize, factor: f32, out: &mut [u8]);
    stencils::blur_line(weights: BoxWeights, lines: [&[u8]; 3], sums: &mut [u32], out: &mut [u8]);
    convolve::weigh_lines(weights: &[f32], numbers: &[f32], starts: &[usize], out: &mut [f32]);
    convolve::round_bytes(numbers: &[f32], tolerance: f32, out: &mut [u8], near: &mut bool);
}

/// Rows that are resampled together, so that the weights and the loop's own work are shared.
const ROWS: usize = 4;

#[target_feature(enable = "avx2")]
fn resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    let done = out.len() / out_stride / ROWS * ROWS;
    for (y, out) in out.chunks_exact_mut(ROWS * out_stride).enumerate() {
        let rows = &rows[y * ROWS * stride..];
        for x in 0..out_stride / 3 {
            let groups = table.split_weights(x);
            let (start, len) = (table.bounds[x].0 * 3, groups.len() * 12 + 4);
            if rows.len() >= (ROWS - 1) * stride + start + len {
                let pixels = resample_pixels(&rows[start..], stride, groups);
                for y in 0..ROWS {
                    out[y * out_stride + x * 3..][..3].copy_from_slice(&pixels[y * 4..][..3]);
                }
            } else {
                for y in 0..ROWS {
                    let pixel: [u8; 3] = scalar::resample_pixel(&rows[y * stride..], table, x);
                    out[y * out_stride + x * 3..][..3].copy_from_slice(&pixel);
                }
            }
        }
    }
    let rest = &mut out[done * out_stride..];
    if !rest.is_empty() {
        scalar::resample_rows_rgb(&rows[done * stride..], stride, table, rest, out_stride);
    }
}

/// One pixel of each of [`ROWS`] rows, 4 bytes each; `rows` has the pixels of all groups, and 4 bytes more, every
/// `stride` bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn resample_pixels(rows: &[u8], stride: usize, groups: &[SplitWeights]) -> [u8; 4 * ROWS] {
    let order = _mm256_setr_epi8(
        0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1, //
        6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1,
    );
    let spread_high = _mm256_setr_epi8(
        0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, -1, -1, -1, -1, //
        4, 5, 6, 7, 4, 5, 6, 7, 4, 5, 6, 7, -1, -1, -1, -1,
    );
    // The low parts lie 8 bytes further; the unused bytes stay negative.
    let spread_low = _mm256_or_si256(spread_high, _mm256_set1_epi8(8));
    let (mut high, mut low) = ([_mm256_setzero_si256(); ROWS], [_mm256_setzero_si256(); ROWS]);
    for (i, weights) in groups.iter().enumerate() {
        let weights = _mm256_broadcastsi128_si256(load_weights(weights));
        let weights = [_mm256_shuffle_epi8(weights, spread_high), _mm256_shuffle_epi8(weights, spread_low)];
        for y in 0..ROWS {
            let pixels = rows[y * stride + i * 12..].first_chunk().expect("pixels for every group");
            let pixels = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(load(pixels)), order);
            high[y] = _mm256_add_epi32(high[y], _mm256_madd_epi16(pixels, weights[0]));
            low[y] = _mm256_add_epi32(low[y], _mm256_madd_epi16(pixels, weights[1]));
        }
    }
    let rounded = |y: usize| {
        let sums = _mm256_add_epi32(_mm256_slli_epi32::<{ SplitWeights::LOW_BITS as i32 }>(high[y]), low[y]);
        let sum = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        _mm_srai_epi32::<{ PRECISION_BITS as i32 }>(_mm_add_epi32(sum, _mm_set1_epi32(scalar::HALF)))
    };
    let words = [_mm_packs_epi32(rounded(0), rounded(1)), _mm_packs_epi32(rounded(2), rounded(3))];
    store(_mm_packus_epi16(words[0], words[1]))
}

#[inline]
#[target_feature(enable = "avx2")]
fn load_weights(weights: &SplitWeights) -> __m128i {
    // SAFETY: the reference is to 16 readable bytes, aligned to 16 by the type.
    unsafe { _mm_load_si128(weights.0.as_ptr().cast()) }
}
