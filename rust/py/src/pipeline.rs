//! Datasets and their transforms, bound.

use std::{sync::Arc, time::Duration};

use pyo3::{exceptions::PyValueError, prelude::*, types::PyBytes};
use torchfeed_core::{
    batch::{self, Field, Pool, TargetForm, one_hot::Levels},
    decode::{Decoder, Fallback, FallbackLimits, Limits},
    image::Size,
    transform::{Form, Layout},
};

use crate::{
    dataset::Dataset,
    decode::{PythonDecoder, copy},
    dlpack::Dtype,
    error::Failure,
    image_file::order,
    kept::{BatchMemory, RowIndexes},
    signals,
    source::Source,
    transform::drawn,
};

/// What one sample may cost: the attributes of a `torchfeed.Limits`.
#[derive(FromPyObject)]
struct SomeLimits {
    max_pixels: u64,
    max_transformed_pixels: u64,
    max_decoded_bytes: u64,
    max_file_bytes: u64,
    max_scans: u32,
    soft_seconds: Option<f64>,
}

impl SomeLimits {
    fn into_core(self) -> PyResult<Limits> {
        let Self { max_pixels, max_transformed_pixels, max_decoded_bytes, max_file_bytes, max_scans, soft_seconds } =
            self;
        let soft_time = soft_seconds.map(Duration::try_from_secs_f64).transpose();
        let soft_time = soft_time.map_err(|error| PyValueError::new_err(format!("soft_seconds: {error}")))?;
        Ok(Limits { max_pixels, max_transformed_pixels, max_decoded_bytes, max_file_bytes, max_scans, soft_time })
    }
}

/// How a pipeline is made: the attributes of `torchfeed.plan.compile.PipelineSettings`, which says what each means.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    channels: usize,
    dtypes: Vec<Dtype>,
    one_hot: Option<(usize, Vec<u8>, Vec<u8>, Dtype)>,
    channels_last: bool,
    cheaper_first: bool,
    fast: bool,
    limits: SomeLimits,
    fallback: Option<Py<PyAny>>,
    fallback_limits: (u64, u64, u64),
    row_indexes: Option<Py<RowIndexes>>,
    memory: Option<Py<BatchMemory>>,
}

/// Samples, and everything that is done to them.
#[pyclass(frozen, module = "torchfeed._native")]
pub(crate) struct Pipeline {
    pub(crate) core: Arc<batch::Pipeline>,
    /// The type of the values of each field.
    dtypes: Vec<Dtype>,
    pub(crate) fallback: Option<Arc<PythonDecoder>>,
}

/// How one field of a batch lies in memory.
pub(crate) struct Extent {
    pub(crate) shape: Vec<i64>,
    /// In elements.
    pub(crate) strides: Vec<i64>,
    pub(crate) dtype: Dtype,
}

impl Pipeline {
    /// How a field lies in memory in a batch of `len` samples, whose images have `size`.
    pub(crate) fn extent(&self, field: usize, len: usize, size: Option<Size>) -> Extent {
        let (n, dtype) = (len as i64, self.dtypes[field]);
        let (shape, strides) = match &self.core.fields()[field] {
            Field::Image { form, .. } => {
                let Size { height, width, .. } = size.unwrap_or(Size::new(0, 0));
                let (c, h, w) = (form.channels as i64, height as i64, width as i64);
                let strides = match form.layout {
                    Layout::ChannelsFirst => [c * h * w, h * w, w, 1],
                    Layout::ChannelsLast => [c * h * w, 1, w * c, c],
                };
                (vec![n, c, h, w], strides.to_vec())
            }
            Field::Target(TargetForm::Class) => (vec![n], vec![1]),
            Field::Target(TargetForm::OneHot(levels)) => {
                let classes = levels.classes as i64;
                (vec![n, classes], vec![classes, 1])
            }
        };
        Extent { shape, strides, dtype }
    }
}

/// Drawn calls: the op's position, the function of `torchvision.transforms.functional` and its parameters.
type Drawn<'py> = Vec<(usize, Bound<'py, PyAny>, Bound<'py, PyAny>)>;

#[pymethods]
impl Pipeline {
    #[new]
    fn new(datasets: Vec<PyRef<'_, Dataset>>, settings: Settings) -> PyResult<Self> {
        let Settings { channels, mut dtypes, fast, .. } = settings;
        let layout = if settings.channels_last { Layout::ChannelsLast } else { Layout::ChannelsFirst };
        let form = |dtype: &Dtype| Form { channels, element: usize::from(dtype.1 / 8), layout };
        let forms: Vec<_> = dtypes.iter().map(form).collect();
        let resize_order = order(settings.cheaper_first);
        let datasets = datasets.iter().map(|dataset| dataset.with(&forms, resize_order)).collect::<Result<_, _>>()?;
        let fallback = settings.fallback.map(|object| Arc::new(PythonDecoder::new(object)));
        let shared = fallback.clone().map(|decoder| decoder as Arc<dyn Fallback>);
        let (pixels, text_chunk, text_memory) = settings.fallback_limits;
        let fallback_limits = FallbackLimits { pixels, text_chunk, text_memory };
        let decoder = Decoder { limits: settings.limits.into_core()?, fallback_limits, fallback: shared, fast };
        let (target, target_dtype) = match settings.one_hot {
            None => (TargetForm::Class, (0, 64)),
            Some((classes, on, off, dtype)) => {
                (TargetForm::OneHot(Levels::new(classes, on, off).map_err(Failure::from)?), dtype)
            }
        };
        let pool = settings.memory.map_or_else(|| Pool::new(usize::MAX), |memory| Arc::clone(&memory.get().0));
        let mut core = batch::Pipeline::new(datasets, decoder, target, pool).map_err(Failure::from)?;
        if let Some(indexes) = settings.row_indexes {
            core = core.with_row_indexes(&indexes.get().0);
        }
        dtypes.push(target_dtype);
        Ok(Self { core: Arc::new(core), dtypes, fallback })
    }

    fn __len__(&self) -> usize {
        self.core.len()
    }

    /// The (height, width) of every image of a view, or `None` where it depends on the image.
    #[pyo3(signature = (view=0))]
    fn output_size(&self, view: usize) -> Option<(usize, usize)> {
        let field = self.core.fields().get(view)?;
        field.size().map(|size| (size.height, size.width))
    }

    /// The bytes of batches in memory of ours: (in use, kept to be used again, the most that both ever were together).
    fn memory(&self) -> (usize, usize, usize) {
        let usage = self.core.pool().usage();
        (usage.handed_out, usage.kept, usage.most)
    }

    /// The (height, width) of sample `index`, and what is done to it. `provided` has its image, as its first item.
    #[pyo3(signature = (index, seed, occurrence, provided=None))]
    fn draw<'py>(
        &self,
        py: Python<'py>,
        index: usize,
        seed: u64,
        occurrence: u32,
        provided: Option<&Source>,
    ) -> PyResult<((usize, usize), Drawn<'py>)> {
        let provided = provided.map(|source| (&*source.0, 0));
        let draw = || self.core.sample(index, provided)?.draw(seed, occurrence);
        let (size, calls) = py.detach(draw).map_err(Failure::from)?;
        let calls = calls.iter().map(|(op, call)| {
            let (function, parameters) = drawn(py, call)?;
            Ok((*op, function, parameters))
        });
        let calls = calls.collect::<PyResult<_>>()?;
        Ok(((size.height, size.width), calls))
    }

    /// Sample `index` without transforms: (height, width, channels) and its pixels.
    fn image<'py>(&self, py: Python<'py>, index: usize) -> PyResult<((usize, usize, usize), Bound<'py, PyBytes>)> {
        let image = signals::interruptible(py, || self.core.sample(index, None)?.image())?.map_err(Failure::from)?;
        Ok(((image.size.height, image.size.width, image.channels), copy(py, &image.data)?))
    }
}
