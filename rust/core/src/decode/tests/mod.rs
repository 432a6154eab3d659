//! Tests of the decode stage that need no Python. Exactness against Pillow itself is tested from Python.

mod jpeg;
mod limits;
mod png;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use jpeg_encoder::{ColorType, SamplingFactor};
use proptest::prelude::*;

use super::{
    DecodeRequest, DecodeScratch, Decoder, Fallback, FallbackLimits, Format, Header, Limits, Mode, RowIndexEntry,
    RowIndexes, Sink, sniff,
};
use crate::{
    Error, Result,
    image::{Rect, Size, Window},
};

/// Pixels with smooth parts and edges, so that every filter has something to do.
fn picture(size: Size, channels: usize) -> Vec<u8> {
    let value = |x: usize, y: usize, c: usize| (x * (3 + c) + y * y / (5 + c)) ^ ((x / 7 + y / 5) % 2 * 90);
    (0..size.height)
        .flat_map(|y| (0..size.width).flat_map(move |x| (0..channels).map(move |c| value(x, y, c) as u8)))
        .collect()
}

fn decode(bytes: &[u8], region: Option<Rect>) -> Result<Window> {
    let mut out = Window::default();
    decode_with(&Decoder::default(), &mut DecodeScratch::default(), bytes, region, &mut out)?;
    Ok(out)
}

fn decode_with(
    decoder: &Decoder,
    scratch: &mut DecodeScratch,
    bytes: &[u8],
    region: Option<Rect>,
    out: &mut Window,
) -> Result<()> {
    let header = decoder.header(bytes)?;
    let region = region.unwrap_or(Rect::all(header.size));
    decoder.decode(bytes, &header, &DecodeRequest::new(region), scratch, Sink::Window(out))?;
    assert_eq!((out.size, out.channels), (header.size, 3));
    assert!(out.rect.contains(&region), "{:?} in {:?}", region, out.rect);
    assert!(out.rect == region || !decoder.offer(&header).regions || decoder.fallback.is_some());
    assert_eq!(out.data.len(), out.rect.height * out.stride());
    Ok(())
}

/// The pixels of `rect` out of a larger window.
fn crop(window: &Window, rect: Rect) -> Vec<u8> {
    (rect.top..rect.bottom())
        .flat_map(|y| {
            let start = (y - window.rect.top) * window.stride() + (rect.left - window.rect.left) * 3;
            window.data[start..start + rect.width * 3].iter().copied()
        })
        .collect()
}

/// A region of an image of `size`, from four numbers in 0..1.
fn region(size: Size, [top, left, height, width]: [f64; 4]) -> Rect {
    let part = |whole: usize, fraction: f64| (whole as f64 * fraction) as usize;
    let (height, width) = (part(size.height, height).max(1), part(size.width, width).max(1));
    Rect { top: part(size.height - height + 1, top), left: part(size.width - width + 1, left), height, width }
}

/// A fallback that counts its calls and paints everything with 7.
#[derive(Default)]
struct Sevens {
    calls: AtomicUsize,
    channels: usize,
}

impl Fallback for Sevens {
    fn size(&self, _: &[u8]) -> Result<Size> {
        Ok(Size::new(2, 3))
    }

    fn decode(&self, _: &[u8], out: &mut Window) -> Result<()> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        let size = Size::new(2, 3);
        out.reset(size, Rect::all(size), self.channels);
        out.data.fill(7);
        Ok(())
    }
}

fn with_fallback(channels: usize) -> (Decoder, Arc<Sevens>) {
    let fallback = Arc::new(Sevens { channels, ..Sevens::default() });
    (Decoder { fallback: Some(fallback.clone()), ..Decoder::default() }, fallback)
}

#[test]
fn format_is_told_by_content() {
    assert_eq!(sniff(b"\xFF\xD8\xFF\xE0"), Some(Format::Jpeg));
    assert_eq!(sniff(b"\x89PNG\r\n\x1a\n...."), Some(Format::Png));
    for other in [&b""[..], b"\xFF\xD8", b"\x89PNG\r\n\x1a", b"GIF89a", b"RIFF....WEBP"] {
        assert_eq!(sniff(other), None);
    }
}

#[test]
fn other_formats_need_a_fallback() {
    let error = decode(b"GIF89a", None).unwrap_err();
    assert!(matches!(&error, Error::Format(message) if message.starts_with("neither a JPEG nor a ")), "{error}");
    assert!(matches!(decode(b"", None), Err(Error::Format(_))));
    let (decoder, fallback) = with_fallback(3);
    let (mut scratch, mut out) = (DecodeScratch::default(), Window::default());
    decode_with(&decoder, &mut scratch, b"GIF89a", None, &mut out).unwrap();
    assert_eq!((out.data.as_slice(), fallback.calls.load(Ordering::Relaxed)), (&[7; 18][..], 1));
}

#[test]
fn fallback_must_keep_to_its_own_size() {
    let (decoder, _) = with_fallback(1);
    let error =
        decode_with(&decoder, &mut DecodeScratch::default(), b"GIF89a", None, &mut Window::default()).unwrap_err();
    assert!(matches!(error, Error::Shape(_)), "{error}");
}

#[test]
fn limits_hold_for_the_fallback_too() {
    let (mut decoder, fallback) = with_fallback(3);
    decoder.limits = Limits::pixels(5);
    let error = decoder.header(b"GIF89a").unwrap_err();
    assert!(matches!(error, Error::Limit(_)), "{error}");
    assert_eq!(fallback.calls.load(Ordering::Relaxed), 0);
}

#[test]
fn regions_outside_the_image_are_refused() {
    let bytes = png::gray(Size::new(4, 5));
    let rect = |top, left, height, width| Rect { top, left, height, width };
    for bad in [rect(0, 0, 0, 1), rect(0, 0, 1, 0), rect(4, 0, 1, 1), rect(0, 4, 1, 2), rect(usize::MAX, 0, 2, 1)] {
        assert!(matches!(decode(&bytes, Some(bad)), Err(Error::Parameter(_))), "{bad:?}");
    }
    assert!(decode(&bytes, Some(rect(3, 4, 1, 1))).is_ok());
}

/// The window that `decoder` makes of `bytes` in `mode`.
fn in_mode(decoder: &Decoder, bytes: &[u8], mode: Mode, region: Option<Rect>) -> Result<Window> {
    let header = decoder.header(bytes)?;
    let request = DecodeRequest { mode, ..DecodeRequest::new(region.unwrap_or(Rect::all(header.size))) };
    let mut out = Window::default();
    decoder.decode(bytes, &header, &request, &mut DecodeScratch::default(), Sink::Window(&mut out))?;
    Ok(out)
}

#[test]
fn gray_of_the_fallback_is_the_luma_of_its_pixels() {
    let (decoder, _) = with_fallback(3);
    let gray = in_mode(&decoder, b"GIF89a", Mode::Gray, None).unwrap();
    assert_eq!((gray.channels, gray.data.as_slice()), (1, &[7; 6][..]));
    assert!(matches!(in_mode(&decoder, b"GIF89a", Mode::Index, None), Err(Error::Parameter(_))));
}

proptest! {
    #[test]
    fn garbage_is_an_error(start in 0..3_usize, rest in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut bytes = [&b"\xFF\xD8\xFF"[..], b"\x89PNG\r\n\x1a\n", b""][start].to_vec();
        bytes.extend(rest);
        let error = decode(&bytes, None).unwrap_err();
        prop_assert!(matches!(error, Error::Format(_) | Error::Limit(_)), "{}", error);
    }
}

/// A fallback that knows a size, counts who asks for it, and refuses to decode.
struct Asked {
    size: Size,
    times: AtomicUsize,
    verdict: fn() -> Result<()>,
}

impl Fallback for Asked {
    fn size(&self, _: &[u8]) -> Result<Size> {
        self.times.fetch_add(1, Ordering::Relaxed);
        (self.verdict)().map(|()| self.size)
    }

    fn decode(&self, _: &[u8], _: &mut Window) -> Result<()> {
        Err(Error::Format("not decoded natively".to_owned()))
    }
}

/// What comes of the header of a file that a fallback is asked about, how often it is, and whether pixels are native.
fn asked(
    bytes: &[u8],
    size: Size,
    limits: (Limits, FallbackLimits),
    verdict: fn() -> Result<()>,
) -> (Result<Header>, usize, bool) {
    let fallback = Arc::new(Asked { size, times: AtomicUsize::new(0), verdict });
    let (limits, fallback_limits) = limits;
    let decoder = Decoder { limits, fallback_limits, fallback: Some(fallback.clone()), ..Decoder::default() };
    let header = decoder.header(bytes);
    let times = fallback.times.load(Ordering::Relaxed);
    let decode = |header: &Header| {
        let (all, mut out) = (DecodeRequest::new(Rect::all(header.size)), Window::default());
        decoder.decode(bytes, header, &all, &mut DecodeScratch::default(), Sink::Window(&mut out))
    };
    let native = header.as_ref().is_ok_and(|header| decode(header).is_ok());
    (header, times, native)
}

fn refused() -> Result<()> {
    Err(Error::Refused { reason: "no".to_owned(), source: "it says no".into() })
}

#[test]
fn the_fallback_is_asked_about_more_pixels_than_it_allows() {
    let size = Size::new(4, 5);
    for bytes in [png::gray(size), jpeg::encode(size, SamplingFactor::F_1_1, ColorType::Luma, |_| {})] {
        let above = |pixels| (Limits::default(), FallbackLimits { pixels, ..FallbackLimits::default() });
        for (pixels, times) in [(20, 0), (19, 1)] {
            let (header, asked, native) = asked(&bytes, size, above(pixels), || Ok(()));
            assert_eq!((header.unwrap().size, asked, native), (size, times, true));
        }
        let (header, ..) = asked(&bytes, size, above(19), refused);
        assert!(matches!(header, Err(Error::Refused { reason, .. }) if reason == "no"));
        // Another size than ours: then it decodes.
        let (header, _, native) = asked(&bytes, Size::new(5, 4), above(19), || Ok(()));
        assert_eq!((header.unwrap().size, native), (Size::new(5, 4), false));
        // A limit of ours tells the size, and keeps what the fallback says of it, if that is to be asked.
        let less = |pixels| (Limits { max_pixels: 19, ..Limits::default() }, above(pixels).1);
        let (header, times, _) = asked(&bytes, size, less(19), refused);
        assert!(matches!(header, Err(Error::Refused { reason, .. }) if reason.contains("5 x 4 pixels")) && times == 1);
        let (header, times, _) = asked(&bytes, size, less(u64::MAX), refused);
        assert!(matches!(header, Err(Error::Limit(_))) && times == 0);
    }
}

#[test]
fn files_too_short_for_their_pixels_are_the_fallback_s() {
    let size = Size::new(60_000, 50_000);
    let limits = || (Limits::pixels(u64::MAX), FallbackLimits::default());
    let short = png::png(size, 8, 2, false, b"", &[0, 1, 2, 3]);
    let (header, times, native) = asked(&short, size, limits(), || Ok(()));
    assert_eq!((header.unwrap().format(), times, native), (None, 1, false));
}
