"""Datasets of other libraries, and datasets as people write them with these, give what they give in torch's loader."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from torchfeed import DataLoader, explain
from user_dataset_runs import check_lazily, check_traced, is_traced
from user_datasets import ENTRIES
from user_files import make_user_files

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for a newer version

# People leave files open.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Files that are left open are closed here, where nobody is told of it."""
    yield
    gc.collect()


NAMES = [name for name, entry in ENTRIES.items() if entry.needs and all(map(find_spec, entry.needs))]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_user_files(tmp_path_factory.mktemp("user"))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_lazy_images_change_nothing(name: str, workers: int, root: str) -> None:
    check_lazily(ENTRIES[name], root, workers)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_those_of_torch(name: str, root: str) -> None:
    check_traced(ENTRIES[name], root)


def test_hugging_face_s_are_traced(root: str) -> None:
    assert is_traced(ENTRIES["HuggingFaceTransform"], root)
    assert "lazy" in explain(DataLoader(ENTRIES["HuggingFacePlain"].make(root)))
