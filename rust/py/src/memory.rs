//! Memory that belongs to Python objects, by address.
//!
//! Tensors and arrays reach us as an address, a length and the object that owns them: the buffer protocol is not in
//! the stable ABI of CPython 3.10, and would not know bfloat16. The Python half checks dtype, device and
//! contiguity; this file is the unsafe address where an address becomes bytes.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use pyo3::{Py, PyAny};
use torchfeed_core::batch::buffer::Memory;

/// Bytes of a Python object that is kept alive.
pub(crate) struct Borrowed {
    start: NonNull<u8>,
    len: usize,
    _owner: Py<PyAny>,
}

// SAFETY: the owner is a reference-counted Python object, which may be let go of on any thread; the bytes are only read.
unsafe impl Send for Borrowed {}
// SAFETY: as above.
unsafe impl Sync for Borrowed {}

impl Borrowed {
    /// The `len` bytes at `address`, which `owner` keeps alive and does not change.
    pub(crate) fn new(address: usize, len: usize, owner: Py<PyAny>) -> Self {
        Self { start: pointer(address), len, _owner: owner }
    }
}

impl AsRef<[u8]> for Borrowed {
    fn as_ref(&self) -> &[u8] {
        bytes(self.start.as_ptr() as usize, self.len)
    }
}

/// An address as a pointer; 0, which empty tensors have, becomes a dangling one.
fn pointer(address: usize) -> NonNull<u8> {
    NonNull::new(address as *mut u8).unwrap_or(NonNull::dangling())
}

/// The `len` bytes at `address`, which the caller of the Python function keeps alive while it runs.
pub(crate) fn bytes<'a>(address: usize, len: usize) -> &'a [u8] {
    // SAFETY: `torchfeed._native` is private; its only caller passes `tensor.data_ptr()` or an array's address with the
    // length that it computed from the same object, and holds the object.
    unsafe { std::slice::from_raw_parts(pointer(address).as_ptr(), len) }
}

/// The `len` i64 values at `address`; see [`bytes`].
pub(crate) fn integers<'a>(address: usize, len: usize) -> &'a [i64] {
    let start = pointer(address).cast::<i64>();
    let start = if start.is_aligned() { start } else { NonNull::dangling() };
    let len = if address.is_multiple_of(align_of::<i64>()) { len } else { 0 };
    // SAFETY: as in `bytes`; the pointer is aligned, or the slice is empty.
    unsafe { std::slice::from_raw_parts(start.as_ptr(), len) }
}

/// Memory for a batch's images or targets that belongs to `owner`, a tensor that torch allocated (a pinned one).
pub(crate) fn output(address: usize, len: usize, owner: Py<PyAny>) -> Memory {
    // SAFETY: the caller made the tensor for this batch with `torch.empty` and hands it out after the batch is done;
    // it is `len` bytes long, and `owner` keeps it alive. Its bytes are written before anything reads them.
    unsafe { Memory::foreign(pointer(address), len, Box::new(owner)) }
}
