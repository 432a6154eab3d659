//! The header of a scan (ITU-T T.81, B.2.3).

use crate::{Error, Header, Result};

/// One component of a scan.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Part {
    /// Index of the component in the frame.
    pub(crate) layer: usize,
    /// Numbers of its Huffman tables.
    pub(crate) dc: usize,
    pub(crate) ac: usize,
}

/// The parameters of a scan.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    parts: [Part; 4],
    count: usize,
    /// Zigzag indices of the first and the last coefficient.
    pub(crate) first: usize,
    pub(crate) last: usize,
    /// Successive approximation: bits known before (0: none), bits still unknown afterwards.
    pub(crate) high: u32,
    pub(crate) low: u32,
}

impl Scan {
    /// libjpeg's `get_sos`.
    pub(crate) fn parse(payload: &[u8], header: &Header) -> Result<Self> {
        let broken = || Error::Format(format!("scan header of {} bytes", payload.len()));
        let (&count, rest) = payload.split_first().ok_or_else(broken)?;
        let count = usize::from(count);
        if !(1..=4).contains(&count) || rest.len() != 2 * count + 3 {
            return Err(broken());
        }
        let mut parts = [Part::default(); 4];
        for index in 0..count {
            let (id, tables) = (rest[2 * index], rest[2 * index + 1]);
            let layer = header.components.iter().position(|component| component.id == id);
            let layer = layer.ok_or_else(|| Error::Format(format!("scan of the unknown component {id}")))?;
            if parts[..index].iter().any(|part| part.layer == layer) {
                return Err(Error::Format(format!("scan with the component {id} twice")));
            }
            parts[index] = Part { layer, dc: usize::from(tables >> 4), ac: usize::from(tables & 15) };
        }
        let [first, last, approximation] = [0, 1, 2].map(|index| rest[2 * count + index]);
        Ok(Self {
            parts,
            count,
            first: first.into(),
            last: last.into(),
            high: u32::from(approximation >> 4),
            low: u32::from(approximation & 15),
        })
    }

    /// Its components.
    pub(crate) fn parts(&self) -> &[Part] {
        &self.parts[..self.count]
    }
}
