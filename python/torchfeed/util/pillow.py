"""What differs between the versions of Pillow."""

from __future__ import annotations

import PIL

__all__ = ["CHEAPER_PASS_FIRST"]

CHEAPER_PASS_FIRST = int(PIL.__version__.split(".", maxsplit=1)[0]) >= 13
"""Whether a resize goes down the columns first where that saves work: pixels in between are rounded, so it shows."""
