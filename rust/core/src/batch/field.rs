//! The fields of a sample. A batch has one strip of memory for each.

use std::sync::Arc;

use super::{one_hot::Levels, pool::block::Memory};
use crate::{image::Size, transform::Form};

/// What a sample's class index becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetForm {
    /// The class index, as an i64.
    Class,
    /// A row with one value at the class index.
    OneHot(Levels),
}

/// One field of every sample of a pipeline: its shape and the type of its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Field {
    /// A view of the sample's image: what one plan makes of it.
    Image {
        /// What the values are, and how they lie in memory.
        form: Form,
        /// The size of all images, where it does not depend on the sample.
        size: Option<Size>,
    },
    /// The sample's class.
    Target(TargetForm),
}

impl Field {
    /// Bytes of one sample's value, whose size is `size` where it is an image; `None` for an image of no known size.
    #[must_use]
    pub fn bytes(&self, size: Option<Size>) -> Option<usize> {
        match self {
            // More bytes than there are numbers for are more than any memory has.
            Field::Image { form, .. } => size.map(|Size { height, width, .. }| {
                height.saturating_mul(width).saturating_mul(form.channels * form.element)
            }),
            Field::Target(TargetForm::Class) => Some(size_of::<i64>()),
            Field::Target(TargetForm::OneHot(levels)) => Some(levels.row_bytes()),
        }
    }

    /// The size of all images, where it is one.
    #[must_use]
    pub const fn size(&self) -> Option<Size> {
        match self {
            Field::Image { size, .. } => *size,
            Field::Target(_) => None,
        }
    }
}

/// One field of all samples of a finished batch.
#[derive(Debug)]
pub struct Strip {
    /// The size of every image; `None` where the field is no image.
    pub size: Option<Size>,
    /// The values, one sample after the other.
    pub memory: Arc<Memory>,
}
