"""Where things are in the repository, and the environment of programs that tests start."""

from __future__ import annotations

import os
import sys
from pathlib import Path

SUPPORT = Path(__file__).parent
ROOT = SUPPORT.parents[1]


def environment(**variables: str) -> dict[str, str]:
    """This process's, in which a program finds the helpers, the benchmarks and whatever can be imported here."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(SUPPORT), str(ROOT), *sys.path]), **variables}
