"""The batch stage in Python: samples side by side, one-hot rows, pinned memory."""

from .collate import default_collate
from .one_hot import one_hot

__all__ = ["default_collate", "one_hot"]
