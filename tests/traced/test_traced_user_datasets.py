"""Datasets as people write them: those whose samples native threads make are right, and they are many."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from user_dataset_runs import check_traced, is_traced
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


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_those_of_torch(name: str, root: str) -> None:
    check_traced(ENTRIES[name], root)


def test_one_in_three_is_traced(root: str) -> None:
    traced = [name for name in NAMES if is_traced(ENTRIES[name], root)]
    assert len(traced) > len(NAMES) / 3
