//! One body for every kernel: whatever the machine can run equals the scalar definition.

use proptest::prelude::*;

use super::Kernels;

/// Coefficients as files have them (few, small), or anything at all.
fn block() -> impl Strategy<Value = ([i16; 64], u8)> {
    let wild = prop::collection::vec(any::<i16>(), 64).prop_map(|values| (values, 63));
    let tame = (0..64_usize, prop::collection::vec(-300..300_i16, 64)).prop_map(|(last, values)| {
        let kept = values.iter().enumerate().map(|(index, &value)| if index <= last { value } else { 0 });
        (kept.collect(), last as u8)
    });
    prop_oneof![1 => wild, 4 => tame].prop_map(|(values, last)| {
        let mut block = [0; 64];
        for (&place, value) in crate::zigzag::NATURAL.iter().zip(values) {
            block[usize::from(place)] = value;
        }
        (block, last)
    })
}

proptest! {
    #[test]
    fn idct(blocks in prop::collection::vec(block(), 1..6), quant in prop::collection::vec(any::<u8>(), 64), wide in any::<bool>()) {
        let quant: [i16; 64] = std::array::from_fn(|index| i16::from(quant[index]) * if wide { 100 } else { 1 });
        let (blocks, last): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        let stride = blocks.len() * 8 + 3;
        let run = |kernels: Kernels| {
            let mut out = vec![7; stride * 8];
            (kernels.idct)(&blocks, &last, &quant, &mut out, stride);
            out
        };
        let expected = run(Kernels::portable());
        for kernels in Kernels::all() {
            prop_assert_eq!(&run(kernels), &expected);
        }
    }

    #[test]
    fn rgb(samples in prop::collection::vec(any::<[u8; 3]>(), 0..200)) {
        let planes: [Vec<u8>; 3] = std::array::from_fn(|index| samples.iter().map(|sample| sample[index]).collect());
        let run = |kernels: Kernels| {
            let mut out = vec![7; samples.len() * 3];
            (kernels.rgb)(&planes[0], &planes[1], &planes[2], &mut out);
            out
        };
        let expected = run(Kernels::portable());
        for kernels in Kernels::all() {
            prop_assert_eq!(&run(kernels), &expected);
        }
    }

    #[test]
    fn upsampling(near in prop::collection::vec(any::<u8>(), 3..150), far in prop::collection::vec(any::<u8>(), 150)) {
        let far = &far[..near.len()];
        let run = |kernels: Kernels| {
            let count = near.len();
            let mut sums = vec![0; count];
            let [mut a, mut b] = [vec![0; 2 * (count - 2)], vec![0; 2 * (count - 2)]];
            let mut c = vec![0; count];
            (kernels.blend)(&near, far, &mut sums);
            (kernels.widen_blended)(&sums, &mut a);
            (kernels.widen)(&near, &mut b);
            (kernels.deepen)(&near, far, 2, &mut c);
            (sums, a, b, c)
        };
        let expected = run(Kernels::portable());
        for kernels in Kernels::all() {
            prop_assert_eq!(&run(kernels), &expected);
        }
    }

    #[test]
    fn unstuff(bytes in prop::collection::vec(prop_oneof![6 => any::<u8>(), 1 => Just(0xFF_u8), 1 => Just(0)], 0..200)) {
        // The obvious loop.
        let (mut read, mut expected) = (0, Vec::new());
        while read < bytes.len() {
            let step = match bytes[read..] {
                [0xFF, 0, ..] => 2,
                [0xFF, ..] => break,
                _ => 1,
            };
            expected.push(bytes[read]);
            read += step;
        }
        for kernels in Kernels::all() {
            let mut to = vec![0; bytes.len() + 32];
            let (from, written) = kernels.unstuff(&bytes, &mut to);
            prop_assert_eq!((from, &to[..written]), (read, &expected[..]));
        }
    }
}

/// All values of cb and cr: the constants of the vector code are exact.
#[test]
fn all_colors() {
    let (portable, best) = (Kernels::portable(), Kernels::detect());
    let reds: Vec<u8> = (0..=255).collect();
    for luma in [0, 1, 100, 128, 254, 255] {
        for blue in 0..=255 {
            let (lumas, blues) = ([luma; 256], [blue; 256]);
            let [mut a, mut b] = [[0; 768]; 2];
            (portable.rgb)(&lumas, &blues, &reds, &mut a);
            (best.rgb)(&lumas, &blues, &reds, &mut b);
            assert_eq!(a, b, "luma {luma}, blue {blue}");
        }
    }
}
