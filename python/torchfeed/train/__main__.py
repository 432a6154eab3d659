"""``python -m torchfeed.train --data DIR``."""

from .options import parse
from .run import fit

if __name__ == "__main__":
    fit(parse())
