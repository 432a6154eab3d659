"""Processes: programs that tests run, children that they fork, and the threads in this one."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from repository import SUPPORT

posix = pytest.mark.skipif(os.name != "posix", reason="needs fork and POSIX signals")

linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc/self/task")


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


def threads(expected: int) -> int:
    """Counts our threads in this process; waits a moment for new ones to have names, and old ones to be gone."""
    until = time.monotonic() + 1
    while True:
        names = []
        for task in Path("/proc/self/task").iterdir():
            with contextlib.suppress(OSError):  # it may end in between
                names.append((task / "comm").read_text())
        count = sum(name.startswith("torchfeed") for name in names)
        if count == expected or time.monotonic() > until:
            return count
        time.sleep(0.001)
