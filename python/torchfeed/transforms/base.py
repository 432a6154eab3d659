"""What the transforms that are native ops share."""

from __future__ import annotations

from PIL import Image

from .apply import apply_to_image

__all__ = ["NativeTransform"]


class NativeTransform:
    """A transform that is a native op, and here a function of one image."""

    def __call__(self, img: Image.Image) -> Image.Image:
        """Applies the transform, with parameters drawn from torch's global generator."""
        return apply_to_image(self, img)

    def __repr__(self) -> str:
        arguments = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"{type(self).__name__}({arguments})"
