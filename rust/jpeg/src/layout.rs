//! Where blocks, samples and pixels are: sizes and sampling at a scale.

use crate::{Error, Header, Result, scale::Scale};

/// How samples of a component become pixels (libjpeg, `jinit_upsampler` in `jdsample.c`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Upsample {
    /// One sample, one pixel.
    #[default]
    Same,
    /// Triangle filter over columns.
    FancyH2,
    /// Triangle filter over rows.
    FancyV2,
    /// Triangle filter over both.
    FancyH2V2,
    /// Each sample becomes `h` x `v` pixels.
    Replicate { h: usize, v: usize },
}

/// One component at a scale.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Layer {
    /// Blocks per MCU.
    pub(crate) h: usize,
    pub(crate) v: usize,
    /// Samples that a block becomes, in each direction: 8, 4, 2 or 1.
    pub(crate) size: usize,
    /// Real blocks; MCUs at the right and at the bottom may have more.
    pub(crate) blocks_w: usize,
    pub(crate) blocks_h: usize,
    /// Real samples.
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) upsample: Upsample,
}

impl Layer {
    /// Pixels per sample, in a row and in a column.
    pub(crate) fn expansion(&self) -> (usize, usize) {
        match self.upsample {
            Upsample::Same => (1, 1),
            Upsample::FancyH2 => (2, 1),
            Upsample::FancyV2 => (1, 2),
            Upsample::FancyH2V2 => (2, 2),
            Upsample::Replicate { h, v } => (h, v),
        }
    }
}

/// An image at a scale.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// Pixels of the output.
    pub(crate) width: usize,
    pub(crate) height: usize,
    /// Pixels per MCU.
    pub(crate) mcu_w: usize,
    pub(crate) mcu_h: usize,
    /// MCUs of an interleaved scan.
    pub(crate) mcus_x: usize,
    pub(crate) mcus_y: usize,
    layers: [Layer; 4],
    count: usize,
    /// Whether pixels depend on the rows of samples above and below.
    pub(crate) context: bool,
}

impl Layout {
    /// libjpeg's `initial_setup` (`jdinput.c`) and `jpeg_calc_output_dimensions` (`jdmaster.c`).
    pub(crate) fn new(header: &Header, scale: Scale) -> Result<Self> {
        let least = 8 / scale.denominator();
        // A scan of one component is never interleaved: its sampling factors say nothing (T.81, A.2.2).
        let alone = header.components.len() == 1;
        let factors = header.components.iter().take(4).map(|component| match alone {
            true => (1, 1),
            false => (usize::from(component.h), usize::from(component.v)),
        });
        let max_h = factors.clone().map(|(h, _)| h).max().unwrap_or(1);
        let max_v = factors.clone().map(|(_, v)| v).max().unwrap_or(1);
        let mut layers = [Layer::default(); 4];
        let mut count = 0;
        for ((h, v), layer) in factors.zip(&mut layers) {
            // Subsampled components are scaled down less, as long as that stays a power of two: better than scaling
            // them down and up again.
            let mut size = least;
            while size < 8
                && (max_h * least).is_multiple_of(h * size * 2)
                && (max_v * least).is_multiple_of(v * size * 2)
            {
                size *= 2;
            }
            let (h_in, v_in) = (h * size / least, v * size / least);
            let width = (header.width * h * size).div_ceil(max_h * 8);
            // No context, hence no triangle filter, where a block becomes one sample.
            let fancy = least > 1;
            let upsample = match () {
                () if h_in == max_h && v_in == max_v => Upsample::Same,
                () if h_in * 2 == max_h && v_in == max_v && fancy && width > 2 => Upsample::FancyH2,
                () if h_in == max_h && v_in * 2 == max_v && fancy => Upsample::FancyV2,
                () if h_in * 2 == max_h && v_in * 2 == max_v && fancy && width > 2 => Upsample::FancyH2V2,
                () if max_h % h_in == 0 && max_v % v_in == 0 => {
                    Upsample::Replicate { h: max_h / h_in, v: max_v / v_in }
                }
                () => {
                    return Err(Error::Unsupported(format!(
                        "sampling factors {h} x {v} where the largest are {max_h} x {max_v}"
                    )));
                }
            };
            count += 1;
            *layer = Layer {
                h,
                v,
                size,
                blocks_w: (header.width * h).div_ceil(max_h * 8),
                blocks_h: (header.height * v).div_ceil(max_v * 8),
                width,
                height: (header.height * v * size).div_ceil(max_v * 8),
                upsample,
            };
        }
        let (height, width) = header.size_at(scale);
        Ok(Self {
            width,
            height,
            mcu_w: max_h * least,
            mcu_h: max_v * least,
            mcus_x: header.width.div_ceil(max_h * 8),
            mcus_y: header.height.div_ceil(max_v * 8),
            context: layers[..count]
                .iter()
                .any(|layer| matches!(layer.upsample, Upsample::FancyV2 | Upsample::FancyH2V2)),
            layers,
            count,
        })
    }
    /// The components, in the file's order.
    pub(crate) fn layers(&self) -> &[Layer] {
        &self.layers[..self.count]
    }
}
