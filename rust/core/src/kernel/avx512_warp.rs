//! Kernels of [`super::warp`] for AVX-512 with DQ, VBMI and VNNI.
//!
//! # Filters of RGB pixels
//!
//! Eight places are done together, each with 64 bits of a register. A row of the pixels around a place is gathered, and
//! a permutation takes the bytes of one channel. The arithmetic is that of the portable body, in the same order. Places near
//! the edges are left to the portable body one by one.
//!
//! A cubic has four coefficients, each a sum of pixels times -2 to 2: `vpdpbusd` makes them. Its sums have 32 bits. They
//! begin with 4096, below 32 bits that make the whole the double `2^52 + 4096`. So a sum is a double once that is
//! subtracted.
//!
//! # Nearest pixels
//!
//! Sixteen of them are gathered, four bytes of each, and a permutation takes three of the four.

use std::arch::x86_64::{
    __m256i, __m512d, __m512i, _CMP_GE_OQ, _CMP_LE_OQ, _mm_unpacklo_epi64, _mm256_castsi128_si256,
    _mm256_cvtusepi32_epi8, _mm256_loadu_si256, _mm256_mask_storeu_epi8, _mm256_max_epi32, _mm256_permutex2var_epi8,
    _mm256_setzero_si256, _mm512_add_epi32, _mm512_add_pd, _mm512_castsi512_pd, _mm512_cmp_pd_mask,
    _mm512_cmple_epu32_mask, _mm512_cvtepi64_pd, _mm512_cvttpd_epi32, _mm512_dpbusd_epi32, _mm512_i32gather_epi32,
    _mm512_loadu_pd, _mm512_mask_i32gather_epi64, _mm512_mask_storeu_epi8, _mm512_maskz_cvttpd_epi32, _mm512_mul_pd,
    _mm512_mullo_epi32, _mm512_permutex2var_epi8, _mm512_permutexvar_epi8, _mm512_roundscale_pd, _mm512_set1_epi32,
    _mm512_set1_epi64, _mm512_set1_pd, _mm512_setr_epi32, _mm512_setzero_pd, _mm512_setzero_si512, _mm512_shuffle_epi8,
    _mm512_srai_epi32, _mm512_sub_epi64, _mm512_sub_pd,
};

use super::{
    avx512_rows::load,
    warp::{self, Source},
};

/// Places that are filtered together.
const PLACES: usize = 8;

/// What is gathered at once.
const GATHERED: usize = 8;

/// [`warp::bilinear`] of RGB pixels.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")]
pub(super) fn bilinear_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<2, 8>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let places = middle.find(x, y);
        if places.inside != 0 {
            let rows = [places.gather::<0>(0), places.gather::<0>(1)];
            *out = join([0, 1, 2].map(|channel: usize| {
                let [above, below] = rows.map(|row| {
                    let first = _mm512_shuffle_epi8(row, load(&BYTES_OF[channel]));
                    let second = _mm512_shuffle_epi8(row, load(&BYTES_OF[channel + 3]));
                    let difference = _mm512_cvtepi64_pd(_mm512_sub_epi64(second, first));
                    linear(_mm512_cvtepi64_pd(first), difference, places.dx)
                });
                _mm512_cvttpd_epi32(linear(above, _mm512_sub_pd(below, above), places.dy))
            }));
        }
        places.others(|i| warp::bilinear::<3>(source, &x[i..=i], &y[i..=i], fill, &mut out[i * 3..]));
    }
    warp::bilinear::<3>(source, x, y, fill, out);
}

/// [`warp::bicubic`] of RGB pixels.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,avx512vnni")]
pub(super) fn bicubic_rgb(source: &Source<'_>, x: &[f64], y: &[f64], fill: [u8; 3], out: &mut [u8]) {
    let middle = Middle::<4, 12>::new(source);
    let ((xs, x), (ys, y), (outs, out)) = (x.as_chunks(), y.as_chunks(), out.as_chunks_mut());
    for ((x, y), out) in xs.iter().zip(ys).zip(outs) {
        let places = middle.find(x, y);
        if places.inside != 0 {
            let rows = [0, 1, 2, 3].map(|row: usize| [places.gather::<0>(row), places.gather::<4>(row)]);
            *out = join([0, 1, 2].map(|channel: usize| {
                let order = load(&FOUR_BYTES_OF[channel]);
                let rows = rows.map(|[begin, end]| cubic_bytes(_mm512_permutex2var_epi8(begin, order, end), places.dx));
                _mm512_cvttpd_epi32(cubic_doubles(rows, places.dy))
            }));
        }
        places.others(|i| warp::bicubic::<3>(source, &x[i..=i], &y[i..=i], fill, &mut out[i * 3..]));
    }
    warp::bicubic::<3>(source, x, y, fill, out);
}

/// `a + difference * d`.
#[inline]
#[target_feature(enable = "avx512f")]
fn linear(a: __m512d, difference: __m512d, d: __m512d) -> __m512d {
    _mm512_add_pd(a, _mm512_mul_pd(difference, d))
}

/// Four bytes of each 64 bits, filtered.
#[inline]
#[target_feature(enable = "avx512f,avx512vnni")]
fn cubic_bytes(bytes: __m512i, d: __m512d) -> __m512d {
    const BIAS: i64 = 4096;
    let (start, bias) = (_mm512_set1_epi64(0x4330 << 48 | BIAS), _mm512_set1_pd((1_i64 << 52 | BIAS) as f64));
    let sum = |factors: [i8; 4]| {
        let factors = u32::from_le_bytes(factors.map(|factor| factor as u8));
        let sum = _mm512_dpbusd_epi32(start, bytes, _mm512_set1_epi64(i64::from(factors)));
        _mm512_sub_pd(_mm512_castsi512_pd(sum), bias)
    };
    cubic(sum([0, 1, 0, 0]), sum([-1, 0, 1, 0]), sum([2, -2, 1, -1]), sum([-1, 1, -1, 1]), d)
}

/// Four filtered rows, filtered.
#[inline]
#[target_feature(enable = "avx512f")]
fn cubic_doubles([v1, v2, v3, v4]: [__m512d; 4], d: __m512d) -> __m512d {
    let v12 = _mm512_sub_pd(v1, v2);
    let p2 = _mm512_sub_pd(v3, v1);
    let p3 = _mm512_sub_pd(_mm512_add_pd(_mm512_add_pd(v12, v12), v3), v4);
    let p4 = _mm512_add_pd(_mm512_sub_pd(_mm512_sub_pd(v2, v1), v3), v4);
    cubic(v2, p2, p3, p4, d)
}

/// `v2 + d * (p2 + d * (p3 + d * p4))`.
#[inline]
#[target_feature(enable = "avx512f")]
fn cubic(v2: __m512d, p2: __m512d, p3: __m512d, p4: __m512d, d: __m512d) -> __m512d {
    linear(v2, linear(p2, linear(p3, p4, d), d), d)
}

/// Where a source has all `N` x `N` pixels around a place, and `LOAD` bytes from the first of each row on.
struct Middle<'a, const N: usize, const LOAD: usize> {
    data: &'a [u8],
    stride: usize,
    /// The last first column and row.
    last: [__m512d; 2],
    /// The first column and row that are in memory.
    corner: [__m512d; 2],
    /// The last byte from which the rows are in memory.
    end: __m512d,
}

/// Places, some of them in the middle.
struct Places<'a> {
    data: &'a [u8],
    stride: usize,
    /// Which are in the middle.
    inside: u8,
    /// Where the pixels around each place that is inside begin. The rows of all of them are in `data`.
    at: __m256i,
    /// How far each place is behind the middle pixel.
    dx: __m512d,
    dy: __m512d,
}

impl<'a, const N: usize, const LOAD: usize> Middle<'a, N, LOAD> {
    #[target_feature(enable = "avx512f")]
    fn new(source: &Source<'a>) -> Self {
        let (data, rect, stride) = (source.data, source.rect, source.rect.width * 3);
        let number = |value: usize| _mm512_set1_pd(value as f64);
        let last = |len: usize| _mm512_set1_pd(len as f64 - N as f64);
        let end = (data.len() as f64 - ((N - 1) * stride + LOAD) as f64).min(f64::from(i32::MAX));
        Self {
            data,
            stride,
            last: [last(source.size.width), last(source.size.height)],
            corner: [number(rect.left), number(rect.top)],
            end: _mm512_set1_pd(end),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    fn find(&self, x: &[f64; PLACES], y: &[f64; PLACES]) -> Places<'a> {
        const FLOOR: i32 = 0x09;
        let half = _mm512_set1_pd(0.5);
        let (x, y) = (_mm512_sub_pd(load_doubles(x), half), _mm512_sub_pd(load_doubles(y), half));
        let (floor_x, floor_y) = (_mm512_roundscale_pd::<FLOOR>(x), _mm512_roundscale_pd::<FLOOR>(y));
        let before = _mm512_set1_pd((N / 2 - 1) as f64);
        let (left, top) = (_mm512_sub_pd(floor_x, before), _mm512_sub_pd(floor_y, before));
        let (column, row) = (_mm512_sub_pd(left, self.corner[0]), _mm512_sub_pd(top, self.corner[1]));
        // Whole numbers below 2^53, or not in the middle.
        let at = _mm512_add_pd(
            _mm512_mul_pd(row, _mm512_set1_pd(self.stride as f64)),
            _mm512_mul_pd(column, _mm512_set1_pd(3.0)),
        );
        // Comparisons are false where a place is not a number.
        let within = |value, high| {
            _mm512_cmp_pd_mask::<_CMP_GE_OQ>(value, _mm512_setzero_pd()) & _mm512_cmp_pd_mask::<_CMP_LE_OQ>(value, high)
        };
        let inside = within(left, self.last[0]) & within(top, self.last[1]) & within(column, self.last[0]);
        let inside = inside & within(at, self.end);
        Places {
            data: self.data,
            stride: self.stride,
            inside,
            at: _mm512_maskz_cvttpd_epi32(inside, at),
            dx: _mm512_sub_pd(x, floor_x),
            dy: _mm512_sub_pd(y, floor_y),
        }
    }
}

impl Places<'_> {
    /// Eight bytes of a row around each place that is inside, from byte `FROM` of the row on.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn gather<const FROM: usize>(&self, row: usize) -> __m512i {
        let start = self.data.as_ptr().wrapping_add(row * self.stride + FROM);
        // SAFETY: only what is inside is read, and `Middle::find` made sure that the rows lie in the data, with at least
        // FROM + GATHERED bytes each; offsets are from 0 to i32::MAX.
        unsafe { _mm512_mask_i32gather_epi64::<1>(_mm512_setzero_si512(), self.inside, self.at, start.cast()) }
    }

    /// Calls `filter` for each place that is not inside.
    #[inline]
    fn others(&self, mut filter: impl FnMut(usize)) {
        let mut others = !self.inside;
        while others != 0 {
            filter(others.trailing_zeros() as usize);
            others &= others - 1;
        }
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn load_doubles(values: &[f64; PLACES]) -> __m512d {
    // SAFETY: the reference is to eight readable doubles, and the load needs no alignment.
    unsafe { _mm512_loadu_pd(values.as_ptr()) }
}

/// For each of the first six bytes of 64 bits: that byte, and seven zeros. A shuffle counts within 128 bits.
const BYTES_OF: [[u8; 64]; 6] = {
    const ZERO: u8 = 128;
    let mut orders = [[ZERO; 64]; 6];
    let mut i = 0;
    while i < 6 * PLACES {
        let (byte, place) = (i / PLACES, i % PLACES);
        orders[byte][place * GATHERED] = (place % 2 * GATHERED + byte) as u8;
        i += 1;
    }
    orders
};

/// Pixels from their channels, cut at 0 and 255.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn join(channels: [__m256i; 3]) -> [u8; 3 * PLACES] {
    let [red, green, blue] =
        channels.map(|channel| _mm256_cvtusepi32_epi8(_mm256_max_epi32(channel, _mm256_setzero_si256())));
    let (red_green, blue) = (_mm256_castsi128_si256(_mm_unpacklo_epi64(red, green)), _mm256_castsi128_si256(blue));
    // SAFETY: the reference is to 32 readable bytes, and the load needs no alignment.
    let order = unsafe { _mm256_loadu_si256(JOINED.as_ptr().cast()) };
    let pixels = _mm256_permutex2var_epi8(red_green, order, blue);
    let mut out = [0; 3 * PLACES];
    // SAFETY: the mask is for the bytes of `out`.
    unsafe { _mm256_mask_storeu_epi8(out.as_mut_ptr().cast(), (1 << (3 * PLACES)) - 1, pixels) };
    out
}

/// Red is in the first eight bytes, green in the next, and blue in the second register, which begins with number 32.
const JOINED: [u8; 32] = {
    let mut order = [0; 32];
    let mut i = 0;
    while i < 3 * PLACES {
        order[i] = ([0, 8, 32][i % 3] + i / 3) as u8;
        i += 1;
    }
    order
};

/// For each channel: its bytes of four pixels, at the beginning of 64 bits. Of the twelve bytes of a row, eight are in the
/// first register and the last eight in the second, which begins with number 64.
const FOUR_BYTES_OF: [[u8; 64]; 3] = {
    let mut orders = [[0; 64]; 3];
    let mut i = 0;
    while i < 3 * PLACES * 4 {
        let (channel, place, pixel) = (i / (PLACES * 4), i / 4 % PLACES, i % 4);
        let byte = pixel * 3 + channel;
        let from = place * GATHERED + if byte < GATHERED { byte } else { 64 + byte - 4 };
        orders[channel][place * GATHERED + pixel] = from as u8;
        i += 1;
    }
    orders
};

/// Pixels that are gathered together, and their bytes.
const PIXELS: usize = 16;
const BYTES: usize = 3 * PIXELS;

/// See [`super::NearestSteps`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
pub(super) fn nearest_steps_rgb(data: &[u8], width: usize, at: [i64; 2], step: [i64; 2], out: &mut [u8]) {
    let small = |value: i64| i32::try_from(value).ok();
    let numbers = [at[0], at[1], step[0] * PIXELS as i64, step[1] * PIXELS as i64, 3 * width as i64, data.len() as i64];
    let [Some(x), Some(y), Some(far_x), Some(far_y), Some(stride), Some(len @ 4..)] = numbers.map(small) else {
        return warp::nearest_steps::<3>(data, width, at, step, out);
    };
    let counts = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    let from = |start: i32, step: i64| {
        _mm512_add_epi32(_mm512_set1_epi32(start), _mm512_mullo_epi32(counts, _mm512_set1_epi32(step as i32)))
    };
    let (mut x, mut y) = (from(x, step[0]), from(y, step[1]));
    let (far_x, far_y) = (_mm512_set1_epi32(far_x), _mm512_set1_epi32(far_y));
    let (stride, three, last) = (_mm512_set1_epi32(stride), _mm512_set1_epi32(3), _mm512_set1_epi32(len - 4));
    let order = load(&THREE_OF_FOUR);
    let (blocks, rest) = out.as_chunks_mut::<BYTES>();
    let later = |pixel: usize| [0, 1].map(|i: usize| at[i] + step[i] * pixel as i64);
    let done = blocks.len() * PIXELS;
    for (i, out) in blocks.iter_mut().enumerate() {
        let (column, row) = (_mm512_srai_epi32::<16>(x), _mm512_srai_epi32::<16>(y));
        let offsets = _mm512_add_epi32(_mm512_mullo_epi32(row, stride), _mm512_mullo_epi32(column, three));
        if _mm512_cmple_epu32_mask(offsets, last) == u16::MAX {
            // SAFETY: four bytes of the data follow each offset, as was just seen; offsets are less than 2^31.
            let pixels = unsafe { _mm512_i32gather_epi32::<1>(offsets, data.as_ptr().cast()) };
            let packed = _mm512_permutexvar_epi8(order, pixels);
            // SAFETY: the mask is for the bytes of `out`.
            unsafe { _mm512_mask_storeu_epi8(out.as_mut_ptr().cast(), (1 << BYTES) - 1, packed) };
        } else {
            // The last pixel of the data has no fourth byte.
            warp::nearest_steps::<3>(data, width, later(i * PIXELS), step, out);
        }
        (x, y) = (_mm512_add_epi32(x, far_x), _mm512_add_epi32(y, far_y));
    }
    warp::nearest_steps::<3>(data, width, later(done), step, rest);
}

/// The first three of every four bytes.
const THREE_OF_FOUR: [u8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < BYTES {
        order[i] = (i / 3 * 4 + i % 3) as u8;
        i += 1;
    }
    order
};
