"""The decode stage in Python: what the native decoders leave to Pillow, and Pillow's limits."""

from .pillow import PillowDecoder, image_info, refusal

__all__ = ["PillowDecoder", "image_info", "refusal"]
