//! Stacking samples: one contiguous copy of many equal arrays.

use crate::{Error, Result};

/// One array of a stack: bytes, and where they lie.
#[derive(Debug, Clone)]
pub struct Strided<'a> {
    /// All memory from the array's lowest address to its highest.
    pub data: &'a [u8],
    /// Elements along each axis.
    pub shape: &'a [usize],
    /// Elements from one position to the next along each axis.
    pub strides: &'a [usize],
}

impl Strided<'_> {
    /// Whether the elements follow each other in memory, last axis fastest.
    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(self.strides).rev().all(|(&n, &stride)| {
            let fits = n == 1 || stride == expected;
            expected *= n;
            fits
        })
    }

    /// Copies the elements of `element` bytes to `out`, last axis fastest.
    ///
    /// # Errors
    /// [`Error::Shape`] where `data` or `out` is too short for the shape.
    pub fn copy_to(&self, element: usize, out: &mut [u8]) -> Result<()> {
        let count: usize = self.shape.iter().product();
        let last: usize = self.shape.iter().zip(self.strides).map(|(&n, &s)| n.saturating_sub(1) * s).sum();
        if out.len() != count * element || (count > 0 && self.data.len() < (last + 1) * element) {
            return Err(Error::Shape(format!("{} bytes cannot hold shape {:?}", self.data.len(), self.shape)));
        }
        if count == 0 {
            return Ok(());
        }
        if self.is_contiguous() {
            out.copy_from_slice(&self.data[..out.len()]);
            return Ok(());
        }
        match element {
            1 => self.copy_axis::<1>(0, 0, out.as_chunks_mut().0),
            2 => self.copy_axis::<2>(0, 0, out.as_chunks_mut().0),
            4 => self.copy_axis::<4>(0, 0, out.as_chunks_mut().0),
            8 => self.copy_axis::<8>(0, 0, out.as_chunks_mut().0),
            16 => self.copy_axis::<16>(0, 0, out.as_chunks_mut().0),
            _ => return Err(Error::Parameter(format!("elements of {element} bytes"))),
        }
        Ok(())
    }

    fn copy_axis<const N: usize>(&self, axis: usize, offset: usize, out: &mut [[u8; N]]) {
        let Some((&n, &stride)) = self.shape.get(axis).zip(self.strides.get(axis)) else {
            out[0].copy_from_slice(&self.data[offset * N..][..N]);
            return;
        };
        if axis + 1 == self.shape.len() {
            let bytes = &self.data[offset * N..];
            if stride == 1 {
                out.as_flattened_mut().copy_from_slice(&bytes[..n * N]);
            } else {
                for (i, value) in out.iter_mut().enumerate() {
                    value.copy_from_slice(&bytes[i * stride * N..][..N]);
                }
            }
            return;
        }
        for (i, part) in out.chunks_exact_mut(out.len() / n).enumerate() {
            self.copy_axis(axis + 1, offset + i * stride, part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn transposed_and_broadcast_arrays_are_copied_by_index() {
        let data: Vec<u8> = (0..6).collect();
        let mut out = [0; 6];
        Strided { data: &data, shape: &[3, 2], strides: &[1, 3] }.copy_to(1, &mut out).unwrap();
        assert_eq!(out, [0, 3, 1, 4, 2, 5]);
        Strided { data: &data, shape: &[2, 3], strides: &[0, 2] }.copy_to(1, &mut out).unwrap();
        assert_eq!(out, [0, 2, 4, 0, 2, 4]);
        assert!(Strided { data: &data, shape: &[2, 3], strides: &[3, 2] }.copy_to(1, &mut out).is_err());
    }

    proptest! {
        #[test]
        fn any_permutation_of_axes(shape in prop::array::uniform3(1usize..5), order in Just([0usize, 1, 2]).prop_shuffle()) {
            let count: usize = shape.iter().product();
            let data: Vec<u8> = (0..count as u16).flat_map(u16::to_ne_bytes).collect();
            let natural = [shape[1] * shape[2], shape[2], 1];
            let (shape, strides) = (order.map(|a| shape[a]), order.map(|a| natural[a]));
            let mut out = vec![0; data.len()];
            Strided { data: &data, shape: &shape, strides: &strides }.copy_to(2, &mut out).unwrap();
            let mut i = 0;
            for x in 0..shape[0] { for y in 0..shape[1] { for z in 0..shape[2] {
                let expected = (x * strides[0] + y * strides[1] + z * strides[2]) as u16;
                prop_assert_eq!(u16::from_ne_bytes([out[2 * i], out[2 * i + 1]]), expected);
                i += 1;
            }}}
        }
    }
}
