"""Processes of their own: programs that tests run, and children that they fork."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repository import SUPPORT

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and POSIX signals")


def wait(child: int) -> int:
    """The child's exit status; it is killed where it does not end."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.01)
    os.kill(child, 9)
    os.waitpid(child, 0)
    raise AssertionError("the child hangs")


def scene(name: str, folder: Path, *workers: int) -> subprocess.CompletedProcess[str]:
    """Runs one of `native_programs`, once for each number of workers."""
    arguments = [sys.executable, str(SUPPORT / "native_programs.py"), name, str(folder), *map(str, workers)]
    return subprocess.run(arguments, capture_output=True, text=True, timeout=60, check=False)
