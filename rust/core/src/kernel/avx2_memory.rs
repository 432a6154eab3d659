//! Sixteen bytes between memory and a register of AVX2.

use std::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_storeu_si128};

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn load(bytes: &[u8; 16]) -> __m128i {
    // SAFETY: the reference is to 16 readable bytes, and the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store(value: __m128i) -> [u8; 16] {
    let mut bytes = [0; 16];
    // SAFETY: the reference is to 16 writable bytes, and the store needs no alignment.
    unsafe { _mm_storeu_si128(bytes.as_mut_ptr().cast(), value) };
    bytes
}
