//! Tensors in host memory that Python objects lend.

use std::{ffi::CStr, ptr::NonNull, slice};

use pyo3::{Borrowed, exceptions::PyBufferError, ffi, intern, prelude::*, types::PyCapsule};
use torchfeed_core::batch::Memory;

use super::{Dtype, Unversioned, Versioned, View, contiguous};

/// A tensor in host memory that a Python object lends: any tensor of torch and any array of NumPy, by `__dlpack__` or as a
/// capsule of it.
///
/// What is known to be true of it was checked when it came: it is in host memory (pinned memory is), no stride is negative,
/// and it lies within memory that can exist.
pub(crate) struct Lent {
    view: NonNull<View>,
    is_read_only: bool,
    /// Bytes from the first element to the end of the last.
    span: usize,
    /// Keeps the tensor alive: it was taken from this capsule, whose destructor now calls the tensor's deleter.
    _capsule: Py<PyAny>,
}

// SAFETY: the tensor and its memory are bound to no thread. The capsule is reference-counted by Python, which lets go of it
// on any thread.
unsafe impl Send for Lent {}
// SAFETY: as above; nothing in it changes.
unsafe impl Sync for Lent {}

/// `kDLCPU`, `kDLCUDAHost` and `kDLROCMHost`: the last two are pinned.
const HOST: [i32; 3] = [1, 3, 11];

fn refused(why: &str) -> PyErr {
    PyBufferError::new_err(format!("this memory cannot be used: {why}"))
}

impl<'py> FromPyObject<'_, 'py> for Lent {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let capsule = match object.cast::<PyCapsule>() {
            Ok(capsule) => capsule.to_owned().into_any(),
            Err(_) => object.call_method0(intern!(py, "__dlpack__"))?,
        };
        let (view, is_read_only) = take(&capsule)?;
        let mut lent = Self { view, is_read_only, span: 0, _capsule: capsule.unbind() };
        lent.span = lent.check()?;
        Ok(lent)
    }
}

/// Takes the tensor out of a capsule, and makes the capsule its only owner.
fn take(capsule: &Bound<'_, PyAny>) -> PyResult<(NonNull<View>, bool)> {
    let pointer = |name: &CStr| {
        // SAFETY: the GIL is held, and the name ends in a zero. The pointer is asked for by the name that the capsule has.
        unsafe {
            let is_named = ffi::PyCapsule_IsValid(capsule.as_ptr(), name.as_ptr()) == 1;
            if is_named { NonNull::new(ffi::PyCapsule_GetPointer(capsule.as_ptr(), name.as_ptr())) } else { None }
        }
    };
    if let Some(managed) = pointer(Unversioned::NAME) {
        own(capsule, Unversioned::TAKEN, destroy_unversioned);
        // SAFETY: a capsule of this name points to such a tensor, which the capsule owns now.
        let view = unsafe { &raw mut (*managed.cast::<Unversioned>().as_ptr()).view };
        return Ok((NonNull::new(view).expect("a field of something"), false));
    }
    let managed = pointer(Versioned::NAME).ok_or_else(|| refused("it is no capsule of a tensor that nobody took"))?;
    let managed = managed.cast::<Versioned>();
    // SAFETY: as above; all versions begin with the version.
    let (major, _) = unsafe { (*managed.as_ptr()).version };
    if major != 1 {
        return Err(refused("it is of another major version of DLPack than 1"));
    }
    own(capsule, Versioned::TAKEN, destroy_versioned);
    // SAFETY: as above, of this version.
    let (view, flags) = unsafe { (&raw mut (*managed.as_ptr()).view, (*managed.as_ptr()).flags) };
    Ok((NonNull::new(view).expect("a field of something"), flags & Versioned::READ_ONLY != 0))
}

/// Marks a capsule as taken, so that nobody else takes it, and lets its end be that of the tensor: Python runs a destructor
/// where its own rules hold, whatever thread lets go of the capsule.
fn own(capsule: &Bound<'_, PyAny>, taken: &'static CStr, destroy: unsafe extern "C" fn(*mut ffi::PyObject)) {
    // SAFETY: the GIL is held, this is a capsule with a pointer in it, and the name is static.
    unsafe {
        ffi::PyCapsule_SetName(capsule.as_ptr(), taken.as_ptr());
        ffi::PyCapsule_SetDestructor(capsule.as_ptr(), Some(destroy));
    }
}

unsafe extern "C" fn destroy_unversioned(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this once, with a capsule that `own` named so, and holds the GIL. The tensor is the capsule's.
    unsafe {
        let managed = ffi::PyCapsule_GetPointer(capsule, Unversioned::TAKEN.as_ptr()).cast::<Unversioned>();
        if let Some(delete) = managed.as_ref().and_then(|managed| managed.deleter) {
            delete(managed);
        }
    }
}

unsafe extern "C" fn destroy_versioned(capsule: *mut ffi::PyObject) {
    // SAFETY: as above.
    unsafe {
        let managed = ffi::PyCapsule_GetPointer(capsule, Versioned::TAKEN.as_ptr()).cast::<Versioned>();
        if let Some(delete) = managed.as_ref().and_then(|managed| managed.deleter) {
            delete(managed);
        }
    }
}

impl Lent {
    fn view(&self) -> &View {
        // SAFETY: the tensor lives as long as the capsule, and nobody changes it.
        unsafe { self.view.as_ref() }
    }

    fn numbers(&self, start: *const i64) -> &[i64] {
        let count = usize::try_from(self.view().ndim).unwrap_or(0);
        if count == 0 || start.is_null() {
            return &[];
        }
        // SAFETY: DLPack: shape and strides have one number for each dimension, and live as long as the tensor.
        unsafe { slice::from_raw_parts(start, count) }
    }

    /// Finds its length in bytes.
    fn check(&self) -> PyResult<usize> {
        let view = self.view();
        if !HOST.contains(&view.device.0) {
            return Err(refused("it is not in host memory"));
        }
        if view.dtype_lanes != 1 || view.dtype_bits == 0 || !view.dtype_bits.is_multiple_of(8) || view.ndim < 0 {
            return Err(refused("its values are not whole bytes"));
        }
        let strides = self.strides();
        if self.shape().iter().chain(&strides).any(|&number| number < 0) {
            return Err(refused("a stride is negative"));
        }
        if self.shape().contains(&0) {
            return Ok(0);
        }
        let last = self
            .shape()
            .iter()
            .zip(&strides)
            .try_fold(0_i64, |last, (&n, &stride)| last.checked_add((n - 1).checked_mul(stride)?));
        let bytes = last.and_then(|last| last.checked_add(1)?.checked_mul(self.element() as i64));
        let bytes = bytes.and_then(|bytes| isize::try_from(bytes).ok()).ok_or_else(|| refused("it is too large"))?;
        if view.data.is_null() {
            return Err(refused("it has no address"));
        }
        Ok(bytes.cast_unsigned())
    }

    /// Elements along each dimension.
    pub(crate) fn shape(&self) -> &[i64] {
        self.numbers(self.view().shape)
    }

    /// Elements from one position to the next along each dimension.
    ///
    /// A stride means nothing where no step is taken: along a dimension of one position, and in a tensor without elements.
    /// There it is that of a contiguous tensor.
    pub(crate) fn strides(&self) -> Vec<i64> {
        let (shape, own) = (self.shape(), self.numbers(self.view().strides));
        let mut strides = contiguous(shape);
        // Without strides, the last dimension is the fastest, without gaps.
        if own.len() == shape.len() && !shape.contains(&0) {
            for ((stride, &own), &positions) in strides.iter_mut().zip(own).zip(shape) {
                if positions > 1 {
                    *stride = own;
                }
            }
        }
        strides
    }

    /// The type of its values.
    pub(crate) fn dtype(&self) -> Dtype {
        (self.view().dtype_code, self.view().dtype_bits)
    }

    /// Bytes of one value.
    pub(crate) fn element(&self) -> usize {
        usize::from(self.view().dtype_bits / 8)
    }

    /// The first byte; any, where there is none.
    fn start(&self) -> NonNull<u8> {
        let view = self.view();
        let start = view.data.cast::<u8>().wrapping_add(view.byte_offset as usize);
        NonNull::new(start).filter(|_| self.span > 0).unwrap_or(NonNull::dangling())
    }

    /// All memory from the first element to the end of the last. Whoever lends it does not change it meanwhile.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: DLPack: the elements are there, as shape and strides say, for as long as the tensor lives. Python's half
        // of this library lends only tensors that are read, and never written to, while they are lent.
        unsafe { slice::from_raw_parts(self.start().as_ptr(), self.span) }
    }

    /// Its values as integers of 64 bits.
    pub(crate) fn integers(&self) -> PyResult<&[i64]> {
        let start = self.start().cast::<i64>();
        if self.dtype() != (0, 64) || self.strides() != contiguous(self.shape()) {
            return Err(refused("it is no contiguous tensor of int64"));
        }
        if self.span == 0 {
            return Ok(&[]);
        }
        if !start.is_aligned() {
            return Err(refused("its integers are not aligned"));
        }
        // SAFETY: as in `bytes`; the pointer is aligned, and every value of eight bytes is an i64.
        Ok(unsafe { slice::from_raw_parts(start.as_ptr(), self.span / size_of::<i64>()) })
    }

    /// Memory to write a field of a batch to, of this shape, with these strides and values.
    pub(crate) fn into_memory(self, shape: &[i64], strides: &[i64], dtype: Dtype) -> PyResult<Memory> {
        let equal = self
            .shape()
            .iter()
            .zip(shape)
            .zip(self.strides().iter().zip(strides))
            .all(|((own, wanted), (own_stride, stride))| own == wanted && (*own < 2 || own_stride == stride));
        if self.is_read_only || self.dtype() != dtype || self.shape().len() != shape.len() || !equal {
            let (own, own_strides, own_dtype) = (self.shape(), self.strides(), self.dtype());
            return Err(refused(&format!(
                "a field of shape {shape:?}, strides {strides:?} and dtype {dtype:?} does not fit shape {own:?}, strides \
                 {own_strides:?} and dtype {own_dtype:?}, or nobody may write there"
            )));
        }
        let (start, len) = (self.start(), self.span);
        // SAFETY: the tensor is dense, of the size that was asked for, so its span is all of its bytes and no others. `self`
        // keeps them alive. Python's half makes the tensor for this batch, with `torch.empty`, and touches it only after
        // the batch is done. Bytes of an allocator are any bytes, and are written before anything reads them.
        Ok(unsafe { Memory::foreign(start, len, Box::new(self)) })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        self.bytes()
    }
}
