//! The one thing of EXIF that matters to a picture: which way is up.

/// Tag 0x0112 of the first directory (EXIF 2.3, 4.6.4 A).
pub(crate) fn orientation(payload: &[u8]) -> Option<u8> {
    let tiff = payload.strip_prefix(b"Exif\0\0")?;
    let little = match tiff.first_chunk()? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = *tiff.get(at..)?.first_chunk()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let start = *tiff.get(4..)?.first_chunk()?;
    let start = if little { u32::from_le_bytes(start) } else { u32::from_be_bytes(start) } as usize;
    let entries = usize::from(u16_at(start)?);
    let entry = (0..entries).map(|index| start + 2 + 12 * index).find(|&at| u16_at(at) == Some(0x0112))?;
    // Type 3 is a 16-bit number; there is one of them, stored in the entry itself.
    (u16_at(entry + 2) == Some(3)).then_some(())?;
    u8::try_from(u16_at(entry + 8)?).ok().filter(|value| (1..=8).contains(value))
}
