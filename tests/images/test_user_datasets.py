"""Datasets as people write them: with lazy images, batches and random numbers are those of torch's loader."""

from __future__ import annotations

import pytest

from user_dataset_runs import LEAVES_FILES_OPEN, check_lazily
from user_datasets import ENTRIES

pytestmark = LEAVES_FILES_OPEN


NAMES = [name for name, entry in ENTRIES.items() if not entry.needs]


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("name", NAMES)
def test_lazy_images_change_nothing(name: str, workers: int, user_root: str) -> None:
    check_lazily(ENTRIES[name], user_root, workers)


def test_every_pattern_and_every_trap_is_among_them() -> None:
    assert {entry.pattern for entry in ENTRIES.values()} == {*range(1, 16)}
    assert {trap for entry in ENTRIES.values() for trap in entry.traps} == {*range(1, 22)}
