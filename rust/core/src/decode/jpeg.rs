//! JPEG through libjpeg-turbo's TurboJPEG API: the library that Pillow and torchvision use, so the bits are the same.
//!
//! The defaults are the accurate inverse DCT and the triangle filter for chroma; the faster variants change pixels and
//! are never turned on. Anything that libjpeg remarks upon, warnings included, is an `Err` with its message.
#![allow(unsafe_code)]

use std::{
    ffi::{CStr, c_int, c_void},
    ptr::NonNull,
};

use turbojpeg_sys as tj;

use super::{convert, jpeg_header};
use crate::image::{Rect, Size, Window};

/// A decompressor and the buffer for CMYK pixels, both kept from image to image.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    decompressor: Option<Decompressor>,
    cmyk: Vec<u8>,
}

/// Decodes at least `region` of a JPEG of `size` into `out`.
pub(super) fn decode(
    bytes: &[u8],
    size: Size,
    region: Rect,
    scratch: &mut Scratch,
    out: &mut Window,
) -> Result<(), String> {
    let frame = jpeg_header::parse(bytes)?;
    if frame.size != size {
        return Err(format!("the header announced {size:?}, the JPEG has {:?}", frame.size));
    }
    if !frame.is_whole(bytes) {
        return Err(format!("truncated JPEG: its {} bytes have no end-of-image marker", bytes.len()));
    }
    // After an error libjpeg may be stuck in the middle of a marker, and the next image would suffer for it. So the
    // decompressor is put back only after a success.
    let mut decompressor = match scratch.decompressor.take() {
        Some(decompressor) => decompressor,
        None => Decompressor::new()?,
    };
    let rect = frame.enclose(region);
    out.reset(size, rect, 3);
    if frame.components == 4 {
        scratch.cmyk.resize(rect.height * rect.width * 4, 0);
        decompressor.decompress(bytes, size, rect, tj::TJPF_TJPF_CMYK, &mut scratch.cmyk)?;
        convert::cmyk(&scratch.cmyk, &mut out.data);
    } else {
        decompressor.decompress(bytes, size, rect, tj::TJPF_TJPF_RGB, &mut out.data)?;
    }
    scratch.decompressor = Some(decompressor);
    if rect != Rect::all(size) {
        narrow(out, region);
    }
    Ok(())
}

/// Drops the columns outside `region`, whose outermost are not exact (see `Frame::enclose`).
fn narrow(window: &mut Window, region: Rect) {
    let (stride, skip, width) = (window.stride(), (region.left - window.rect.left) * 3, region.width * 3);
    for row in 0..region.height {
        let start = row * stride + skip;
        window.data.copy_within(start..start + width, row * width);
    }
    window.reset(window.size, region, 3);
}

/// A TurboJPEG decompressor.
///
/// Invariant: the pointer is a live handle from `tj3Init(TJINIT_DECOMPRESS)` that nothing else holds. It is destroyed
/// once, on drop.
#[derive(Debug)]
struct Decompressor(NonNull<c_void>);

// SAFETY: a handle is plain memory without ties to the thread that made it, and this value is its only owner.
unsafe impl Send for Decompressor {}

impl Drop for Decompressor {
    fn drop(&mut self) {
        // SAFETY: by the invariant the handle is live, and nobody uses it after this.
        unsafe { tj::tj3Destroy(self.0.as_ptr()) }
    }
}

impl Decompressor {
    fn new() -> Result<Self, String> {
        // SAFETY: no precondition; null means failure.
        let handle = unsafe { tj::tj3Init(tj::TJINIT_TJINIT_DECOMPRESS as c_int) };
        let handle = NonNull::new(handle).ok_or_else(|| "libjpeg-turbo could not be initialised".to_owned())?;
        let this = Self(handle);
        // Colour profiles are not looked at; by default they would be copied for every image.
        // SAFETY: by the invariant the handle is live.
        let status = unsafe { tj::tj3Set(this.0.as_ptr(), tj::TJPARAM_TJPARAM_SAVEMARKERS as c_int, 0) };
        this.check(status)?;
        Ok(this)
    }

    /// Decodes `rect` of the JPEG in `bytes`, whose size is `size`, into `pixels`.
    fn decompress(
        &mut self,
        bytes: &[u8],
        size: Size,
        rect: Rect,
        format: tj::TJPF,
        pixels: &mut [u8],
    ) -> Result<(), String> {
        let handle = self.0.as_ptr();
        // SAFETY: by the invariant the handle is live; the pointer and the length are those of a slice.
        let status = unsafe { tj::tj3DecompressHeader(handle, bytes.as_ptr(), bytes.len() as tj::size_t) };
        self.check(status)?;
        let [width, height] = [tj::TJPARAM_TJPARAM_JPEGWIDTH, tj::TJPARAM_TJPARAM_JPEGHEIGHT]
            // SAFETY: by the invariant the handle is live.
            .map(|parameter| unsafe { tj::tj3Get(handle, parameter as c_int) } as usize);
        if (height, width) != (size.height, size.width) {
            return Err(format!(
                "libjpeg sees {width} x {height} pixels, the header says {} x {}",
                size.width, size.height
            ));
        }
        let whole = rect == Rect::all(size);
        let crop = match whole {
            true => tj::tjregion { x: 0, y: 0, w: 0, h: 0 },
            // A JPEG has at most 65,535 rows and columns.
            false => tj::tjregion {
                x: rect.left as c_int,
                y: rect.top as c_int,
                w: rect.width as c_int,
                h: rect.height as c_int,
            },
        };
        // SAFETY: by the invariant the handle is live; the region is passed by value and checked by the library.
        let status = unsafe { tj::tj3SetCroppingRegion(handle, crop) };
        self.check(status)?;
        let channels = if format == tj::TJPF_TJPF_CMYK { 4 } else { 3 };
        let pitch = rect.width * channels;
        assert_eq!(pixels.len(), rect.height * pitch, "the buffer must be that of the rectangle");
        // SAFETY: by the invariant the handle is live; `bytes` is a slice. The library writes the rows of the cropping
        // region (all `size.height` of them without one, and then `rect` is the whole image of the size that the library
        // itself has read from these bytes), `pitch` bytes apart, which is what the assertion above made room for.
        let status = unsafe {
            tj::tj3Decompress8(
                handle,
                bytes.as_ptr(),
                bytes.len() as tj::size_t,
                pixels.as_mut_ptr(),
                pitch as c_int,
                format,
            )
        };
        self.check(status)
    }

    /// The library's message where `status` is not success. A warning has the same status as an error.
    fn check(&self, status: c_int) -> Result<(), String> {
        if status == 0 {
            return Ok(());
        }
        // SAFETY: by the invariant the handle is live; the result is a NUL-terminated string that lives in it or is
        // static, and it is copied before the handle is used again.
        let message = unsafe { CStr::from_ptr(tj::tj3GetErrorStr(self.0.as_ptr())) };
        Err(format!("broken JPEG: {}", message.to_string_lossy().replace('\n', " ")))
    }
}

/// Encodes RGB (`TJPF_RGB`) or CMYK (`TJPF_CMYK`) pixels with TurboJPEG's `parameters`.
#[cfg(test)]
pub(super) fn encode(pixels: &[u8], size: Size, format: tj::TJPF, parameters: &[(tj::TJPARAM, c_int)]) -> Vec<u8> {
    let channels = if format == tj::TJPF_TJPF_CMYK { 4 } else { 3 };
    assert_eq!(pixels.len(), size.height * size.width * channels);
    let (mut bytes, mut length) = (std::ptr::null_mut(), 0);
    // SAFETY: the handle is checked, used by this function alone and destroyed at its end. The pixels are as many as the
    // assertion says. The library allocates `bytes`; they are copied and then freed by the library.
    unsafe {
        let handle = tj::tj3Init(tj::TJINIT_TJINIT_COMPRESS as c_int);
        assert!(!handle.is_null());
        for &(parameter, value) in parameters {
            assert_eq!(tj::tj3Set(handle, parameter as c_int, value), 0, "parameter {parameter}");
        }
        let (width, height) = (size.width as c_int, size.height as c_int);
        let status =
            tj::tj3Compress8(handle, pixels.as_ptr(), width, 0, height, format, &raw mut bytes, &raw mut length);
        assert_eq!(status, 0);
        let jpeg = std::slice::from_raw_parts(bytes, length as usize).to_vec();
        tj::tj3Free(bytes.cast());
        tj::tj3Destroy(handle);
        jpeg
    }
}
