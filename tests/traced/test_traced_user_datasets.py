"""Datasets as people write them: those whose samples native threads make are right, and they are many."""

from __future__ import annotations

import pytest

from user_dataset_runs import LEAVES_FILES_OPEN, check_traced, is_traced
from user_datasets import ENTRIES

pytestmark = LEAVES_FILES_OPEN


NAMES = [name for name, entry in ENTRIES.items() if not entry.needs]


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_those_of_torch(name: str, user_root: str) -> None:
    check_traced(ENTRIES[name], user_root)


def test_one_in_three_is_traced(user_root: str) -> None:
    traced = [name for name in NAMES if is_traced(ENTRIES[name], user_root)]
    assert len(traced) > len(NAMES) / 3
