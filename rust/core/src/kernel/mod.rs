//! The loops over pixels, each built for several instruction sets.
//!
//! [`scalar`], [`rows`], [`color`], [`stencils`], [`convolve`] and [`warp`] hold the bodies. [`avx2`] compiles them for
//! wider registers and has a resize of its own, and [`avx2_warp`] has the filters of a warp. [`avx512`] compiles some for
//! yet wider ones and has table look-ups, [`avx512_resize`] has a resize, [`avx512_rows`] moves rows and pixels, and
//! [`avx512_warp`] has kernels of a warp. All builds give the same bits: the arithmetic is on integers, or on floating
//! point numbers in one order, and tests run each build on the same input.
//!
//! [`Kernels`] is the table of one build. It is made once per process, for [`InstructionSet::in_use`]. A build with
//! vector instructions starts from its token, the proof that the CPU has them; another instruction set (NEON, say) is a
//! variant of [`InstructionSet`], a module with a token, and a line in [`Kernels::with`].
#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx2_memory;
#[cfg(target_arch = "x86_64")]
mod avx2_warp;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "x86_64")]
mod avx512_resize;
#[cfg(target_arch = "x86_64")]
mod avx512_rows;
#[cfg(target_arch = "x86_64")]
mod avx512_warp;
pub(crate) mod byte_tables;
mod coefficients;
mod color;
mod convolve;
mod instruction_set;
mod prefetch;
mod rows;
mod scalar;
mod stencils;
#[cfg(test)]
mod tests;
mod warp;

use std::sync::LazyLock;

pub(crate) use coefficients::Coefficients;
#[cfg(test)]
pub(crate) use coefficients::PRECISION_BITS;
pub use instruction_set::InstructionSet;
pub(crate) use prefetch::{prefetch, prefetch_value};
pub(crate) use rows::{Columns, Rows};
pub(crate) use stencils::BoxWeights;
pub(crate) use warp::Source;

/// Resamples rows of pixels: `out[x] = clip(sum(weights[x] * row[bounds[x]..]))`. Rows begin every `stride` bytes; there
/// are as many as fit in `out`, where they begin every `out_stride` bytes, without gaps.
type ResampleRows = fn(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize);

/// Filters the pixels around places of an image, (`x`, `y`). Places outside have the colour `fill`.
type Warp = fn(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]);

/// Copies the pixels at places of rows of `width` pixels: at `at`, a `step` further, and so on. Places are (x, y) in units of
/// 1/65536 pixel; all that fill `out` lie in the data.
type NearestSteps = fn(data: &[u8], width: usize, at: [i64; 2], step: [i64; 2], out: &mut [u8]);

/// Moves the sums of boxes on by a line: see [`blur_line`].
type BlurLine = fn(weights: BoxWeights, lines: [&[u8]; 3], sums: &mut [u32], out: &mut [u8]);

/// Sums weighted lines: see [`weigh_lines`].
type WeighLines = fn(weights: &[f32], numbers: &[f32], starts: &[usize], out: &mut [f32]);

/// One build of all kernels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    resample_rows_rgb: ResampleRows,
    resample_rows_gray: ResampleRows,
    resample_column: fn(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]),
    move_rows: fn(rows: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8]),
    split_rows: fn(rows: Rows<'_>, columns: Columns, out: [&mut [u8]; 3]),
    gray: fn(pixels: &[u8], out: &mut [u8]),
    sum_lightness: fn(pixels: &[u8], sum: &mut u64),
    saturate: fn(pixels: &[u8], factor: f32, out: &mut [u8]),
    turn_hue: fn(pixels: &[u8], turn: u8, out: &mut [u8]),
    bilinear_rgb: Warp,
    bilinear_gray: Warp,
    bicubic_rgb: Warp,
    bicubic_gray: Warp,
    nearest_steps_rgb: NearestSteps,
    sharpen_row: fn(rows: [&[u8]; 3], channels: usize, factor: f32, out: &mut [u8]),
    blur_line: BlurLine,
    weigh_lines: WeighLines,
    round_bytes: fn(numbers: &[f32], tolerance: f32, out: &mut [u8], near: &mut bool),
    /// For kernels that are generic, and so cannot be pointers.
    #[cfg(target_arch = "x86_64")]
    avx512: Option<avx512::Avx512Token>,
}

impl Kernels {
    /// The build that every machine can run.
    fn portable() -> Self {
        Self {
            resample_rows_rgb: scalar::resample_rows_rgb,
            resample_rows_gray: scalar::resample_rows_gray,
            resample_column: scalar::resample_column,
            move_rows: rows::move_rows,
            split_rows: rows::split_rows,
            gray: color::gray,
            sum_lightness: color::sum_lightness,
            saturate: color::saturate,
            turn_hue: color::turn_hue,
            bilinear_rgb: warp::bilinear::<3>,
            bilinear_gray: warp::bilinear::<1>,
            bicubic_rgb: warp::bicubic::<3>,
            bicubic_gray: warp::bicubic::<1>,
            nearest_steps_rgb: warp::nearest_steps::<3>,
            sharpen_row: stencils::sharpen_row,
            blur_line: stencils::blur_line,
            weigh_lines: convolve::weigh_lines,
            round_bytes: convolve::round_bytes,
            #[cfg(target_arch = "x86_64")]
            avx512: None,
        }
    }

    /// The build for an instruction set; `None` where this machine lacks it.
    fn with(set: InstructionSet) -> Option<Self> {
        match set {
            InstructionSet::Portable => Some(Self::portable()),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => avx2::Avx2Token::detect().map(avx2::kernels),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx512 => avx512::Avx512Token::detect().map(avx512::kernels),
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx2 | InstructionSet::Avx512 => None,
        }
    }

    /// The build that this process uses.
    #[inline]
    fn in_use() -> &'static Self {
        static IN_USE: LazyLock<Kernels> = LazyLock::new(|| {
            let set = InstructionSet::in_use().unwrap_or_else(|error| panic!("{error}"));
            Kernels::with(set).expect("a set that is in use is available")
        });
        &IN_USE
    }

    /// Every build that this machine can run.
    #[cfg(test)]
    fn all() -> impl Iterator<Item = Self> {
        InstructionSet::ALL.into_iter().filter_map(Self::with)
    }
}

/// Resamples rows of RGB pixels. See [`ResampleRows`].
pub(crate) fn resample_rows_rgb(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    (Kernels::in_use().resample_rows_rgb)(rows, stride, table, out, out_stride);
}

/// Resamples rows of a single channel. See [`ResampleRows`].
pub(crate) fn resample_rows_gray(rows: &[u8], stride: usize, table: &Coefficients, out: &mut [u8], out_stride: usize) {
    (Kernels::in_use().resample_rows_gray)(rows, stride, table, out, out_stride);
}

/// Resamples columns to one row: `out = clip(sum(weights[i] * rows[i * stride..]))`, byte by byte.
pub(crate) fn resample_column(rows: &[u8], stride: usize, weights: &[i32], out: &mut [u8]) {
    (Kernels::in_use().resample_column)(rows, stride, weights, out);
}

/// Copies rows of bytes to the rows of a plane. Bytes beside the columns become `fill`.
pub(crate) fn move_rows(rows: Rows<'_>, columns: Columns, fill: u8, out: &mut [u8]) {
    (Kernels::in_use().move_rows)(rows, columns, fill, out);
}

/// Copies rows of RGB pixels to the rows of three planes, one for each colour.
pub(crate) fn split_rows(rows: Rows<'_>, columns: Columns, out: [&mut [u8]; 3]) {
    (Kernels::in_use().split_rows)(rows, columns, out);
}

/// Makes RGB pixels gray: their lightness, three times.
pub(crate) fn gray(pixels: &[u8], out: &mut [u8]) {
    (Kernels::in_use().gray)(pixels, out);
}

/// The sum of the lightness of RGB pixels.
pub(crate) fn sum_lightness(pixels: &[u8]) -> u64 {
    let mut sum = 0;
    (Kernels::in_use().sum_lightness)(pixels, &mut sum);
    sum
}

/// Blends the lightness of RGB pixels, at 0, with the pixels, at 1.
pub(crate) fn saturate(pixels: &[u8], factor: f32, out: &mut [u8]) {
    (Kernels::in_use().saturate)(pixels, factor, out);
}

/// Turns the hue of RGB pixels by so many parts of 255.
pub(crate) fn turn_hue(pixels: &[u8], turn: u8, out: &mut [u8]) {
    (Kernels::in_use().turn_hue)(pixels, turn, out);
}

/// The bilinear filter at places. See [`Warp`].
pub(crate) fn bilinear(source: &Source<'_>, channels: usize, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let kernels = Kernels::in_use();
    (if channels == 1 { kernels.bilinear_gray } else { kernels.bilinear_rgb })(source, x, y, fill, out);
}

/// The bicubic filter at places. See [`Warp`].
pub(crate) fn bicubic(source: &Source<'_>, channels: usize, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let kernels = Kernels::in_use();
    (if channels == 1 { kernels.bicubic_gray } else { kernels.bicubic_rgb })(source, x, y, fill, out);
}

/// The nearest pixels of places in steps. See [`NearestSteps`].
pub(crate) fn nearest_steps(data: &[u8], channels: usize, width: usize, at: [i64; 2], step: [i64; 2], out: &mut [u8]) {
    match channels {
        1 => warp::nearest_steps::<1>(data, width, at, step, out),
        _ => (Kernels::in_use().nearest_steps_rgb)(data, width, at, step, out),
    }
}

/// Blends a row with its smoothed self. The rows begin `channels` bytes before `out`, and end as many behind it.
pub(crate) fn sharpen_row(rows: [&[u8]; 3], channels: usize, factor: f32, out: &mut [u8]) {
    (Kernels::in_use().sharpen_row)(rows, channels, factor, out);
}

/// Moves the sums of boxes on by a line and writes the means. Of `lines`, the first leaves the boxes and is then the pixel
/// before them, the second enters them, and the third is the pixel behind them.
pub(crate) fn blur_line(weights: BoxWeights, lines: [&[u8]; 3], sums: &mut [u32], out: &mut [u8]) {
    (Kernels::in_use().blur_line)(weights, lines, sums, out);
}

/// Sums weighted lines: `out[i] = sum(weights[j] * numbers[starts[j] + i])`.
pub(crate) fn weigh_lines(weights: &[f32], numbers: &[f32], starts: &[usize], out: &mut [f32]) {
    (Kernels::in_use().weigh_lines)(weights, numbers, starts, out);
}

/// Rounds numbers of 0 to 255. Returns whether one of them is within `tolerance` of the middle of two bytes.
pub(crate) fn round_bytes(numbers: &[f32], tolerance: f32, out: &mut [u8]) -> bool {
    let mut near = false;
    (Kernels::in_use().round_bytes)(numbers, tolerance, out, &mut near);
    near
}
