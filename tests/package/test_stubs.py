"""The type stubs describe the native module as it is."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from repository import ROOT


def test_stubs_are_true(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    # Reading torch's own types would take ten times as long, and the stubs use none of them.
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n[mypy-torch.*,numpy.*,PIL.*,torchfeed.*]\nfollow_imports = skip\n")
    command = [sys.executable, "-m", "mypy.stubtest", "--mypy-config-file", str(config), "torchfeed._native"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
