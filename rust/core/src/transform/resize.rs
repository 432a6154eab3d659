//! `Resize`: the output size.

use super::passes::filter::Filter;
use crate::{Error, Result, image::Size};

/// What `Resize` was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Target {
    /// The smaller edge becomes `edge`; the larger one keeps the aspect ratio, but is at most `max` where given.
    Smaller {
        /// Pixels of the smaller edge.
        edge: usize,
        /// The most pixels of the larger edge.
        max: Option<usize>,
    },
    /// Exactly this size.
    Exact(Size),
}

impl Target {
    /// The size that an image of `size` gets (`_compute_resized_output_size` of torchvision).
    ///
    /// # Errors
    /// [`Error::Parameter`] where `max` leaves no pixel of the smaller edge.
    pub fn apply(self, size: Size) -> Result<Size> {
        let Target::Smaller { edge, max } = self else {
            let Target::Exact(exact) = self else { unreachable!() };
            return Ok(exact);
        };
        let wide = size.height < size.width;
        let (short, long) = if wide { (size.height, size.width) } else { (size.width, size.height) };
        let (mut new_short, mut new_long) = (edge, (edge as f64 * long as f64 / short as f64) as usize);
        if let Some(max) = max.filter(|&max| new_long > max) {
            new_short = (max as f64 * new_short as f64 / new_long as f64) as usize;
            new_long = max;
        }
        if new_short == 0 || new_long == 0 {
            return Err(Error::Parameter(format!(
                "Resize of a {} x {} image (height x width) leaves {new_short} pixels of an edge",
                size.height, size.width
            )));
        }
        Ok(if wide { Size::new(new_short, new_long) } else { Size::new(new_long, new_short) })
    }
}

/// One drawn resize: from whatever size comes in to `size`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resize {
    /// The output size.
    pub size: Size,
    /// The interpolation.
    pub filter: Filter,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes printed by `torchvision.transforms.functional._compute_resized_output_size`.
    #[test]
    fn sizes_are_torchvisions() {
        let smaller = |edge, max| Target::Smaller { edge, max };
        assert_eq!(smaller(256, None).apply(Size::new(375, 500)).unwrap(), Size::new(256, 341));
        assert_eq!(smaller(256, None).apply(Size::new(500, 375)).unwrap(), Size::new(341, 256));
        assert_eq!(smaller(256, Some(300)).apply(Size::new(500, 375)).unwrap(), Size::new(300, 225));
        assert_eq!(smaller(8, None).apply(Size::new(5, 5)).unwrap(), Size::new(8, 8));
        assert!(smaller(2, Some(3)).apply(Size::new(1, 1000)).is_err());
    }
}
