//! One-hot rows: `off` everywhere, `on` at the label.

use crate::{Error, Result};

/// The two values of a one-hot row, as bytes of its dtype.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels {
    /// Classes, which is the length of a row.
    pub classes: usize,
    /// The value at the label.
    pub on: Vec<u8>,
    /// The value elsewhere.
    pub off: Vec<u8>,
}

impl Levels {
    /// Rows of `classes` values, `on` at the label and `off` elsewhere, each 1, 2, 4 or 8 bytes.
    ///
    /// # Errors
    /// [`Error::Parameter`] where the values' lengths do not fit.
    pub fn new(classes: usize, on: Vec<u8>, off: Vec<u8>) -> Result<Self> {
        if on.len() != off.len() || !matches!(on.len(), 1 | 2 | 4 | 8) {
            return Err(Error::Parameter(format!("values of {} and {} bytes", on.len(), off.len())));
        }
        Ok(Self { classes, on, off })
    }

    /// Bytes of a row.
    #[must_use]
    pub const fn row_bytes(&self) -> usize {
        self.classes * self.on.len()
    }

    /// Writes the row of `label` to `row`.
    ///
    /// # Errors
    /// [`Error::Parameter`] where there is no class `label`.
    ///
    /// # Panics
    /// If `row` is not [`Levels::row_bytes`] long.
    pub fn write_row(&self, label: i64, row: &mut [u8]) -> Result<()> {
        assert_eq!(row.len(), self.row_bytes(), "row of the wrong length");
        let Some(at) = usize::try_from(label).ok().filter(|&at| at < self.classes) else {
            return Err(Error::Parameter(format!("label {label} is out of range for {} classes", self.classes)));
        };
        fill(&self.off, row);
        let element = self.on.len();
        row[at * element..][..element].copy_from_slice(&self.on);
        Ok(())
    }

    /// Writes the rows of `labels` to `out`, one after the other.
    ///
    /// # Errors
    /// [`Error::Parameter`] with the position of the first label that is out of range.
    ///
    /// # Panics
    /// If `out` is not `labels.len()` rows long.
    pub fn write(&self, labels: &[i64], out: &mut [u8]) -> Result<()> {
        let bytes = self.row_bytes();
        assert_eq!(out.len(), labels.len() * bytes, "output of the wrong length");
        let range = 0..self.classes as i64;
        if let Some(position) = labels.iter().position(|label| !range.contains(label)) {
            let label = labels[position];
            return Err(Error::Parameter(format!(
                "label {label} at position {position} is out of range for {} classes",
                self.classes
            )));
        }
        // One long fill and then a scatter: fills of short rows would never reach memory speed.
        fill(&self.off, out);
        let element = self.on.len();
        for (i, &label) in labels.iter().enumerate() {
            out[i * bytes + label as usize * element..][..element].copy_from_slice(&self.on);
        }
        Ok(())
    }
}

/// Repeats `value` over `out`.
fn fill(value: &[u8], out: &mut [u8]) {
    match *value {
        [first, ref rest @ ..] if rest.iter().all(|&byte| byte == first) => out.fill(first),
        [a, b] => out.as_chunks_mut().0.fill([a, b]),
        [a, b, c, d] => out.as_chunks_mut().0.fill([a, b, c, d]),
        _ => out.chunks_exact_mut(value.len()).for_each(|chunk| chunk.copy_from_slice(value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_one_on_value() {
        let levels = Levels::new(3, 0.9f32.to_ne_bytes().to_vec(), 0.05f32.to_ne_bytes().to_vec()).unwrap();
        let mut out = vec![7; 24];
        levels.write(&[2, 0], &mut out).unwrap();
        let values: Vec<_> = out.as_chunks::<4>().0.iter().map(|b| f32::from_ne_bytes(*b)).collect();
        assert_eq!(values, [0.05, 0.05, 0.9, 0.9, 0.05, 0.05]);
        let mut row = vec![7; 12];
        levels.write_row(0, &mut row).unwrap();
        assert_eq!(row, out[12..]);
    }

    #[test]
    fn a_label_out_of_range_is_named() {
        let levels = Levels::new(3, vec![1], vec![0]).unwrap();
        for label in [-1, 3, i64::MAX] {
            let message = levels.write(&[0, label], &mut [0; 6]).unwrap_err().to_string();
            assert!(message.contains(&format!("label {label} at position 1")), "{message}");
            assert!(levels.write_row(label, &mut [0; 3]).is_err());
        }
    }
}
