"""The documents are true: their Python runs, block after block, as a reader would type it; so are their tables."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

import recognition_table
import speed_tables
from pictures import encode, picture
from repository import ROOT

README = ROOT / "README.md"
DOCUMENTS = [README, *(ROOT / "docs" / f"{name}.md" for name in ("drop-in", "device", "fast", "reliability"))]
BLOCKS = {"README.md": 5, "drop-in.md": 3, "device.md": 3, "fast.md": 1, "reliability.md": 1}


@pytest.fixture
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory that holds what the README speaks of: ``photos/train`` and ``photos/val``."""
    for number in range(24):
        folder = tmp_path / "photos" / ("val" if number % 4 == 0 else "train") / ("cat", "dog")[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:02d}.jpg").write_bytes(encode(picture(60 + number, 90 - number, seed=number), "JPEG"))
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("in_a_folder")
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_python_blocks_run(document: Path) -> None:
    text = document.read_text()
    blocks = list(re.finditer(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert len(blocks) >= BLOCKS[document.name]
    torch.manual_seed(0)
    namespace: dict[str, Any] = {"__name__": "readme"}
    for block in blocks:
        # As many empty lines as there are above it, so that an error names the README's line.
        above = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(above + block[1], document, "exec"), namespace)


def test_commands_exist() -> None:
    makefile = (README.parent / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"(?:^|[`0] ?)make ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert {"demo", "test", "bench"} <= named <= targets


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, recognition_table.PAGE, speed_tables.PAGE], ids=lambda document: document.name
)
def test_links_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        assert target.startswith("https://") or (document.parent / target).exists(), target


def test_the_table_of_what_is_recognised_is_the_code_s() -> None:
    """If not: ``python tools/recognition_table.py --write``."""
    assert recognition_table.PAGE.read_text() == recognition_table.page()


def test_the_figures_are_those_that_were_measured() -> None:
    """If not: ``python tools/speed_tables.py --write``."""
    result, recipes = (json.loads(file.read_text()) for file in (speed_tables.RESULT, speed_tables.RECIPES))
    assert speed_tables.PAGE.read_text() == speed_tables.page(result, recipes)
    assert README.read_text() == speed_tables.readme(result, recipes, README.read_text())
