"""Whether Pillow's own code opens and decodes images."""

from __future__ import annotations

import sys

from torchfeed.images import pillows_opener

from .common import describe
from .replaced_code import code_of, code_of_function
from .written_code import is_trusted

__all__ = ["replaced_in_pillow"]

_DECODES = ("__init__", "_open", "load", "load_end", "load_prepare", "load_read", "convert")
_CALLED = ("convert", "copy", "crop", "load", "resize", "rotate", "tobytes", "transpose")


def replaced_in_pillow(*, methods: bool = False) -> str:
    """Says what was replaced of the code that reads the formats which are read natively; empty if nothing was.

    What is not loaded is as it was.

    Args:
        methods: whether `PIL.Image.open` and the methods count that are noted where images are lazy.
    """
    pillow = sys.modules.get("PIL.Image")
    openers = getattr(pillow, "OPEN", {})
    for kind, plugin, name in (
        ("JPEG", "PIL.JpegImagePlugin", "JpegImageFile"),
        ("PNG", "PIL.PngImagePlugin", "PngImageFile"),
    ):
        cls = getattr(sys.modules.get(plugin), name, None)
        if cls is None:
            continue
        why = code_of(cls, _DECODES).why
        opener = pillows_opener(openers.get(kind, (cls, None))[0])
        if not is_trusted(opener):
            why = f"PIL.Image.OPEN[{kind!r}] was replaced by {describe(opener)}"
        if why:
            return why
    if methods and pillow is not None:
        return code_of_function(pillow.open).why or code_of(pillow.Image, _CALLED).why
    return ""
