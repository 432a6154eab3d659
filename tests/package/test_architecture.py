"""The pages about the code name files that are there, and the floors that lint holds."""

from __future__ import annotations

import re
import sys

import pytest

from repository import ROOT

if sys.version_info >= (3, 11):
    import tomllib

CORE, PACKAGE = ROOT / "rust" / "core" / "src", ROOT / "python" / "torchfeed"
HOMES = [ROOT, CORE, PACKAGE]
EXAMPLES = {"rust/core/src/decode/webp.rs"}  # of files that somebody may add


def paths(page: str) -> set[str]:
    """What looks like the path of a file or folder: in backticks, or in a picture."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return set(re.findall(r"(?<![\w/.])((?:[\w.]+/)+(?:\w+\.\w+)?|\w+\.(?:rs|py|toml))(?![\w/])", text)) - EXAMPLES


def is_there(path: str) -> bool:
    if "/" in path:
        return any((home / path).exists() for home in HOMES)
    return any(next(home.rglob(path), None) for home in (CORE, PACKAGE))


@pytest.mark.parametrize("page", ["architecture.md", "extending.md"])
def test_files_that_a_page_names_are_there(page: str) -> None:
    named = paths(page)
    assert len(named) > 15
    assert [path for path in sorted(named) if not is_there(path)] == []


@pytest.mark.skipif(sys.version_info < (3, 11), reason="needs tomllib")
def test_floors_are_those_that_lint_holds() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    picture = page.split("## Floors of the Python package")[1].split("## ")[0]
    drawn = [re.split(r"\s{2,}", line.strip())[0] for line in picture.splitlines() if line.startswith("    ")]
    assert [floor.split(", ") for floor in drawn] == [
        floor.split(" | ") for floor in settings["contracts"][0]["layers"]
    ]
