//! The formats that are decoded natively, bound.

use pyo3::prelude::*;
use torchfeed_core::{
    decode::{DecodeRequest, DecodeScratch, Decoder, Format, Sink},
    image::{Rect, Window},
};

use crate::{
    decode::copy,
    error::Failure,
    image_file::{self, Pixels},
};

/// The names of the formats that are decoded natively.
#[pyfunction]
pub(crate) fn native_formats() -> Vec<&'static str> {
    Format::ALL.iter().map(|format| format.name()).collect()
}

/// Decodes all of `data` natively, without a fallback, to Pillow's mode "RGB", "L" or "P".
#[pyfunction]
pub(crate) fn decode_image<'py>(py: Python<'py>, data: &[u8], mode: &str) -> PyResult<Pixels<'py>> {
    let mode = image_file::mode(mode)?;
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
