//! The ops: what a user declares. One file per family.
//!
//! A family is an enum of its ops. Its file holds everything about them: the arguments, named as in torchvision, what the
//! ops draw, the sizes that they make, and their tests. [`Op`] is the enum of the families.
//!
//! Ops are data. Serialized, an op is a map of one entry, `{"RandomHorizontalFlip": {"p": 0.5}}`: the name of
//! torchvision's class and its arguments. The name alone says the family.

mod by_name;
pub(super) mod compose;
pub(super) mod crop;
pub(super) mod flip;
pub(super) mod pad;
pub(super) mod resize;

use std::fmt;

use super::plan::Drawing;
use crate::{Result, image::Size, rng::Stream};
use compose::ComposeOp;
use crop::CropOp;
use flip::FlipOp;
use pad::PadOp;
use resize::ResizeOp;

/// What the ops of a family answer.
pub(super) trait Family: fmt::Display {
    /// Draws the op, which is at `position` and has `stream` for itself. Hands its calls to `drawing`; an op that leaves
    /// the image as it is hands over none.
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()>;

    /// The output size, where it is the same for every input of size `input` (`None`: for every input at all).
    fn output_size(&self, input: Option<Size>) -> Option<Size>;

    /// Whether the calls may depend on random numbers.
    fn is_random(&self) -> bool;

    /// The number of positions that the op takes: one, and those of the ops in it.
    fn count(&self) -> usize {
        1
    }
}

/// Makes [`Op`] of the families.
macro_rules! families {
    ($($family:ident($ops:ident)),+ $(,)?) => {
        /// A declared transform, by its family; the ops are named as in `torchvision.transforms`.
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs, reason = "the documentation is the family's")]
        pub enum Op {
            $($family($ops),)+
        }

        $(impl From<$ops> for Op {
            fn from(op: $ops) -> Self {
                Op::$family(op)
            }
        })+

        impl Op {
            fn family(&self) -> &dyn Family {
                match self {
                    $(Op::$family(op) => op,)+
                }
            }

            /// Reads the op `name`, which is of whatever family has it.
            fn read<'de, A>(name: &str, arguments: A) -> std::result::Result<Self, A::Error>
            where
                A: serde::de::VariantAccess<'de>,
            {
                $(if by_name::names::<$ops>().contains(&name) {
                    let read = by_name::read::<$ops, A>(name, arguments).map(Op::$family);
                    return read.map_err(|error| serde::de::Error::custom(format_args!("{name}: {error}")));
                })+
                Err(serde::de::Error::unknown_variant(name, Op::names()))
            }

            /// The names of all ops.
            #[must_use]
            pub fn names() -> &'static [&'static str] {
                static NAMES: std::sync::LazyLock<Vec<&str>> =
                    std::sync::LazyLock::new(|| [$(by_name::names::<$ops>()),+].concat());
                &NAMES
            }
        }
    };
}

families! {
    Crop(CropOp),
    Flip(FlipOp),
    Pad(PadOp),
    Resize(ResizeOp),
    Compose(ComposeOp),
}

impl Op {
    /// Draws this op, which is at `position`.
    pub(super) fn draw(&self, position: usize, drawing: &mut Drawing<'_>) -> Result<()> {
        let mut stream = drawing.stream(position);
        self.family().draw(position, &mut stream, drawing)
    }

    /// The number of positions that this op takes: one, and those of the ops in it.
    pub(super) fn count(&self) -> usize {
        self.family().count()
    }

    /// The output size, where it is the same for every input of size `input` (`None`: for every input at all).
    pub(super) fn output_size(&self, input: Option<Size>) -> Option<Size> {
        self.family().output_size(input)
    }

    /// Whether what the op does may depend on random numbers. An op that draws counts as random, whatever its
    /// probability.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.family().is_random()
    }
}

/// As its constructor is written in Python.
impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.family(), f)
    }
}

/// A size as data: (height, width).
pub(super) mod pair {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::image::Size;

    pub(in super::super) fn serialize<S: Serializer>(size: &Size, serializer: S) -> Result<S::Ok, S::Error> {
        (size.height, size.width).serialize(serializer)
    }

    pub(in super::super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Size, D::Error> {
        <(usize, usize)>::deserialize(deserializer).map(|(height, width)| Size::new(height, width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ops_are_data() {
        let op: Op = FlipOp::RandomVerticalFlip { p: 0.25 }.into();
        let text = r#"{"RandomVerticalFlip":{"p":0.25}}"#;
        assert_eq!(serde_json::to_string(&op).unwrap(), text);
        assert_eq!(serde_json::from_str::<Op>(text).unwrap(), op);
        assert_eq!(op.to_string(), "RandomVerticalFlip(p=0.25)");
    }

    #[test]
    fn errors_name_the_op_and_the_argument() {
        let read = |text| serde_json::from_str::<Op>(text).unwrap_err().to_string();
        let unknown = read(r#"{"RandomDiagonalFlip":{"p":0.25}}"#);
        assert!(unknown.starts_with("unknown variant `RandomDiagonalFlip`, expected one of `CenterCrop`"), "{unknown}");
        assert!(unknown.contains("`RandomVerticalFlip`"), "{unknown}");
        let missing = read(r#"{"RandomApply":{"p":1,"ops":[{"RandomVerticalFlip":{}}]}}"#);
        assert!(missing.starts_with("RandomApply: RandomVerticalFlip: missing field `p`"), "{missing}");
        assert!(read(r#"{"RandomVerticalFlip":{"q":1}}"#).starts_with("RandomVerticalFlip: unknown field `q`"));
        assert!(read(r#"{"CenterCrop":{"size":[8]}}"#).starts_with("CenterCrop: invalid length 1"));
        assert!(read(r#"{"Resize":{"size":{"exact":[8,9]},"interpolation":9}}"#).contains("interpolation 9"));
    }
}
