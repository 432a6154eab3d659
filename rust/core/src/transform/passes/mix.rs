//! `Mix`: each pixel becomes another pixel, whatever its place.

use std::fmt;

use crate::{
    Result, color,
    image::{Rect, View, Window},
    interrupt::Pace,
    kernel,
};

/// A function of one pixel. All but [`Mix::Rgb`] leave pixels of a single channel as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mix {
    /// The lightness, three times (`convert("L").convert("RGB")`).
    Gray,
    /// The lightness, once (`convert("L")`).
    Lightness,
    /// A single channel, three times (`convert("RGB")`). It leaves pixels of three channels as they are.
    Rgb,
    /// The channel of these numbers, in their order.
    Permute { permutation: [u8; 3] },
    /// Blends the lightness, at 0, with the pixel, at 1 (`PIL.ImageEnhance.Color`).
    Saturation { factor: f32 },
    /// Turns the hue by so many parts of 255 (`torchvision.transforms.functional.adjust_hue`).
    Hue { turn: u8 },
}

impl Mix {
    /// The channels of an image that has `channels` before.
    pub(crate) const fn output_channels(self, channels: usize) -> usize {
        match self {
            Mix::Lightness => 1,
            Mix::Rgb => 3,
            _ => channels,
        }
    }

    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        let channels = self.output_channels(image.channels);
        out.try_reset(image.size, rect, channels)?;
        let mut pace = Pace::new();
        for (row, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * channels)) {
            if pace.after(line.len()) {
                break;
            }
            let pixels = image.row(row, rect.left, rect.width);
            let whole = pixels.as_chunks::<3>().0;
            match self {
                Mix::Rgb if image.channels == 1 => {
                    line.as_chunks_mut().0.iter_mut().zip(pixels).for_each(|(out, &byte)| *out = [byte; 3]);
                }
                _ if image.channels == 1 => line.copy_from_slice(pixels),
                Mix::Rgb => line.copy_from_slice(pixels),
                Mix::Lightness => line.iter_mut().zip(whole).for_each(|(out, &pixel)| *out = color::lightness(pixel)),
                Mix::Permute { permutation } => {
                    let permuted = |pixel: &[u8; 3]| permutation.map(|channel| pixel[usize::from(channel)]);
                    let out = line.as_chunks_mut().0.iter_mut();
                    out.zip(whole).for_each(|(out, pixel)| *out = permuted(pixel));
                }
                Mix::Gray => kernel::gray(pixels, line),
                Mix::Saturation { factor } => kernel::saturate(pixels, factor, line),
                Mix::Hue { turn } => kernel::turn_hue(pixels, turn, line),
            }
        }
        Ok(())
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mix {self:?}")
    }
}
