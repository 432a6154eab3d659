//! The header of a file: all segments before its first scan.

use std::{fmt, ops::Range};

use crate::{
    Budget, Error, Limits, Result, exif,
    marker::{self, Walk},
    scale::Scale,
};

/// libjpeg's `JPEG_MAX_DIMENSION`.
const MAX_DIMENSION: usize = 65_500;

/// How the samples of a file are to be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ColorSpace {
    /// One component.
    Gray,
    /// Luminance and two colour differences, as JFIF defines them.
    YCbCr,
    /// Red, green and blue as they are.
    Rgb,
    /// Four inks. Adobe's programs store them inverted.
    Cmyk,
    /// Three inks stored as YCbCr, and black.
    Ycck,
}

/// One component of the frame (ITU-T T.81, B.2.2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Component {
    /// The name that scans call it by.
    pub id: u8,
    /// Horizontal sampling factor, 1 to 4.
    pub h: u8,
    /// Vertical sampling factor, 1 to 4.
    pub v: u8,
    /// Number of its quantisation table.
    pub quant: u8,
}

/// The components of a frame: a slice of 1, 3 or 4.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Components {
    all: [Component; 4],
    count: usize,
}

impl std::ops::Deref for Components {
    type Target = [Component];

    fn deref(&self) -> &[Component] {
        &self.all[..self.count]
    }
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// The header of a file, known before anything is decoded. It owns no memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Columns of the image.
    pub width: usize,
    /// Rows of the image.
    pub height: usize,
    /// The components, in the file's order: 1, 3 or 4.
    pub components: Components,
    /// The meaning of the components, guessed as libjpeg does.
    pub color: ColorSpace,
    /// Whether the file is progressive: it must then be entropy-decoded whole.
    pub progressive: bool,
    /// MCUs between restart markers; 0 without any.
    pub restart_interval: usize,
    /// EXIF orientation, 1 to 8. It is not applied.
    pub orientation: Option<u8>,
    /// JFIF pixel density: unit (0: only the ratio counts, 1: per inch, 2: per centimetre), horizontal, vertical.
    pub density: Option<(u8, u16, u16)>,
    /// The transform that an Adobe segment names. With 4 components its presence means that inks are inverted.
    pub adobe: Option<u8>,
    /// Where the marker of the first scan ends.
    pub(crate) scan: usize,
    /// What libjpeg warns of up to there.
    pub(crate) warnings: u32,
}

/// Reads the header of the JPEG in `bytes`. Decodes nothing and takes next to no memory.
///
/// # Errors
/// [`Error::Format`] or [`Error::Truncated`] where it is not a JPEG or a broken one; [`Error::Unsupported`] for
/// arithmetic coding, lossless and hierarchical files and samples of more than 8 bits; [`Error::Limit`] for an image of
/// too many pixels.
pub fn read_header(bytes: &[u8], limits: &Limits) -> Result<Header> {
    let mut walk = Walk::new(bytes)?;
    let mut frame: Option<Header> = None;
    let mut jfif = None;
    let (mut adobe, mut orientation, mut restart_interval) = (None, None, 0);
    loop {
        let code = walk.marker()?;
        match code {
            marker::SOS => break,
            marker::EOI => return Err(Error::Format("it has no image, only tables".to_owned())),
            marker::SOI => return Err(Error::Format("it has two start-of-image markers".to_owned())),
            marker::RST0..=marker::RST7 | marker::TEM => continue,
            _ => {}
        }
        let payload = walk.payload(code)?;
        match code {
            marker::SOF0..=marker::SOF2 if frame.is_some() => {
                return Err(Error::Format("it has two frame headers".to_owned()));
            }
            marker::SOF0..=marker::SOF2 => frame = Some(parse_frame(payload, code)?),
            marker::DRI => restart_interval = parse_restart_interval(payload)?,
            marker::DHT | marker::DQT | marker::COM | marker::DNL | marker::DAC => {}
            marker::APP0 => {
                if let [b'J', b'F', b'I', b'F', 0, major, _, unit, x1, x0, y1, y0, _, _, ..] = *payload {
                    jfif = Some((unit, u16::from_be_bytes([x1, x0]), u16::from_be_bytes([y1, y0])));
                    walk.warnings += u32::from(major != 1);
                }
            }
            marker::APP1 => orientation = orientation.or_else(|| exif::orientation(payload)),
            marker::APP14 => {
                if let [b'A', b'd', b'o', b'b', b'e', _, _, _, _, _, _, transform, ..] = *payload {
                    adobe = Some(transform);
                }
            }
            _ if (marker::APP0..=marker::APP15).contains(&code) => {}
            marker::JPG => return Err(Error::Format("it has the reserved marker JPG".to_owned())),
            marker::SOF3..=marker::SOF15 => {
                return Err(Error::Unsupported(format!(
                    "process SOF{} (lossless, arithmetic, ...)",
                    code - marker::SOF0
                )));
            }
            _ => return Err(Error::Format(format!("marker {code:#04x} before byte {}", walk.at))),
        }
    }
    let mut header = frame.ok_or_else(|| Error::Format("a scan comes before the frame header".to_owned()))?;
    Limits::check(Budget::Pixels, header.width as u64 * header.height as u64, limits.max_pixels)?;
    header.color = guess_color(&header.components, jfif.is_some(), adobe, &mut walk.warnings);
    (header.density, header.adobe, header.orientation) = (jfif, adobe, orientation);
    header.restart_interval = restart_interval;
    (header.scan, header.warnings) = (walk.at, walk.warnings);
    Ok(header)
}

impl Header {
    /// Rows and columns of the image at a scale: 1/n of the full size, rounded up (libjpeg, `jdmaster.c`).
    #[must_use]
    pub fn size_at(&self, scale: Scale) -> (usize, usize) {
        (self.height.div_ceil(scale.denominator()), self.width.div_ceil(scale.denominator()))
    }

    /// Refuses what [`read_header`] never returns: the fields are public, and somebody may have changed them.
    pub(crate) fn check(&self) -> Result<()> {
        let sizes = 1..=MAX_DIMENSION;
        let components = match self.color {
            ColorSpace::Gray => 1,
            ColorSpace::YCbCr | ColorSpace::Rgb => 3,
            ColorSpace::Cmyk | ColorSpace::Ycck => 4,
        };
        let factors = self.components.iter().flat_map(|component| [component.h, component.v]);
        let good = sizes.contains(&self.width)
            && sizes.contains(&self.height)
            && self.components.len() == components
            && factors.into_iter().all(|factor| (1..=4).contains(&factor));
        if good { Ok(()) } else { Err(Error::Parameter("header that was changed since it was read".to_owned())) }
    }

    /// Where the pieces of the ICC profile are in the file whose header this is, in the file's order.
    pub fn icc(&self, bytes: &[u8]) -> impl Iterator<Item = Range<usize>> {
        let bytes = bytes.get(..self.scan).unwrap_or(&[]);
        let mut walk = Walk::new(bytes).ok();
        std::iter::from_fn(move || {
            let walk = walk.as_mut()?;
            loop {
                let code = walk.marker().ok()?;
                match code {
                    marker::SOS => return None,
                    marker::RST0..=marker::RST7 | marker::TEM => continue,
                    _ => {}
                }
                let payload = walk.payload(code).ok()?;
                if code == marker::APP2 && payload.starts_with(b"ICC_PROFILE\0") && payload.len() >= 14 {
                    return Some(walk.at - payload.len() + 14..walk.at);
                }
            }
        })
    }

    /// Bytes per pixel of the output: 4 for CMYK and YCCK, 3 (RGB) for everything else.
    #[must_use]
    pub fn channels(&self) -> usize {
        if self.components.len() == 4 { 4 } else { 3 }
    }
}

pub(crate) fn parse_restart_interval(payload: &[u8]) -> Result<usize> {
    match *payload {
        [high, low] => Ok(usize::from(u16::from_be_bytes([high, low]))),
        _ => Err(Error::Format(format!("restart interval segment of {} bytes", payload.len()))),
    }
}

/// ITU-T T.81, B.2.2, with the checks of libjpeg's `get_sof` and `initial_setup`.
fn parse_frame(payload: &[u8], code: u8) -> Result<Header> {
    let (&[precision, h1, h0, w1, w0, count], layers) =
        payload.split_first_chunk().ok_or_else(|| Error::Format(format!("frame header of {} bytes", payload.len())))?;
    let (height, width) = (u16::from_be_bytes([h1, h0]).into(), u16::from_be_bytes([w1, w0]).into());
    if layers.len() != 3 * usize::from(count) {
        return Err(Error::Format(format!("frame header of {count} components in {} bytes", payload.len())));
    }
    if height == 0 || width == 0 {
        return Err(Error::Format(format!("{width} x {height} pixels (width x height)")));
    }
    if height > MAX_DIMENSION || width > MAX_DIMENSION {
        return Err(Error::Format(format!("{width} x {height} pixels (width x height), more than {MAX_DIMENSION}")));
    }
    if precision != 8 {
        return Err(Error::Unsupported(format!("{precision} bits per sample")));
    }
    if !matches!(count, 1 | 3 | 4) {
        return Err(Error::Unsupported(format!("{count} components")));
    }
    let mut components = Components { all: [Component::default(); 4], count: usize::from(count) };
    for (component, &[id, sampling, quant]) in components.all.iter_mut().zip(layers.as_chunks::<3>().0) {
        *component = Component { id, h: sampling >> 4, v: sampling & 15, quant };
    }
    if let Some(bad) = components.iter().find(|layer| !(1..=4).contains(&layer.h) || !(1..=4).contains(&layer.v)) {
        return Err(Error::Format(format!("sampling factors {} x {} of component {}", bad.h, bad.v, bad.id)));
    }
    for (index, component) in components.iter().enumerate() {
        if components[..index].iter().any(|other| other.id == component.id) {
            return Err(Error::Unsupported(format!("two components of the name {}", component.id)));
        }
    }
    Ok(Header {
        width,
        height,
        components,
        color: ColorSpace::Gray,
        progressive: code == marker::SOF2,
        restart_interval: 0,
        orientation: None,
        density: None,
        adobe: None,
        scan: 0,
        warnings: 0,
    })
}

/// libjpeg's guess (`default_decompress_parms` in `jdapimin.c`).
fn guess_color(components: &[Component], jfif: bool, adobe: Option<u8>, warnings: &mut u32) -> ColorSpace {
    if components.len() == 1 {
        return ColorSpace::Gray;
    }
    if components.len() == 4 {
        return match adobe {
            None | Some(0) => ColorSpace::Cmyk,
            Some(2) => ColorSpace::Ycck,
            Some(_) => {
                *warnings += 1;
                ColorSpace::Ycck
            }
        };
    }
    match adobe {
        _ if jfif => ColorSpace::YCbCr,
        Some(0) => ColorSpace::Rgb,
        Some(1) => ColorSpace::YCbCr,
        Some(_) => {
            *warnings += 1;
            ColorSpace::YCbCr
        }
        None if components.iter().map(|component| component.id).eq(*b"RGB") => ColorSpace::Rgb,
        None => ColorSpace::YCbCr,
    }
}
