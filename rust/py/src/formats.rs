//! The formats that are decoded natively, bound.

use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};
use torchfeed_core::{
    decode::{DecodeRequest, DecodeScratch, Decoder, Format, Mode, Sink},
    image::{Rect, Window},
};

use crate::{decode::copy, error::Failure};

/// The names of the formats that are decoded natively.
#[pyfunction]
pub(crate) fn native_formats() -> Vec<&'static str> {
    Format::ALL.iter().map(|format| format.name()).collect()
}

/// (height, width, channels), and the pixels.
type Pixels<'py> = ((usize, usize, usize), Bound<'py, PyBytes>);

/// Decodes all of `data` natively, without a fallback, to Pillow's mode "RGB", "L" or "P".
#[pyfunction]
pub(crate) fn decode_image<'py>(py: Python<'py>, data: &[u8], mode: &str) -> PyResult<Pixels<'py>> {
    let mode = match mode {
        "RGB" => Mode::Rgb,
        "L" => Mode::Gray,
        "P" => Mode::Index,
        other => return Err(PyValueError::new_err(format!("mode should be RGB, L or P, got {other}"))),
    };
    let decode = || -> Result<Window, Failure> {
        let (decoder, mut window) = (Decoder::default(), Window::default());
        let header = decoder.header(data)?;
        let request = DecodeRequest { mode, ..DecodeRequest::new(Rect::all(header.size)) };
        decoder.decode(data, &header, &request, &mut DecodeScratch::default(), Sink::Window(&mut window))?;
        Ok(window)
    };
    let window = py.detach(decode)?;
    Ok(((window.size.height, window.size.width, window.channels), copy(py, &window.data)?))
}
