//! The transform stage, bound: what is declared, and what was drawn.

use pyo3::{prelude::*, types::PyDict};
use torchfeed_core::{
    image::Size,
    transform::{self, Call, Filter, PadMode, Padding, RandomChoice, RandomCrop, RandomResizedCrop, Resize, Target},
};

use crate::error::Failure;

/// A declared transform.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Op(pub(crate) transform::Op);

/// (left, top, right, bottom), the colour of each channel, and the mode's name.
type PaddingArguments = ([isize; 4], [u8; 3], String);

/// Pillow's numbers of its filters (`PIL.Image.Resampling`).
const FILTERS: [(u8, Filter); 6] = [
    (0, Filter::Nearest),
    (1, Filter::Lanczos),
    (2, Filter::Bilinear),
    (3, Filter::Bicubic),
    (4, Filter::Box),
    (5, Filter::Hamming),
];

const MODES: [(&str, PadMode); 4] = [
    ("constant", PadMode::Constant),
    ("edge", PadMode::Edge),
    ("reflect", PadMode::Reflect),
    ("symmetric", PadMode::Symmetric),
];

fn unknown(what: &str, value: impl std::fmt::Display) -> PyErr {
    pyo3::exceptions::PyValueError::new_err(format!("unknown {what} {value}"))
}

fn filter(number: u8) -> PyResult<Filter> {
    let found = FILTERS.iter().find(|(n, _)| *n == number);
    found.map(|(_, filter)| *filter).ok_or_else(|| unknown("interpolation", number))
}

fn padding(([left, top, right, bottom], fill, mode): PaddingArguments) -> PyResult<Padding> {
    let found = MODES.iter().find(|(name, _)| *name == mode);
    let mode = found.map(|(_, mode)| *mode).ok_or_else(|| unknown("padding mode", mode))?;
    Ok(Padding { left, top, right, bottom, fill, mode })
}

/// The core's ops.
pub(crate) fn cloned(ops: &[PyRef<'_, Op>]) -> Vec<transform::Op> {
    ops.iter().map(|op| op.0.clone()).collect()
}

fn size((height, width): (usize, usize)) -> Size {
    Size::new(height, width)
}

#[pymethods]
impl Op {
    #[staticmethod]
    fn resize(exact: (usize, usize), interpolation: u8) -> PyResult<Self> {
        Ok(Self(transform::Op::Resize { target: Target::Exact(size(exact)), filter: filter(interpolation)? }))
    }

    #[staticmethod]
    fn resize_smaller(edge: usize, longest: Option<usize>, interpolation: u8) -> PyResult<Self> {
        Ok(Self(transform::Op::Resize {
            target: Target::Smaller { edge, max: longest },
            filter: filter(interpolation)?,
        }))
    }

    #[staticmethod]
    fn center_crop(crop: (usize, usize)) -> Self {
        Self(transform::Op::CenterCrop(size(crop)))
    }

    #[staticmethod]
    fn random_crop(crop: (usize, usize), pad: PaddingArguments, pad_if_needed: bool) -> PyResult<Self> {
        Ok(Self(transform::Op::RandomCrop(RandomCrop { size: size(crop), padding: padding(pad)?, pad_if_needed })))
    }

    #[staticmethod]
    fn random_resized_crop(
        output: (usize, usize),
        scale: (f64, f64),
        ratio: (f64, f64),
        interpolation: u8,
    ) -> PyResult<Self> {
        let resize = Resize { size: size(output), filter: filter(interpolation)? };
        Ok(Self(transform::Op::RandomResizedCrop(RandomResizedCrop { resize, scale, ratio })))
    }

    #[staticmethod]
    fn random_horizontal_flip(p: f64) -> Self {
        Self(transform::Op::RandomHorizontalFlip { p })
    }

    #[staticmethod]
    fn random_vertical_flip(p: f64) -> Self {
        Self(transform::Op::RandomVerticalFlip { p })
    }

    #[staticmethod]
    fn pad(pad: PaddingArguments) -> PyResult<Self> {
        Ok(Self(transform::Op::Pad(padding(pad)?)))
    }

    #[staticmethod]
    fn random_apply(p: f64, ops: Vec<PyRef<'_, Op>>) -> Self {
        Self(transform::Op::RandomApply { p, ops: cloned(&ops) })
    }

    #[staticmethod]
    fn random_choice(weights: Vec<f64>, branches: Vec<Vec<PyRef<'_, Op>>>) -> PyResult<Self> {
        let branches = branches.iter().map(|ops| cloned(ops)).collect();
        Ok(Self(transform::Op::RandomChoice(RandomChoice::new(&weights, branches).map_err(Failure::from)?)))
    }

    #[staticmethod]
    fn random_order(branches: Vec<Vec<PyRef<'_, Op>>>) -> Self {
        Self(transform::Op::RandomOrder(branches.iter().map(|ops| cloned(ops)).collect()))
    }
}

/// The parameters of a call, named as in `torchvision.transforms.functional`.
pub(crate) fn parameters<'py>(py: Python<'py>, call: &Call) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    match call {
        Call::Resize(resize) => set_resize(&dict, resize)?,
        Call::Crop { padding, top, left, size } => {
            set_padding(&dict, padding)?;
            set_crop(&dict, *top, *left, *size)?;
        }
        Call::ResizedCrop { top, left, crop, resize } => {
            set_crop(&dict, *top, *left, *crop)?;
            set_resize(&dict, resize)?;
        }
        Call::HorizontalFlip | Call::VerticalFlip | Call::Invert => {}
        Call::Posterize { bits } => dict.set_item("bits", bits)?,
        Call::Solarize { threshold } => dict.set_item("threshold", threshold)?,
        Call::Pad(padding) => set_padding(&dict, padding)?,
    }
    Ok(dict)
}

fn set_crop(dict: &Bound<'_, PyDict>, top: usize, left: usize, size: Size) -> PyResult<()> {
    dict.set_item("top", top)?;
    dict.set_item("left", left)?;
    dict.set_item("height", size.height)?;
    dict.set_item("width", size.width)
}

fn set_resize(dict: &Bound<'_, PyDict>, resize: &Resize) -> PyResult<()> {
    dict.set_item("size", [resize.size.height, resize.size.width])?;
    let number = FILTERS.iter().find(|(_, filter)| *filter == resize.filter).map(|(number, _)| *number);
    dict.set_item("interpolation", number)
}

fn set_padding(dict: &Bound<'_, PyDict>, padding: &Padding) -> PyResult<()> {
    dict.set_item("padding", [padding.left, padding.top, padding.right, padding.bottom])?;
    // A list: a tuple of three u8 would do, but `[u8; 3]` becomes bytes.
    dict.set_item("fill", padding.fill.map(u32::from))?;
    let name = MODES.iter().find(|(_, mode)| *mode == padding.mode).map(|(name, _)| *name);
    dict.set_item("padding_mode", name)
}
