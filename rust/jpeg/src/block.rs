//! One block of a sequential scan: the innermost loop of the decoder (ITU-T T.81, F.2.2).
//!
//! A window of at least 56 bits is filled, and then up to four steps are taken from it without another look at memory:
//! a step is one look-up of 11 bits, which yields one or two whole coefficients, or the end of the block. The few codes
//! that need more bits load a window of their own. So there is one load for about eight symbols, and the only branch
//! that is hard to foresee is the end of the block.
//!
//! Coefficients go to their natural places in a block of zeros. A step always writes two: where it has but one, the
//! second is a zero, written first and to the same place; where the block has ended, the place is that of the DC
//! coefficient, which is written last.

use crate::{
    bits::Bits,
    huffman::{Ac, Dc, LOOKUP, Step, extend},
    zigzag::NATURAL,
};

/// Coefficients of 8 x 8 samples in natural order: rows of increasing vertical frequency.
pub(crate) type Block = [i16; 64];

/// Decodes a block: adds the difference to `prediction` and, if `STORE`, writes all coefficients to the zeroed `block`.
///
/// Returns the zigzag index of the last coefficient that may be other than zero.
#[inline(always)]
pub(crate) fn decode<const STORE: bool>(
    bits: &mut Bits<'_>,
    dc: &Dc,
    ac: &Ac,
    prediction: &mut i32,
    block: &mut Block,
) -> u8 {
    bits.fill();
    let entry = dc.fast[(bits.window() >> (64 - LOOKUP)) as usize];
    let difference = if entry & 15 != 0 {
        bits.skip(entry as u32 & 15);
        entry >> 16
    } else {
        let (length, difference, bad) = long_dc(bits.window(), dc);
        bits.warnings += u32::from(bad);
        bits.skip(length);
        bits.fill();
        difference
    };
    *prediction = prediction.wrapping_add(difference);

    // The zigzag index of the next coefficient, 1 to 63 while in the loop.
    let mut k = 1;
    let last = 'block: loop {
        // 56 bits, less 11 for the DC coefficient the first time.
        for _ in 0..4 {
            let step = ac.fast[(bits.window() >> (64 - LOOKUP)) as usize];
            let next = k + step.advance();
            if STORE {
                block[usize::from(NATURAL[(next - 1) & 255]) & 63] = step.second();
                block[usize::from(NATURAL[(k + step.run()) & 255]) & 63] = step.first();
            }
            if next > 63 {
                // The end of the block, one way or another.
                if step.advance() == Step::LONG {
                    bits.fill();
                    let window = bits.window();
                    let (mut run, (mut length, mut size)) = (step.run(), step.sizes());
                    if length == 0 {
                        let symbol;
                        (length, symbol) = ac.codes.decode_long(window);
                        (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
                    }
                    bits.skip(length + size);
                    if size > 0 {
                        // An index beyond the block, in damaged files, means the last coefficient (libjpeg's
                        // `jpeg_natural_order` has extra entries for that).
                        if STORE {
                            let value = extend(window << length, size) as i16;
                            block[usize::from(NATURAL[(k + run).min(63)]) & 63] = value;
                        }
                        k += run + 1;
                    } else if run == 15 {
                        k += 16;
                    } else {
                        bits.warnings += u32::from(length > 16);
                        break 'block k - 1;
                    }
                    if k > 63 {
                        break 'block 63;
                    }
                    break;
                }
                if next > Step::END && k + step.run() < 63 {
                    bits.skip(step.bits());
                    break 'block next - Step::END - 1;
                }
                bits.skip(end_without_mark::<STORE>(bits.window(), ac, step, k, block));
                break 'block 63;
            }
            k = next;
            bits.skip(step.bits());
        }
        bits.fill();
    };
    if STORE {
        block[0] = *prediction as i16;
    }
    last as u8
}

/// A DC difference whose code and value do not fit in one look-up: their bits, the value, and
/// whether there is no such code.
///
/// Like its sister it is given a copy of the window, not the position: that stays in registers.
#[cold]
fn long_dc(window: u64, dc: &Dc) -> (u32, i32, bool) {
    let (length, size) = dc.codes.decode(window);
    let value = if size == 0 { 0 } else { extend(window << length, size.into()) };
    (length + u32::from(size), value, length > 16)
}

/// A step that fills the block to its last coefficient, or beyond in damaged files. Returns how many bits it takes.
#[cold]
fn end_without_mark<const STORE: bool>(window: u64, ac: &Ac, step: Step, k: usize, block: &mut Block) -> u32 {
    let first = k + step.run();
    let code = ac.codes.short[(window >> (64 - LOOKUP)) as usize];
    let (length, size) = (u32::from(code >> 8), u32::from(code & 15));
    if first >= 63 {
        // The first symbol ends it: what follows is not part of this block. Its place was taken for that of DC if it
        // is beyond the end.
        if STORE && size > 0 {
            block[63] = step.first();
        }
        return length + size;
    }
    if STORE && step.second() != 0 {
        block[63] = step.second();
    }
    step.bits()
}
