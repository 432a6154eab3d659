"""Dataset classes as people write them, in the proportions of a survey.

187 public Dataset classes were read in November 2026, and sorted by what they do: fifteen patterns, here numbered by how
common they are.

1. A path is opened, converted to RGB, transformed by what an attribute holds, and returned with a label. 2. Pixels that
are in memory. 3. OpenCV reads. 4. Pillow reads, and numpy goes on. 5. Image and mask by a transform of the author's own.
6. Tensors are stacked, cut or reckoned with. 7. The mode is the file's own. 8. Scikit-image, imageio or matplotlib read.
9. Files that none of them reads. 10. A second image with a transform of its own. 11. Pillow resizes or turns, and numpy
goes on. 12. PIL images are returned. 13. The image goes through a chain, its mask through numpy. 14. Somebody catches
what reading raises. 15. A class of the author's own in a chain; processors of models; torchvision.io.

And these are the 21 traps, in which a loader that is clever may be caught:

1. An `except` that takes everything. 2. Fallbacks for files that cannot be decoded. 3. Two transforms in step by one
seed. 4. Pillow's switches for all of the process. 5. Files that are closed, or gone, before pixels are needed. 6. `load`
is called at once. 7. Other names of the opener. 8. An image is asked for what only one of Pillow's has. 9. Images are
changed in place. 10. Images or results are kept. 11. Conversions that mean something. 12. Boxes of fractions, default
filters. 13. Transforms change. 14. Chains that begin with tensors. 15. What each worker process has for itself. 16. One
image on two threads. 17. Nestings. 18. No sample is like the others. 19. Arrays that are written to. 20. Labels that take
long. 21. Modes besides RGB.
"""

from . import arrays, fallbacks, handles, libraries, modes, pairs, paths, states, torchvision_ones, views
from .registry import ENTRIES, Entry

__all__ = [
    "ENTRIES",
    "Entry",
    "arrays",
    "fallbacks",
    "handles",
    "libraries",
    "modes",
    "pairs",
    "paths",
    "states",
    "torchvision_ones",
    "views",
]
