"""Datasets as people write them: with lazy images, batches and random numbers are those of torch's loader."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from user_dataset_runs import check_lazily
from user_datasets import ENTRIES
from user_files import make_user_files

# People leave files open.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Files that are left open are closed here, where nobody is told of it."""
    yield
    gc.collect()


NAMES = [name for name, entry in ENTRIES.items() if not entry.needs]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_user_files(tmp_path_factory.mktemp("user"))


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_lazy_images_change_nothing(name: str, workers: int, root: str) -> None:
    check_lazily(ENTRIES[name], root, workers)


def test_every_pattern_and_every_trap_is_among_them() -> None:
    assert {entry.pattern for entry in ENTRIES.values()} == {*range(1, 16)}
    assert {trap for entry in ENTRIES.values() for trap in entry.traps} == {*range(1, 22)}
