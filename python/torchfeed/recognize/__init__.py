"""Recognition: a user's own objects, torchfeed's or torchvision's, to what the native engine runs."""

from .call import Call
from .common import Unrecognized, describe
from .known_classes import class_name
from .target import OneHotLevels, recognize_target
from .transform import Plan, recognize, recognize_geometry

__all__ = [
    "Call",
    "OneHotLevels",
    "Plan",
    "Unrecognized",
    "class_name",
    "describe",
    "recognize",
    "recognize_geometry",
    "recognize_target",
]
