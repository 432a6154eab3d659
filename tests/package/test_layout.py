"""Where tests stand: each in the folder of its stage, and what several of them need, in `support`."""

from __future__ import annotations

import re

from repository import ROOT, SUPPORT

TESTS = ROOT / "tests"
STAGES = {
    "source",
    "decode",
    "transform",
    "batch",
    "loader",
    "device",
    "failures",
    "frameworks",
    "package",
    "images",
    "traced",
}
FILES = sorted(path for path in TESTS.rglob("*.py") if path != TESTS / "conftest.py")


def test_each_file_is_a_test_of_a_stage_or_a_helper() -> None:
    assert {path.relative_to(TESTS).parts[0] for path in FILES} == {*STAGES, SUPPORT.name}
    for path in FILES:
        assert path.name.startswith("test_") == (SUPPORT not in path.parents), path
        assert SUPPORT in path.parents or path.parent.parent == TESTS, path


def test_names_are_unique() -> None:
    """pytest, mypy and worker processes know a module by its name alone."""
    names = [path.name for path in FILES]
    assert sorted(set(names)) == sorted(names)


def test_no_test_imports_a_test() -> None:
    """Nor do the programs that stand in tests as text."""
    asked = re.compile(r"^\s*(?:from|import) +(test_\w+)", re.MULTILINE)
    for path in FILES:
        assert asked.findall(path.read_text(encoding="utf-8")) == [], path
