//! The ops: what a user declares. One file per family.
//!
//! A family's file holds everything about its ops: their arguments, named as in torchvision; what they draw; the calls that
//! are drawn, which are torchvision's functions; the sizes that ops and calls make; the passes that calls are; and tests.
//! The ops of a family are an enum, and so are its calls. [`Op`] and [`Call`] are the enums of the families.
//!
//! Ops and calls are data. Serialized, an op is a map of one entry, the name of torchvision's class and its arguments:
//! `{"RandomHorizontalFlip": {"p": 0.5}}`. A call is a map of the function's name and its parameters: `{"hflip": {}}`.
//! The name alone says the family.

pub(super) mod augmentation;
pub(super) mod auto_augment;
pub(super) mod blur;
mod by_name;
pub(super) mod color;
pub(super) mod compose;
pub(super) mod crop;
pub(super) mod drawing;
pub(super) mod erase;
pub(super) mod flip;
pub(super) mod pad;
pub(super) mod resize;
pub(super) mod warp;

use std::fmt;

use super::compile::Compiler;
use crate::{Result, image::Size, rng::Stream};
use auto_augment::AutoAugmentOp;
use blur::{BlurCall, BlurOp};
use color::{ColorCall, ColorOp};
use compose::ComposeOp;
use crop::{CropCall, CropOp};
use drawing::Drawing;
use erase::{EraseCall, EraseOp, Erases};
use flip::{FlipCall, FlipOp};
use pad::{PadCall, PadOp};
use resize::{ResizeCall, ResizeOp};
use warp::{WarpCall, WarpOp};

/// What the ops of a family answer.
pub(super) trait Family: fmt::Display {
    /// Draws the op, which is at `position` and has `stream` for itself. Hands its calls to `drawing`; an op that leaves
    /// the image as it is hands over none.
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()>;

    /// The output size, where it is the same for every input of size `input` (`None`: for every input at all).
    fn output_size(&self, input: Option<Size>) -> Option<Size>;

    /// The channels of the output for an image of so many, 1 or 3; `None` where they depend on what is drawn.
    fn output_channels(&self, channels: usize) -> Option<usize> {
        Some(channels)
    }

    /// Whether the calls may depend on random numbers.
    fn is_random(&self) -> bool;

    /// Whether the op erases.
    fn erases(&self) -> Erases {
        Erases::Not
    }

    /// The number of positions that the op takes: one, and those of the ops in it.
    fn positions(&self) -> usize {
        1
    }
}

/// What the calls of a family answer.
pub(super) trait FamilyCall: fmt::Display {
    /// The size of an image of size `input` after the call.
    fn output_size(&self, input: Size) -> Size;

    /// The largest image that the call makes of one of size `input`, on the way or in the end.
    fn largest_size(&self, input: Size) -> Size {
        self.output_size(input)
    }

    /// Adds the call to a program.
    fn lower(&self, compiler: &mut Compiler);
}

/// Makes an enum of the families' enums, whose trait is `$answers`.
macro_rules! families {
    ($(#[$attribute:meta])* $name:ident: $answers:ident { $($family:ident($kind:ty)),+ $(,)? }) => {
        $(#[$attribute])*
        #[derive(Debug, Clone, PartialEq, serde::Serialize)]
        #[serde(untagged)]
        #[allow(missing_docs, reason = "the documentation is the family's")]
        pub enum $name {
            $($family($kind),)+
        }

        $(impl From<$kind> for $name {
            fn from(one: $kind) -> Self {
                $name::$family(one)
            }
        })+

        impl $name {
            fn family(&self) -> &dyn $answers {
                match self {
                    $($name::$family(one) => one,)+
                }
            }

            /// All names, of all families.
            #[must_use]
            pub fn names() -> &'static [&'static str] {
                static NAMES: std::sync::LazyLock<Vec<&str>> =
                    std::sync::LazyLock::new(|| [$(by_name::names::<$kind>()),+].concat());
                &NAMES
            }
        }

        impl by_name::ByName for $name {
            const NAME: &str = stringify!($name);

            fn names() -> &'static [&'static str] {
                Self::names()
            }

            fn read<'de, A>(name: &str, arguments: A) -> std::result::Result<Self, A::Error>
            where
                A: serde::de::VariantAccess<'de>,
            {
                $(if by_name::names::<$kind>().contains(&name) {
                    return by_name::read::<$kind, A>(name, arguments).map($name::$family);
                })+
                Err(serde::de::Error::unknown_variant(name, Self::names()))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                by_name::deserialize(deserializer)
            }
        }

        /// As it is written in Python.
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self.family(), f)
            }
        }
    };
}

families! {
    /// A declared transform, by its family; the ops are named as in `torchvision.transforms`.
    Op: Family {
        Blur(BlurOp),
        Color(ColorOp),
        Crop(CropOp),
        Erase(EraseOp),
        Flip(FlipOp),
        Pad(PadOp),
        Resize(ResizeOp),
        Warp(WarpOp),
        AutoAugment(AutoAugmentOp),
        Compose(ComposeOp),
    }
}

families! {
    /// A transform with its parameters drawn, by its family: a function of `torchvision.transforms.functional`.
    #[derive(Copy)]
    Call: FamilyCall {
        Blur(BlurCall),
        Color(ColorCall),
        Crop(CropCall),
        Erase(EraseCall),
        Flip(FlipCall),
        Pad(PadCall),
        Resize(ResizeCall),
        Warp(WarpCall),
    }
}

impl Op {
    /// Draws this op, which is at `position`.
    pub(super) fn draw(&self, position: usize, drawing: &mut Drawing<'_>) -> Result<()> {
        let mut stream = drawing.stream(position);
        self.family().draw(position, &mut stream, drawing)
    }

    /// The number of positions that this op takes: one, and those of the ops in it.
    #[must_use]
    pub fn positions(&self) -> usize {
        self.family().positions()
    }

    /// Whether this op erases.
    pub(super) fn erases(&self) -> Erases {
        self.family().erases()
    }

    /// The output size, where it is the same for every input of size `input` (`None`: for every input at all).
    pub(super) fn output_size(&self, input: Option<Size>) -> Option<Size> {
        self.family().output_size(input)
    }

    /// The channels of the output for an image of so many, 1 or 3; `None` where they depend on what is drawn.
    pub(super) fn output_channels(&self, channels: usize) -> Option<usize> {
        self.family().output_channels(channels)
    }

    /// Whether what the op does may depend on random numbers. An op that draws counts as random, whatever its
    /// probability.
    #[must_use]
    pub fn is_random(&self) -> bool {
        self.family().is_random()
    }
}

impl Call {
    /// The largest image that this call makes of one of size `input`, on the way or in the end.
    #[must_use]
    pub fn largest_size(&self, input: Size) -> Size {
        self.family().largest_size(input)
    }

    /// The size that an image of size `input` has after this call.
    #[must_use]
    pub fn output_size(&self, input: Size) -> Size {
        self.family().output_size(input)
    }

    /// Adds this call to a program.
    pub(super) fn lower(&self, compiler: &mut Compiler) {
        self.family().lower(compiler);
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
        assert!(unknown.starts_with("unknown variant `RandomDiagonalFlip`, expected one of `"), "{unknown}");
        assert!(unknown.contains("`RandomVerticalFlip`"), "{unknown}");
        let missing = read(r#"{"RandomApply":{"p":1,"ops":[{"RandomVerticalFlip":{}}]}}"#);
        assert!(missing.starts_with("RandomApply: RandomVerticalFlip: missing field `p`"), "{missing}");
        assert!(read(r#"{"RandomVerticalFlip":{"q":1}}"#).starts_with("RandomVerticalFlip: unknown field `q`"));
        assert!(read(r#"{"CenterCrop":{"size":[8]}}"#).starts_with("CenterCrop: invalid length 1"));
        assert!(read(r#"{"Resize":{"size":{"exact":[8,9]},"interpolation":9}}"#).contains("interpolation 9"));
    }
}
