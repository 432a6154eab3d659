"""A short soak; `make soak` is the long one."""

from __future__ import annotations

import subprocess
import sys

import pytest

from repository import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self")
def test_epochs_leave_nothing_behind() -> None:
    """In a process of its own: the memory of this one is that of all tests before."""
    script = ROOT / "tools" / "soak.py"
    # Half a dozen epochs are no warm-up for the allocator: here memory may move more than in the long one.
    arguments = [sys.executable, "-W", "ignore::DeprecationWarning", str(script), "--epochs=24", "--tolerance=0.05"]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=120, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
