//! Which instruction set the kernels are built for.

use std::{env, fmt, sync::LazyLock};

use super::Kernels;
use crate::{Error, Result};

/// An instruction set that the kernels are built for, here and in `torchfeed-jpeg`. The pixels are the same with each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum InstructionSet {
    /// What every machine of this architecture can run.
    Portable,
    /// AVX2 with BMI1, BMI2 and LZCNT, on x86-64.
    Avx2,
    /// AVX-512 F, BW, DQ, VL, VBMI and VNNI beside AVX2, on x86-64.
    Avx512,
}

/// The environment variable by which tests force an instruction set: `portable`, `avx2`, `avx512`, or `native` for the
/// best that the machine has, as without it. It is read once per process. `make test-simd` sets it; it is no option for
/// users.
const VARIABLE: &str = "TORCHFEED_CPU";

impl InstructionSet {
    /// All of them, the slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The name, as in `TORCHFEED_CPU`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The instruction sets that this machine has, the slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|&set| Kernels::with(set).is_some())
    }

    /// The instruction set of this process: the one that `TORCHFEED_CPU` names, or the best that the machine has.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the variable names no instruction set, or one that this machine lacks.
    pub fn in_use() -> Result<Self> {
        static IN_USE: LazyLock<std::result::Result<InstructionSet, String>> =
            LazyLock::new(|| InstructionSet::named(env::var(VARIABLE).ok().as_deref()));
        IN_USE.clone().map_err(Error::Parameter)
    }

    /// The instruction set of this name; the best without a name.
    fn named(name: Option<&str>) -> std::result::Result<Self, String> {
        let best = Self::available().next_back().unwrap_or(Self::Portable);
        let Some(name) = name.filter(|&name| name != "native") else { return Ok(best) };
        let Some(set) = Self::ALL.into_iter().find(|set| set.name() == name) else {
            let known = Self::ALL.map(Self::name).join(", ");
            return Err(format!("{VARIABLE}={name}: it may be {known} or native"));
        };
        match Self::available().any(|other| other == set) {
            true => Ok(set),
            false => Err(format!("{VARIABLE}={name}: this machine lacks these instructions; its best are {best}")),
        }
    }

    /// The instruction set for the JPEG decoder.
    pub(crate) const fn of_jpeg(self) -> torchfeed_jpeg::InstructionSet {
        match self {
            Self::Portable => torchfeed_jpeg::InstructionSet::Portable,
            Self::Avx2 | Self::Avx512 => torchfeed_jpeg::InstructionSet::Avx2,
        }
    }
}

impl fmt::Display for InstructionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_chooses_and_a_wrong_one_is_an_error() {
        let best = InstructionSet::available().next_back();
        assert_eq!([None, Some("native")].map(|name| InstructionSet::named(name).ok()), [best, best]);
        for set in InstructionSet::ALL {
            match InstructionSet::available().any(|other| other == set) {
                true => assert_eq!(InstructionSet::named(Some(set.name())), Ok(set)),
                false => assert!(InstructionSet::named(Some(set.name())).unwrap_err().contains("lacks")),
            }
        }
        assert!(InstructionSet::named(Some("mmx")).unwrap_err().contains("portable, avx2, avx512 or native"));
    }

    #[test]
    fn both_crates_have_the_same() {
        let known: Vec<_> = torchfeed_jpeg::InstructionSet::available().collect();
        assert!(InstructionSet::available().all(|set| known.contains(&set.of_jpeg())));
    }

    /// Fails where this process was told to use other instructions than it does.
    #[test]
    fn the_variable_is_obeyed() {
        if let Ok(name) = env::var(VARIABLE)
            && name != "native"
        {
            assert_eq!(InstructionSet::in_use().unwrap().name(), name);
        }
    }
}
