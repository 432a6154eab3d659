"""Every Python block of the README runs, one after the other, as a reader would type them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch

from pictures import encode, picture

README = Path(__file__).parents[1] / "README.md"


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory that holds what the README speaks of: ``photos/train`` and ``photos/val``."""
    for number in range(24):
        folder = tmp_path / "photos" / ("val" if number % 4 == 0 else "train") / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02d}.jpg").write_bytes(encode(picture(60 + number, 90 - number, seed=number), "JPEG"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_a_folder")
def test_python_blocks_run() -> None:
    text = README.read_text()
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= 5
    torch.manual_seed(0)
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks:
        # As many empty lines as there are above it, so that an error names the README's line.
        above = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(above + block[1], README, "exec"), namespace)


def test_commands_exist() -> None:
    makefile = (README.parent / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|[`0] ?)make ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert {"demo", "test", "bench"} <= named <= targets


def test_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README.read_text()):
        assert target.startswith("https://") or (README.parent / target).exists(), target
