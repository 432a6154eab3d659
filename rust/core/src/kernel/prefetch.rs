//! Asking for cache lines before they are needed.

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
