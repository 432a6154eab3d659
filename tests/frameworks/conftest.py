"""A folder of images whose labels tell which sample each is."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def numbered(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 26 photos again, each alone in a class of its own: a sample's label is its index."""
    root = tmp_path_factory.mktemp("numbered")
    for number, photo in enumerate(sorted(photos.rglob("*.*"))):
        folder = root / f"{number:03d}"
        folder.mkdir()
        shutil.copy(photo, folder)
    return root
