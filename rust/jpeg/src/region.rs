//! The region of an image that is asked for, and the MCUs that must be decoded for it.

use std::ops::Range;

use crate::{
    Error, Result,
    layout::{Layout, Upsample},
};

/// A rectangle of output pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// A region, and the MCUs that it depends on.
#[derive(Debug, Clone)]
pub(crate) struct McuRegion {
    pub(crate) region: Region,
    /// Columns and rows of MCUs whose samples are needed.
    pub(crate) columns: Range<usize>,
    pub(crate) rows: Range<usize>,
}

impl McuRegion {
    pub(crate) fn new(layout: &Layout, region: Option<Region>) -> Result<Self> {
        let all = Region { top: 0, left: 0, height: layout.height, width: layout.width };
        let region = region.unwrap_or(all);
        let fits = |start: usize, length: usize, whole: usize| {
            length > 0 && whole.checked_sub(length).is_some_and(|last| start <= last)
        };
        if !fits(region.top, region.height, all.height) || !fits(region.left, region.width, all.width) {
            return Err(Error::Parameter(format!(
                "region of {} x {} pixels (width x height) at column {}, row {} is empty or not inside {} x {}",
                region.width, region.height, region.left, region.top, all.width, all.height
            )));
        }
        // The triangle filters reach half a sample, that is one pixel of the finer grid, beyond their own samples.
        let wide =
            layout.layers().iter().any(|layer| matches!(layer.upsample, Upsample::FancyH2 | Upsample::FancyH2V2));
        let span = |start: usize, length: usize, whole: usize, unit: usize, halo: bool| {
            let halo = usize::from(halo);
            start.saturating_sub(halo) / unit..(start + length + halo).min(whole).div_ceil(unit)
        };
        Ok(Self {
            columns: span(region.left, region.width, all.width, layout.mcu_w, wide),
            rows: span(region.top, region.height, all.height, layout.mcu_h, layout.context),
            region,
        })
    }
}
