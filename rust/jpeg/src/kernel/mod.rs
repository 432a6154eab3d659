//! The inner loops that gain from vector instructions, chosen once at run time.
//!
//! This is the only module with `unsafe` code. Each kernel exists twice: in `scalar.rs`, the definition, and in `avx2.rs`,
//! which gives the same bits (see `tests.rs`).

mod scalar;

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)]
mod avx2;
#[cfg(test)]
mod tests;

use crate::block::Block;

// Constants of the inverse DCT, times 2^13 (`jidctint.c`; in its comments cN is cos(N pi / 16) times the root of two).
// `jidctint.c` first adds and then multiplies; here both products of a sum have a constant of their own.
const C6: i32 = 4433;
const C2_MINUS_C6: i32 = 6270;
const C2_PLUS_C6: i32 = 15_137;
/// Of z3 in z3, of z4 in z3 and of z3 in z4, of z4 in z4.
const ODD_Z: [i32; 3] = [9633 - 16_069, 9633, 9633 - 3196];
const ODD_7: [i32; 2] = [2446 - 7373, -7373];
const ODD_5: [i32; 2] = [16_819 - 20_995, -20_995];
const ODD_3: [i32; 2] = [25_172 - 20_995, -20_995];
const ODD_1: [i32; 2] = [12_299 - 7373, -7373];

/// Dequantises and transforms a row of blocks: `blocks[i]` becomes 8 x 8 samples at `out[8 * i]`, whose rows are
/// `stride` apart. `last[i]` is the zigzag index of its last coefficient.
pub(crate) type Idct = fn(blocks: &[Block], last: &[u8], quant: &[i16; 64], out: &mut [u8], stride: usize);

/// Pixels from rows of luminance and of colour differences to blue and to red.
pub(crate) type Rgb = fn(luma: &[u8], blue: &[u8], red: &[u8], out: &mut [u8]);

/// One implementation of all kernels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kernels {
    /// Copies up to the first 0xFF that no zero follows; drops the zero that follows any other 0xFF. Returns how many
    /// bytes were read and written. `to` must be 32 bytes longer than `from`.
    unstuff: fn(from: &[u8], to: &mut [u8]) -> (usize, usize),
    /// The inverse DCT.
    pub(crate) idct: Idct,
    /// `3 * near + far`.
    pub(crate) blend: fn(near: &[u8], far: &[u8], sum: &mut [u16]),
    /// Columns of the triangle filter over both directions, from rows that [`Kernels::blend`] has made and one more sum
    /// on either side.
    pub(crate) widen_blended: fn(sum: &[u16], out: &mut [u8]),
    /// Columns of the triangle filter, from a row and one more sample on either side.
    pub(crate) widen: fn(row: &[u8], out: &mut [u8]),
    /// Rows of the triangle filter; `bias` is 1 for the upper of two rows and 2 for the lower.
    pub(crate) deepen: fn(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]),
    /// YCbCr to RGB.
    pub(crate) rgb: Rgb,
    /// Proof that a [`Task`] may be compiled for AVX2 and BMI2.
    #[cfg(target_arch = "x86_64")]
    avx2: Option<avx2::Token>,
}

/// An instruction set that the decoder has code for. The pixels are the same with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// Scalar code, which every machine can run.
    Portable,
    /// AVX2 with BMI1, BMI2 and LZCNT, on x86-64.
    Avx2,
}

impl InstructionSet {
    /// All of them, the slowest first.
    const ALL: [Self; 2] = [Self::Portable, Self::Avx2];

    /// Those that this machine has, the slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|&set| Kernels::with(set).is_some())
    }
}

impl Kernels {
    /// The implementation that every machine can run.
    pub(crate) fn portable() -> Self {
        Self {
            unstuff: scalar::unstuff,
            idct: scalar::idct,
            blend: scalar::blend,
            widen_blended: scalar::widen_blended,
            widen: scalar::widen,
            deepen: scalar::deepen,
            rgb: scalar::rgb,
            #[cfg(target_arch = "x86_64")]
            avx2: None,
        }
    }

    /// The implementation for an instruction set; `None` where the machine lacks it.
    pub(crate) fn with(set: InstructionSet) -> Option<Self> {
        match set {
            InstructionSet::Portable => Some(Self::portable()),
            #[cfg(target_arch = "x86_64")]
            InstructionSet::Avx2 => avx2::Token::detect().map(avx2::kernels),
            #[cfg(not(target_arch = "x86_64"))]
            InstructionSet::Avx2 => None,
        }
    }

    /// The best implementation for this machine.
    pub(crate) fn detect() -> Self {
        InstructionSet::ALL.into_iter().rev().find_map(Self::with).unwrap_or_else(Self::portable)
    }

    /// All implementations that this machine can run.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        InstructionSet::ALL.into_iter().filter_map(Self::with).collect()
    }

    pub(crate) fn unstuff(&self, from: &[u8], to: &mut [u8]) -> (usize, usize) {
        (self.unstuff)(from, to)
    }

    /// Runs a task, compiled for BMI2 where these kernels are: shifts by a variable amount are then one instruction.
    pub(crate) fn with_bmi2<T: Task>(&self, task: T) {
        #[cfg(target_arch = "x86_64")]
        if let Some(token) = self.avx2 {
            return avx2::run(token, task);
        }
        task.run();
    }
}

/// Code to be compiled for several instruction sets: `run` must be inlined, and all that it calls in its inner loops.
pub(crate) trait Task {
    /// Does it.
    fn run(self);
}
