"""The transform stage: torchvision's transforms by name, argument, default and distribution, run natively.

Give them to a dataset of `torchfeed.datasets` or of torchvision and iterate with `torchfeed.DataLoader`: the whole
pipeline is then compiled and runs without the GIL. Each is also a function of one PIL image, as in torchvision, with
the same result for the same parameters.
"""

from . import blur, color, geometry, mix, structure, target, value
from .blur import *  # noqa: F403  (each module lists what is public)
from .color import *  # noqa: F403
from .geometry import *  # noqa: F403
from .mix import *  # noqa: F403
from .structure import *  # noqa: F403
from .target import *  # noqa: F403
from .value import *  # noqa: F403

__all__: list[str] = []
__all__ += blur.__all__
__all__ += color.__all__
__all__ += geometry.__all__
__all__ += mix.__all__
__all__ += structure.__all__
__all__ += target.__all__
__all__ += value.__all__
__all__.sort()
