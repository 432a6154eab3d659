"""Folders of images on disk."""

from __future__ import annotations

from pathlib import Path

from pictures import encode, picture

JPEG = encode(picture(9, 9), "JPEG")


def tree(root: Path, *files: str) -> Path:
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(JPEG)
    return root
