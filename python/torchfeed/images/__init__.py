"""Lazy images: Pillow's images, whose pixels are decoded natively, when they are needed, and only those that are.

Code that gets its images from `PIL.Image.open` calls Pillow's methods on them as ever. Here `PIL.Image.open` is
Pillow's own, and so are its objects, its checks and its errors: of an image that Pillow has opened, the class is
exchanged for a subclass, which puts off decoding. Crops, resizes, flips and conversions are noted. Whatever needs
pixels gets them from the native decoders, through the steps that were noted; everything else gets an image of Pillow's,
which it then is.
"""

from .lazy import Lazy, LazyImage, file_of
from .opener import lazily, lazy_in_this_process, open_image, pillows_opener
from .wanted import failed_late, late_errors, not_lazily

__all__ = [
    "Lazy",
    "LazyImage",
    "failed_late",
    "file_of",
    "late_errors",
    "lazily",
    "lazy_in_this_process",
    "not_lazily",
    "open_image",
    "pillows_opener",
]
