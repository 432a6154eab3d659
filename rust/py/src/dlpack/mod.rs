//! Memory that Rust and Python hand to each other without a copy: DLPack.
//!
//! The struct layouts are those of `dlpack.h` 1.0 (dmlc/dlpack). A tensor travels in a capsule. Whoever takes the tensor
//! renames the capsule, and calls the tensor's deleter when its last view is gone. A capsule that nobody took is cleaned up
//! by its destructor.
//!
//! This folder is one of the crate's unsafe addresses.
#![allow(unsafe_code)]

mod lent;
mod tensor;

use std::ffi::{CStr, c_void};

pub(crate) use lent::Lent;
pub(crate) use tensor::Tensor;

/// A dtype as DLPack writes it: the kind (0 int, 1 unsigned, 2 float, 4 bfloat, 5 complex, 6 bool) and its bits.
pub(crate) type Dtype = (u8, u8);

/// The strides of a tensor of `shape` whose last dimension is the fastest, without gaps.
fn contiguous(shape: &[i64]) -> Vec<i64> {
    let mut strides = vec![1_i64; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis].saturating_mul(shape[axis].max(1));
    }
    strides
}

/// `DLTensor`.
#[repr(C)]
struct View {
    data: *mut c_void,
    device: (i32, i32),
    ndim: i32,
    dtype_code: u8,
    dtype_bits: u8,
    dtype_lanes: u16,
    shape: *mut i64,
    strides: *mut i64,
    byte_offset: u64,
}

/// `DLManagedTensor`, which every producer knows.
#[repr(C)]
struct Unversioned {
    view: View,
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
}

impl Unversioned {
    const NAME: &CStr = c"dltensor";
    const TAKEN: &CStr = c"used_dltensor";
}

/// `DLManagedTensorVersioned`, which a consumer must ask for.
#[repr(C)]
struct Versioned {
    version: (u32, u32),
    context: *mut c_void,
    deleter: Option<unsafe extern "C" fn(*mut Self)>,
    flags: u64,
    view: View,
}

impl Versioned {
    const NAME: &CStr = c"dltensor_versioned";
    const TAKEN: &CStr = c"used_dltensor_versioned";
    /// `DLPACK_FLAG_BITMASK_READ_ONLY`.
    const READ_ONLY: u64 = 1;
}
