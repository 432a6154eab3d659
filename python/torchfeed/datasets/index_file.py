"""Where the index of a folder is kept."""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

__all__ = ["index_file"]


def index_file(root: str, index: str | os.PathLike[str] | bool | None) -> Path | None:
    """Finds the index file of the folder `root`.

    Args:
        root: the folder.
        index: a path; or ``True`` for one in the user's cache folder, named after the folder's real path; or for none,
            ``None`` or ``False``.
    """
    if index is None or index is False:
        return None
    if index is not True:
        return Path(index).expanduser()
    name = hashlib.sha256(os.fsencode(os.path.realpath(root))).hexdigest()[:32]
    folder = _cache_folder() / "torchfeed"
    with suppress(OSError):  # what is wrong with it is said when the file is written
        folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.index"


def _cache_folder() -> Path:
    """The user's folder for what can be made again."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return chosen if chosen.is_absolute() else Path.home() / ".cache"
