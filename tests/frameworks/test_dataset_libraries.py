"""Datasets of other libraries, and datasets as people write them with these, give what they give in torch's loader."""

from __future__ import annotations

import os

import pytest

from torchfeed import DataLoader, explain
from user_dataset_runs import LEAVES_FILES_OPEN, check_lazily, check_traced, is_traced
from user_datasets import ENTRIES

os.environ["NO_ALBUMENTATIONS_UPDATE"] = "1"  # it would ask the network for a newer version

pytestmark = LEAVES_FILES_OPEN


NAMES = [name for name, entry in ENTRIES.items() if entry.needs]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", NAMES)
def test_lazy_images_change_nothing(name: str, workers: int, user_root: str) -> None:
    check_lazily(ENTRIES[name], user_root, workers)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_those_of_torch(name: str, user_root: str) -> None:
    check_traced(ENTRIES[name], user_root)


def test_hugging_face_s_are_traced(user_root: str) -> None:
    assert is_traced(ENTRIES["HuggingFaceTransform"], user_root)
    assert "lazy" in explain(DataLoader(ENTRIES["HuggingFacePlain"].make(user_root)))
