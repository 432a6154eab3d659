//! Components to interleaved pixels (libjpeg, `jdcolor.c`).

use crate::{header::ColorSpace, kernel::Kernels};

/// Converts a row. The output is RGB, or CMYK for files of four components.
pub(crate) fn convert(kernels: &Kernels, color: ColorSpace, rows: [&[u8]; 4], out: &mut [u8]) {
    match color {
        ColorSpace::Gray => {
            for (pixel, &gray) in out.as_chunks_mut::<3>().0.iter_mut().zip(rows[0]) {
                *pixel = [gray; 3];
            }
        }
        ColorSpace::YCbCr => (kernels.rgb)(rows[0], rows[1], rows[2], out),
        ColorSpace::Rgb => {
            for (((pixel, &r), &g), &b) in out.as_chunks_mut::<3>().0.iter_mut().zip(rows[0]).zip(rows[1]).zip(rows[2])
            {
                *pixel = [r, g, b];
            }
        }
        ColorSpace::Cmyk => {
            let inks = rows[0].iter().zip(rows[1]).zip(rows[2]).zip(rows[3]);
            for (pixel, (((&c, &m), &y), &k)) in out.as_chunks_mut::<4>().0.iter_mut().zip(inks) {
                *pixel = [c, m, y, k];
            }
        }
        ColorSpace::Ycck => {
            // Cyan, magenta and yellow are what red, green and blue lack; black stays.
            let mut buffer = [0; 3 * 64];
            let mut start = 0;
            for (pixels, black) in out.chunks_mut(4 * 64).zip(rows[3].chunks(64)) {
                let end = start + black.len();
                let rgb = &mut buffer[..3 * black.len()];
                (kernels.rgb)(&rows[0][start..end], &rows[1][start..end], &rows[2][start..end], rgb);
                for ((pixel, rgb), &k) in
                    pixels.as_chunks_mut::<4>().0.iter_mut().zip(rgb.as_chunks::<3>().0).zip(black)
                {
                    *pixel = [255 - rgb[0], 255 - rgb[1], 255 - rgb[2], k];
                }
                start = end;
            }
        }
    }
}
