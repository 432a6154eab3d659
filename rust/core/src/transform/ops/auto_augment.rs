//! Automatic augmentation: which functions are applied to an image.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use smallvec::SmallVec;

use super::{
    Family,
    augmentation::{Augmentation, Warping, some},
    drawing::Drawing,
};
use crate::{Error, Result, image::Size, rng::Stream};

/// The ops that augment automatically.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum AutoAugmentOp {
    /// Functions of a set, as `torchvision.transforms.RandAugment` and `TrivialAugmentWide` apply them.
    RandAugment {
        /// How many are applied: at most 1000.
        #[serde(deserialize_with = "number_of_functions")]
        num_ops: usize,
        /// The set.
        #[serde(deserialize_with = "some")]
        functions: Vec<Augmentation>,
        /// What the probability of each function is proportional to; a function is not drawn twice then. `None`: all are
        /// equally likely, and may be drawn again.
        weights: Option<Vec<f64>>,
        /// How images are mapped.
        warping: Warping,
    },
    /// One of several policies, each equally likely, as `torchvision.transforms.AutoAugment` applies them.
    AutoAugment {
        /// Functions that are applied one after the other.
        #[serde(deserialize_with = "some")]
        policies: Vec<Vec<Augmentation>>,
        /// How images are mapped.
        warping: Warping,
    },
}

/// How many functions are applied to one image at most: a plan is held in memory, and comes from anywhere.
const MOST_FUNCTIONS: usize = 1000;

fn number_of_functions<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<usize, D::Error> {
    let count = usize::deserialize(deserializer)?;
    if count > MOST_FUNCTIONS {
        return Err(D::Error::custom(format_args!("{count} functions for one image: the most are {MOST_FUNCTIONS}")));
    }
    Ok(count)
}

impl Family for AutoAugmentOp {
    fn draw(&self, position: usize, stream: &mut Stream, drawing: &mut Drawing<'_>) -> Result<()> {
        match self {
            AutoAugmentOp::RandAugment { num_ops, functions, weights: None, warping } => (0..*num_ops)
                .try_for_each(|_| functions[stream.below(functions.len())].draw(warping, position, stream, drawing)),
            AutoAugmentOp::RandAugment { num_ops, functions, weights: Some(weights), warping } => {
                let drawn = without_replacement(*num_ops, weights, stream)?;
                drawn
                    .into_iter()
                    .filter_map(|i| functions.get(i))
                    .try_for_each(|function| function.draw(warping, position, stream, drawing))
            }
            AutoAugmentOp::AutoAugment { policies, warping } => {
                let policy = &policies[stream.below(policies.len())];
                policy.iter().try_for_each(|function| function.draw(warping, position, stream, drawing))
            }
        }
    }

    fn output_size(&self, input: Option<Size>) -> Option<Size> {
        input
    }

    fn is_random(&self) -> bool {
        true
    }
}

/// The numbers of `count` different functions, in the order in which they are drawn: each by its weight among those that
/// are left.
fn without_replacement(count: usize, weights: &[f64], stream: &mut Stream) -> Result<SmallVec<[usize; 4]>> {
    let mut drawn = SmallVec::new();
    for _ in 0..count {
        let left = || weights.iter().enumerate().filter(|(i, weight)| **weight > 0.0 && !drawn.contains(i));
        let at = stream.unit() * left().map(|(_, weight)| weight).sum::<f64>();
        let mut end = 0.0;
        // The product may be rounded up to the sum; then it is the last one.
        let found = left().find(|(_, weight)| {
            end += **weight;
            end > at
        });
        match found.or_else(|| left().next_back()) {
            Some((i, _)) => drawn.push(i),
            None => return Err(Error::Parameter(format!("there are no {count} functions of a positive weight"))),
        }
    }
    Ok(drawn)
}

impl fmt::Display for AutoAugmentOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AutoAugmentOp::RandAugment { num_ops, functions, weights, .. } => {
                write!(f, "RandAugment(num_ops={num_ops}, functions={}", Names(functions))?;
                weights.iter().try_for_each(|weights| write!(f, ", weights={weights:?}"))?;
                f.write_str(")")
            }
            AutoAugmentOp::AutoAugment { policies, .. } => {
                let lists: Vec<String> = policies.iter().map(|policy| Names(policy).to_string()).collect();
                write!(f, "AutoAugment(policies=[{}])", lists.join(", "))
            }
        }
    }
}

/// Functions, written as a list of names.
struct Names<'a>(&'a [Augmentation]);

impl fmt::Display for Names<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|one| one.function.name()).collect();
        write!(f, "[{}]", names.join(", "))
    }
}
