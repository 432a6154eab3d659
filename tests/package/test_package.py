"""What is shipped: typed, of one version, and documented."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from packaging.requirements import Requirement
from PIL import Image

import torchfeed
from repository import ROOT

PUBLIC = (torchfeed, torchfeed.transforms, torchfeed.datasets)
MODULES = sorted(
    info.name
    for info in pkgutil.walk_packages(torchfeed.__path__, "torchfeed.")
    if not info.name.endswith(("__main__", "_native"))
)


def test_types_are_shipped() -> None:
    package = Path(torchfeed.__file__).parent
    assert (package / "py.typed").is_file()
    assert (package / "_native.pyi").is_file()


def test_the_stub_of_the_package_says_what_it_has() -> None:
    stub = ast.parse((Path(torchfeed.__file__).parent / "__init__.pyi").read_text())
    imports = {name.name: each.module for each in stub.body if isinstance(each, ast.ImportFrom) for name in each.names}
    (listed,) = (ast.literal_eval(each.value) for each in stub.body if isinstance(each, ast.Assign))
    modules = vars(torchfeed)["_MODULES"]
    assert listed == torchfeed.__all__
    assert {name: module for name, module in imports.items() if module} == modules
    assert {name for name, module in imports.items() if not module} == set(listed) - set(modules)


def test_version_is_the_crates() -> None:
    (crate,) = re.findall(r'^\[workspace\.package\]\nversion = "(.+)"', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert torchfeed.__version__ == version("torchfeed") == crate
    assert f"## {crate}" in (ROOT / "CHANGELOG.md").read_text()


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_import_loads_nothing_else() -> None:
    """Whoever imports it and does not use it waits for nothing."""
    loaded = (
        "{name for name in sys.modules if name.split('.')[0] in {'torchfeed', 'torch', 'numpy', 'PIL', 'argparse'}}"
    )
    said = run_python(f"import sys, torchfeed; print(sorted({loaded}))")
    assert said == "['torchfeed', 'torchfeed.util', 'torchfeed.util.locks']\n"


@pytest.mark.parametrize("name", ["DataLoader", "datasets", "explain", "one_hot", "transforms"])
def test_names_can_be_asked_for_first(name: str) -> None:
    """By which modules are loaded in different orders."""
    said = run_python(f"from torchfeed import {name}; print(getattr({name}, '__module__', {name}.__name__))")
    value = getattr(torchfeed, name)
    assert said.strip() == getattr(value, "__module__", value.__name__)


def test_modules_hide_no_names() -> None:
    assert set(torchfeed.__all__) <= set(dir(torchfeed))
    for name in MODULES:
        importlib.import_module(name)
    assert inspect.isfunction(torchfeed.explain)
    with pytest.raises(AttributeError, match="module 'torchfeed' has no attribute 'Dataloader'"):
        torchfeed.Dataloader  # type: ignore[attr-defined]  # noqa: B018


def test_little_is_required() -> None:
    needed = [Requirement(text) for text in requires("torchfeed") or []]
    assert {need.name for need in needed if need.marker is None} == {"torch", "numpy", "pillow"}


def public() -> Iterator[Any]:
    for module in PUBLIC:
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isclass(value) or inspect.isfunction(value):
                yield pytest.param(value, id=f"{module.__name__}.{name}")


@pytest.mark.parametrize("module", PUBLIC, ids=lambda module: module.__name__)
def test_all_is_sorted_and_there(module: ModuleType) -> None:
    assert list(module.__all__) == sorted(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


@pytest.mark.parametrize("value", list(public()))
def test_public_names_are_documented(value: Any) -> None:
    doc = inspect.getdoc(value) or ""
    assert doc.splitlines()[0].endswith((".", ":", "`")), "a docstring begins with a sentence"
    own = value.__init__ if inspect.isclass(value) else value
    if inspect.isclass(value) and ("__init__" not in vars(value) or value is torchfeed.datasets.NativeDataset):
        return  # a NativeDataset is made by its subclasses, from native objects
    for name in inspect.signature(own).parameters:
        if name not in {"self", "args", "kwargs", "options"}:
            assert name in doc, f"{name} is not described"


@pytest.mark.parametrize("value", [value for value in public() if inspect.isclass(value.values[0])])
def test_public_methods_are_documented(value: Any) -> None:
    for name, member in vars(value).items():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert inspect.getdoc(member), f"{name} has no docstring"


@pytest.fixture
def in_a_folder(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A working directory with the folders that examples name."""
    (tmp_path / "photos").symlink_to(photos, target_is_directory=True)
    monkeypatch.chdir(tmp_path)


def examples() -> Iterator[Any]:
    """Yields every docstring that has an example and says what comes out."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    for name in MODULES:
        module = importlib.import_module(name)
        for test in finder.find(module, name):
            if any(example.want for example in test.examples) and "..." not in "".join(e.want for e in test.examples):
                yield pytest.param(test, id=test.name)


@pytest.mark.usefixtures("in_a_folder")
@pytest.mark.parametrize("test", list(examples()))
def test_examples_run(test: doctest.DocTest) -> None:
    """Runs the examples, with the names that an example may take for granted."""
    pixels = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for module in (torchfeed.transforms, torchfeed):
        test.globs.update({name: getattr(module, name) for name in module.__all__ if name != "transforms"})
    test.globs.update(torch=torch, image=Image.fromarray(pixels))
    said: list[str] = []
    result = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE).run(test, out=said.append)
    assert result.failed == 0, "".join(said)
