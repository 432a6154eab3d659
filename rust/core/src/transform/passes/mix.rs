//! `Mix`: each pixel becomes another pixel, whatever its place.

use std::fmt;

use crate::{
    Result,
    color::{blend, from_hsv, lightness, to_hsv},
    image::{Rect, View, Window},
    interrupt::Pace,
};

/// A function of one pixel. It leaves pixels of a single channel as they are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mix {
    /// The lightness, three times (`convert("L").convert("RGB")`).
    Gray,
    /// Blends the lightness, at 0, with the pixel, at 1 (`PIL.ImageEnhance.Color`).
    Saturation { factor: f32 },
    /// Turns the hue by so many parts of 255 (`torchvision.transforms.functional.adjust_hue`).
    Hue { turn: u8 },
}

impl Mix {
    /// Writes `rect` of the output to `out`. `image` is packed.
    pub(crate) fn run(self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        out.try_reset(image.size, rect, image.channels)?;
        let mut pace = Pace::new();
        for (row, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * image.channels)) {
            if pace.after(line.len()) {
                break;
            }
            let pixels = image.row(row, rect.left, rect.width);
            if image.channels == 1 {
                line.copy_from_slice(pixels);
                continue;
            }
            match self {
                Mix::Gray => each(pixels, line, |pixel| [lightness(pixel); 3]),
                Mix::Saturation { factor } => each(pixels, line, |pixel| {
                    let gray = lightness(pixel);
                    pixel.map(|byte| blend(gray, byte, factor))
                }),
                Mix::Hue { turn } => each(pixels, line, |pixel| {
                    let [hue, saturation, value] = to_hsv(pixel);
                    from_hsv([hue.wrapping_add(turn), saturation, value])
                }),
            }
        }
        Ok(())
    }
}

fn each(pixels: &[u8], out: &mut [u8], function: impl Fn([u8; 3]) -> [u8; 3]) {
    for (pixel, out) in pixels.as_chunks().0.iter().zip(out.as_chunks_mut().0) {
        *out = function(*pixel);
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mix {self:?}")
    }
}
