//! Pillow's arithmetic of colours, a pixel or a byte at a time.
//!
//! The sources are `Blend.c` and `Convert.c` of Pillow. Their types matter: what is `float` there is `f32` here, what C
//! makes a `double` by its constants is `f64`, and casts cut off.

/// `Image.blend` of two bytes: `from` at `alpha` 0, `to` at 1, and beyond them in a straight line.
#[inline(always)]
pub(crate) fn blend(from: u8, to: u8, alpha: f32) -> u8 {
    // Beyond 0 and 255 the cast stops, as Pillow does; not a number becomes 0.
    (f32::from(from) + alpha * f32::from(i16::from(to) - i16::from(from))) as u8
}

/// The lightness of a colour: `convert("L")`, ITU-R BT.601 in 16-bit fixed point.
#[inline(always)]
pub(crate) fn lightness([red, green, blue]: [u8; 3]) -> u8 {
    ((u32::from(red) * 19595 + u32::from(green) * 38470 + u32::from(blue) * 7471 + 0x8000) >> 16) as u8
}

/// Hue, saturation and value of a colour: `convert("HSV")`.
#[inline(always)]
pub(crate) fn to_hsv([red, green, blue]: [u8; 3]) -> [u8; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    if most == least {
        return [0, 0, most];
    }
    let range = f32::from(most - least);
    let below = |channel: u8| f32::from(most - channel) / range;
    let (r, g, b) = (below(red), below(green), below(blue));
    let hue = if red == most {
        b - g
    } else if green == most {
        (2.0 + f64::from(r) - f64::from(b)) as f32
    } else {
        (4.0 + f64::from(g) - f64::from(r)) as f32
    };
    // At least 5/6 and less than 2: the fraction is the remainder that Pillow takes.
    let turned = f64::from(hue) / 6.0 + 1.0;
    let hue = (turned - turned.trunc()) as f32;
    let saturation = range / f32::from(most);
    [(f64::from(hue) * 255.0) as u8, (f64::from(saturation) * 255.0) as u8, most]
}

/// The colour of hue, saturation and value: `convert("RGB")`.
#[inline(always)]
pub(crate) fn from_hsv([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    if saturation == 0 {
        return [value; 3];
    }
    let sixth = f64::from(f32::from(hue)) * 6.0 / 255.0;
    let sector = sixth.floor();
    let within = (sixth - f64::from(sector as f32)) as f32;
    let saturation = f32::from(saturation) / 255.0;
    let part = |share: f64| (f64::from(value) * (1.0 - share)).round() as u8;
    let low = part(f64::from(saturation));
    let falls = part(f64::from(saturation * within));
    let rises = part(f64::from(saturation) * (1.0 - f64::from(within)));
    match sector as u32 % 6 {
        0 => [value, rises, low],
        1 => [falls, value, low],
        2 => [low, value, rises],
        3 => [low, falls, value],
        4 => [rises, low, value],
        _ => [value, low, falls],
    }
}
