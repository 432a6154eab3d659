//! Every build of the resampling kernels against the sums written out.

use proptest::prelude::*;

use super::*;
use crate::image::{Rect, Size};

proptest! {
    /// One body for all instruction sets: what each build makes of a row, against the sum written out.
    #[test]
    fn rows_are_sums(
        input in 1usize..100,
        output in 1usize..100,
        rows in 1usize..10,
        gap in 0usize..9,
        taps in 1usize..20,
        exact in prop::collection::vec(0.2f64..1.0, 200),
        bytes in prop::collection::vec(any::<u8>(), 3200),
    ) {
        let mut table = Coefficients::default();
        // Some negative weights, as the wider filters have, but far from a sum of zero.
        let exact: Vec<f64> = exact.iter().enumerate().map(|(i, w)| if i % 4 == 3 { -w / 5.0 } else { *w }).collect();
        table.clear(output, taps).unwrap();
        for x in 0..output {
            let first = x * input / output;
            table.push(first, &exact[x / 4 * 4..][..taps.min(input - first)]);
        }
        let builds = Kernels::all().map(|kernels| [(1, kernels.resample_rows_gray), (3, kernels.resample_rows_rgb)]);
        for (channels, build) in builds.flatten() {
            let (stride, out_stride) = (input * channels + gap, output * channels);
            // The last row ends where its pixels end, as in a part of a wider image.
            let end = rows * stride - gap;
            let mut out = vec![0; rows * out_stride];
            build(&bytes[..end], stride, &table, &mut out, out_stride);
            for (i, &got) in out.iter().enumerate() {
                let (row, x, c) = (&bytes[i / out_stride * stride..], i % out_stride / channels, i % channels);
                let first = table.bounds[x].0;
                let terms = table.weights(x).iter().enumerate();
                let sum: i64 = terms.map(|(k, &w)| i64::from(w) * i64::from(row[(first + k) * channels + c])).sum();
                prop_assert_eq!(got, ((sum + (1 << 21)) >> 22).clamp(0, 255) as u8);
            }
        }
    }

    /// The same for a column: of many rows too, and of weights with more digits than those of a resize have.
    #[test]
    fn columns_are_sums(
        width in 1usize..200,
        gap in 0usize..9,
        taps in prop_oneof![1usize..12, 120..140usize],
        scale in prop_oneof![Just(1 << 22), Just(1 << 23), Just(1 << 24)],
        exact in prop::collection::vec(-1.0f64..1.0, 140),
        bytes in prop::collection::vec(any::<u8>(), 4000),
    ) {
        // Whatever the rows hold, the sum wraps, as in Pillow.
        let rows: Vec<u8> = bytes.into_iter().cycle().take(taps * (width + gap) - gap).collect();
        let weights: Vec<i32> = exact[..taps].iter().map(|&weight| (weight * f64::from(scale)) as i32).collect();
        for kernels in Kernels::all() {
            let mut out = vec![0; width];
            (kernels.resample_column)(&rows, width + gap, &weights, &mut out);
            for (x, &got) in out.iter().enumerate() {
                let bytes = (0..taps).map(|i| i32::from(rows[i * (width + gap) + x]));
                let sum = bytes.zip(&weights).fold(1_i32 << 21, |sum, (byte, weight)| sum.wrapping_add(byte.wrapping_mul(*weight)));
                prop_assert_eq!(got, (sum >> 22).clamp(0, 255) as u8);
            }
        }
    }

    /// Every build filters pixels as the portable body does.
    #[test]
    fn pixels_are_filtered_alike(
        size in (1usize..12, 1usize..12).prop_map(|(height, width)| Size::new(height, width)),
        bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(255)], 432),
        places in prop::collection::vec((place(), place()), 0..20),
        fill: [u8; 3],
    ) {
        let (x, y): (Vec<_>, Vec<_>) = places.into_iter().unzip();
        let portable = Kernels::portable();
        let pick = |kernels: &Kernels| [
            (3, kernels.bilinear_rgb), (1, kernels.bilinear_gray), (3, kernels.bicubic_rgb), (1, kernels.bicubic_gray),
        ];
        for kernels in Kernels::all() {
            for ((channels, build), (_, expected)) in pick(&kernels).into_iter().zip(pick(&portable)) {
                let data = &bytes[..size.height * size.width * channels];
                let source = Source { data, rect: Rect::all(size), size };
                let (mut found, mut wanted) = (vec![0; x.len() * channels], vec![0; x.len() * channels]);
                build(&source, &x, &y, fill, &mut found);
                expected(&source, &x, &y, fill, &mut wanted);
                prop_assert_eq!(found, wanted);
            }
        }
    }

    /// Every build finds the nearest pixels that the portable body does, up to the last of the image.
    #[test]
    fn pixels_are_found_alike(
        (height, width) in (1usize..12, 1usize..40),
        ends in prop::array::uniform4(0.0f64..1.0),
        count in 0usize..100,
        bytes in prop::collection::vec(any::<u8>(), 3 * 12 * 40),
    ) {
        let inside = |share: f64, len: usize| ((share * (len << 16) as f64) as i64).min((len as i64) << 16).max(0);
        let from = [inside(ends[0], width), inside(ends[1], height)];
        // The last place is inside, too; often it is the last pixel.
        let to = [inside((ends[2] * 1.5).min(1.0), width), inside((ends[3] * 1.5).min(1.0), height)].map(|to| (to - 1).max(0));
        let step = [0, 1].map(|i: usize| (to[i] - from[i]) / count.max(1) as i64);
        let data = &bytes[..height * width * 3];
        let run = |kernels: Kernels| {
            let mut out = vec![7; count * 3];
            (kernels.nearest_steps_rgb)(data, width, from, step, &mut out);
            out
        };
        for kernels in Kernels::all() {
            prop_assert_eq!(run(kernels), run(Kernels::portable()));
        }
    }
}

/// A place in or beside an image, often at a pixel or between two.
fn place() -> impl Strategy<Value = f64> {
    prop_oneof![-1.0f64..13.0, 2.0f64..6.0, (-4i32..50).prop_map(|at| f64::from(at) / 4.0), Just(f64::NAN), Just(1e300)]
}

/// Every colour, with every build, is what the functions of one pixel make of it.
#[test]
fn colours_are_those_of_one_pixel() {
    use crate::color;
    // A row for each red; a part of the greens in turn. The last block is not full.
    let rows = (0..=255_u8).map(|red| {
        let greens = (red % 4..=255).step_by(4);
        greens.flat_map(|green| (0..=255_u8).flat_map(move |blue| [red, green, blue])).skip(3).collect::<Vec<u8>>()
    });
    let (turn, factor) = (77, 1.7);
    for row in rows {
        let by_pixel = |function: &dyn Fn([u8; 3]) -> [u8; 3]| -> Vec<u8> {
            row.as_chunks().0.iter().flat_map(|&pixel| function(pixel)).collect()
        };
        let gray = by_pixel(&|pixel| [color::lightness(pixel); 3]);
        let saturated = by_pixel(&|pixel| pixel.map(|byte| color::blend(color::lightness(pixel), byte, factor)));
        let turned = by_pixel(&|pixel| {
            let [hue, saturation, value] = color::to_hsv(pixel);
            color::from_hsv([hue.wrapping_add(turn), saturation, value])
        });
        let sum = gray.iter().step_by(3).map(|&byte| u64::from(byte)).sum::<u64>();
        for kernels in Kernels::all() {
            let made = |kernel: &dyn Fn(&mut [u8])| {
                let mut out = vec![0; row.len()];
                kernel(&mut out);
                out
            };
            assert!(made(&|out| (kernels.gray)(&row, out)) == gray);
            assert!(made(&|out| (kernels.saturate)(&row, factor, out)) == saturated);
            assert!(made(&|out| (kernels.turn_hue)(&row, turn, out)) == turned);
            let mut summed = 5;
            (kernels.sum_lightness)(&row, &mut summed);
            assert_eq!(summed, sum + 5);
        }
    }
}

proptest! {
    /// Every build sums and rounds as the portable body does.
    #[test]
    fn weighted_lines_and_their_bytes_are_those_of_the_portable_body(
        weights in prop::collection::vec(0.0f32..0.2, 1..9),
        bytes in prop::collection::vec(any::<u8>(), 200),
        len in 0usize..150,
        tolerance in 0.0f32..0.1,
    ) {
        let numbers: Vec<f32> = bytes.iter().map(|&byte| f32::from(byte)).collect();
        let starts: Vec<usize> = (0..weights.len()).map(|at| at * 5 % 48).collect();
        let total: f32 = weights.iter().sum::<f32>().max(1.0);
        let weights: Vec<f32> = weights.iter().map(|weight| weight / total).collect();
        let mut expected = None;
        for kernels in Kernels::all() {
            let (mut sums, mut out, mut near) = (vec![7.0; len], vec![7; len], true);
            (kernels.weigh_lines)(&weights, &numbers, &starts, &mut sums);
            (kernels.round_bytes)(&sums, tolerance, &mut out, &mut near);
            for (i, (&sum, &byte)) in sums.iter().zip(&out).enumerate() {
                let terms = weights.iter().zip(&starts);
                let exact: f64 = terms.map(|(&w, start)| f64::from(w) * f64::from(numbers[start + i])).sum();
                prop_assert!((f64::from(sum) - exact).abs() < 1e-3);
                prop_assert_eq!(byte, sum.round_ties_even() as u8);
            }
            prop_assert_eq!(near, sums.iter().any(|sum| (sum - sum.round_ties_even()).abs() > 0.5 - tolerance));
            let made = (sums, out, near);
            prop_assert_eq!(expected.get_or_insert_with(|| made.clone()), &made);
        }
    }
}
