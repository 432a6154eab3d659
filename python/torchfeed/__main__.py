"""``python -m torchfeed COMMAND``, the same as ``torchfeed COMMAND``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
