//! What passes have in common that read the pixels around each pixel.

use crate::image::{Rect, Size};

/// `rect` with `margin` (rows, columns) more on each side, as far as an image of `size` goes. An empty rectangle stays empty.
pub(crate) fn around(rect: Rect, size: Size, margin: [usize; 2]) -> Rect {
    if rect.height == 0 || rect.width == 0 {
        return rect;
    }
    let (top, left) = (rect.top.saturating_sub(margin[0]), rect.left.saturating_sub(margin[1]));
    let bottom = rect.bottom().saturating_add(margin[0]).min(size.height);
    let right = rect.right().saturating_add(margin[1]).min(size.width);
    Rect { top, left, height: bottom - top, width: right - left }
}
