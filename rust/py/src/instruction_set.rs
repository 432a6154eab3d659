//! The instruction sets of the kernels, bound for tests.

use pyo3::prelude::*;
use torchfeed_core::InstructionSet;

use crate::error::Failure;

/// The instruction set that the kernels use, and all that this machine has, the slowest first.
#[pyfunction]
pub(crate) fn instruction_sets() -> Result<(&'static str, Vec<&'static str>), Failure> {
    Ok((InstructionSet::in_use()?.name(), InstructionSet::available().map(InstructionSet::name).collect()))
}
