//! `Statistic`: each byte becomes another byte, by a table that depends on the whole image.

use std::fmt;

use crate::{
    Result,
    color::blend,
    image::{Rect, View, Window},
    interrupt::Pace,
    kernel::{self, byte_tables},
};

/// A function of bytes that looks at all pixels first.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Statistic {
    /// Blends the mean lightness, at 0, with the image, at 1 (`PIL.ImageEnhance.Contrast`).
    Contrast { factor: f32 },
    /// Stretches each channel from its least and its largest value to 0 and 255 (`PIL.ImageOps.autocontrast`).
    AutoContrast,
    /// Makes the values of each channel equally frequent (`PIL.ImageOps.equalize`).
    Equalize,
}

/// How often each byte comes up in a channel.
type Histogram = [u64; 256];

impl Statistic {
    /// Writes `rect` of the output to `out`. `image` is packed and whole.
    pub(crate) fn run(self, image: View<'_>, rect: Rect, out: &mut Window) -> Result<()> {
        out.try_reset(image.size, rect, image.channels)?;
        let tables = match image.channels {
            1 => self.tables::<1>(image.data),
            _ => self.tables::<3>(image.data),
        };
        let mut pace = Pace::new();
        for (row, line) in (rect.top..).zip(out.data.chunks_exact_mut(rect.width * image.channels)) {
            if pace.after(line.len()) {
                break;
            }
            let bytes = image.row(row, rect.left, rect.width);
            match (image.channels, self) {
                // All channels share a table.
                (1, _) | (_, Statistic::Contrast { .. }) => {
                    byte_tables::values(bytes, byte_tables::Table::of_bytes(&tables[0]), line.as_chunks_mut().0);
                }
                _ => byte_tables::pixels(bytes, &tables, line),
            }
        }
        Ok(())
    }

    /// What becomes of each byte of each channel of an image. Of one with a single channel, only the first counts.
    fn tables<const C: usize>(self, bytes: &[u8]) -> [[u8; 256]; 3] {
        let (pixels, _) = bytes.as_chunks::<C>();
        match self {
            Statistic::Contrast { factor } => {
                let sum: u64 = match C {
                    1 => bytes.iter().map(|&byte| u64::from(byte)).sum(),
                    _ => kernel::sum_lightness(bytes),
                };
                let mean = (sum as f64 / pixels.len() as f64 + 0.5) as u8;
                [std::array::from_fn(|byte| blend(mean, byte as u8, factor)); 3]
            }
            Statistic::AutoContrast => histograms(pixels).map(|each| stretched(&each)),
            Statistic::Equalize => histograms(pixels).map(|each| equalized(&each)),
        }
    }
}

fn histograms<const C: usize>(pixels: &[[u8; C]]) -> [Histogram; 3] {
    // Neighbours are often equal, and a count cannot be added to before the last addition is there. So they are counted
    // apart.
    let (mut all, mut others) = ([[0; 256]; 3], [[0; 256]; 3]);
    let count = |all: &mut [Histogram; 3], pixel: &[u8; C]| {
        for (histogram, &byte) in all.iter_mut().zip(pixel) {
            histogram[usize::from(byte)] += 1;
        }
    };
    let (pairs, rest) = pixels.as_chunks::<2>();
    for [pixel, next] in pairs {
        count(&mut all, pixel);
        count(&mut others, next);
    }
    rest.iter().for_each(|pixel| count(&mut all, pixel));
    for (count, other) in all.as_flattened_mut().iter_mut().zip(others.as_flattened()) {
        *count += other;
    }
    all
}

const IDENTITY: fn(usize) -> u8 = |byte| byte as u8;

fn stretched(histogram: &Histogram) -> [u8; 256] {
    let least = histogram.iter().position(|&count| count > 0).unwrap_or(0);
    let most = histogram.iter().rposition(|&count| count > 0).unwrap_or(0);
    if most <= least {
        return std::array::from_fn(IDENTITY);
    }
    let scale = 255.0 / (most - least) as f64;
    let offset = -(least as f64) * scale;
    std::array::from_fn(|byte| (byte as f64 * scale + offset) as u8)
}

fn equalized(histogram: &Histogram) -> [u8; 256] {
    let last = histogram.iter().rev().find(|&&count| count > 0).copied().unwrap_or(0);
    let step = (histogram.iter().sum::<u64>() - last) / 255;
    // A single value leaves a step of 0 too.
    if step == 0 {
        return std::array::from_fn(IDENTITY);
    }
    let mut sum = step / 2;
    std::array::from_fn(|byte| {
        let made = (sum / step).min(255) as u8;
        sum += histogram[byte];
        made
    })
}

impl fmt::Display for Statistic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "statistic {self:?}")
    }
}
