//! Tensors of ours, for torch to take. It calls the deleter on any thread and without the GIL.

use std::{
    ffi::{CStr, c_void},
    sync::Arc,
};

use pyo3::{exceptions::PyBufferError, ffi, prelude::*};
use torchfeed_core::batch::Memory;

use super::{Dtype, Unversioned, Versioned, View, contiguous};

/// A dense block of values, for `torch.from_dlpack`.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Tensor {
    memory: Arc<Memory>,
    shape: Vec<i64>,
    strides: Vec<i64>,
    dtype: Dtype,
}

impl Tensor {
    /// `memory` as a tensor of `shape`; `strides` are in elements.
    pub(crate) fn new(memory: Arc<Memory>, shape: Vec<i64>, strides: Vec<i64>, dtype: Dtype) -> Self {
        Self { memory, shape, strides, dtype }
    }

    /// `memory` as a tensor of `shape`, last axis fastest.
    pub(crate) fn contiguous(memory: Arc<Memory>, shape: Vec<i64>, dtype: Dtype) -> Self {
        let strides = contiguous(&shape);
        Self::new(memory, shape, strides, dtype)
    }
}

#[pymethods]
impl Tensor {
    /// The DLPack capsule.
    #[pyo3(signature = (*, stream=None, max_version=None, dl_device=None, copy=None))]
    fn __dlpack__(
        &self,
        py: Python<'_>,
        stream: Option<Bound<'_, PyAny>>,
        max_version: Option<(u32, u32)>,
        dl_device: Option<(i32, i32)>,
        copy: Option<bool>,
    ) -> PyResult<Py<PyAny>> {
        if stream.is_some() || dl_device.is_some_and(|device| device != CPU) || copy == Some(true) {
            return Err(PyBufferError::new_err("only a view in CPU memory can be exported"));
        }
        if max_version.is_some_and(|(major, _)| major >= 1) {
            capsule::<Versioned>(py, self)
        } else {
            capsule::<Unversioned>(py, self)
        }
    }

    /// (1, 0): CPU memory. Pinned memory is exported as such too, since torch refuses any other device here.
    fn __dlpack_device__(&self) -> (i32, i32) {
        CPU
    }
}

const CPU: (i32, i32) = (1, 0);

/// What the `manager_ctx` of a capsule points to: everything that its tensor points to.
struct Context {
    _memory: Arc<Memory>,
    shape: Vec<i64>,
    strides: Vec<i64>,
}

/// The two generations of `DLManagedTensor`.
trait Managed: Sized {
    const NAME: &'static CStr;
    fn new(view: View, context: *mut c_void) -> Self;
    fn context(&self) -> *mut c_void;
}

impl Managed for Unversioned {
    const NAME: &'static CStr = Self::NAME;
    fn new(view: View, context: *mut c_void) -> Self {
        Self { view, context, deleter: Some(delete::<Self>) }
    }
    fn context(&self) -> *mut c_void {
        self.context
    }
}

impl Managed for Versioned {
    const NAME: &'static CStr = Self::NAME;
    fn new(view: View, context: *mut c_void) -> Self {
        Self { version: (1, 0), context, deleter: Some(delete::<Self>), flags: 0, view }
    }
    fn context(&self) -> *mut c_void {
        self.context
    }
}

/// The deleter: frees the managed tensor and lets go of its memory.
unsafe extern "C" fn delete<M: Managed>(managed: *mut M) {
    // SAFETY: `managed` and its context were made by `Box::into_raw` in `capsule`, and DLPack calls this once.
    unsafe {
        let managed = Box::from_raw(managed);
        drop(Box::from_raw(managed.context().cast::<Context>()));
    }
}

/// The destructor of a capsule: deletes the tensor unless a consumer took it, which it shows by renaming the capsule.
unsafe extern "C" fn destroy<M: Managed>(capsule: *mut ffi::PyObject) {
    // SAFETY: Python calls this with the capsule that `capsule` made and the GIL held; under its first name the capsule
    // still owns the pointer that it was made with.
    unsafe {
        if ffi::PyCapsule_IsValid(capsule, M::NAME.as_ptr()) == 1 {
            delete(ffi::PyCapsule_GetPointer(capsule, M::NAME.as_ptr()).cast::<M>());
        }
    }
}

fn capsule<M: Managed>(py: Python<'_>, tensor: &Tensor) -> PyResult<Py<PyAny>> {
    let mut context = Box::new(Context {
        _memory: Arc::clone(&tensor.memory),
        shape: tensor.shape.clone(),
        strides: tensor.strides.clone(),
    });
    let view = View {
        data: tensor.memory.start().as_ptr().cast(),
        device: CPU,
        ndim: tensor.shape.len() as i32,
        dtype_code: tensor.dtype.0,
        dtype_bits: tensor.dtype.1,
        dtype_lanes: 1,
        // The vectors' memory stays where it is when the box is handed over.
        shape: context.shape.as_mut_ptr(),
        strides: context.strides.as_mut_ptr(),
        byte_offset: 0,
    };
    let managed = Box::into_raw(Box::new(M::new(view, Box::into_raw(context).cast())));
    // SAFETY: the name is static, the destructor is for this very type, and Python holds the GIL. The result is a new
    // reference or null with an error set; on null the tensor is still ours to delete.
    unsafe {
        let object = ffi::PyCapsule_New(managed.cast(), M::NAME.as_ptr(), Some(destroy::<M>));
        if object.is_null() {
            delete(managed);
        }
        Ok(Bound::from_owned_ptr_or_err(py, object)?.unbind())
    }
}
