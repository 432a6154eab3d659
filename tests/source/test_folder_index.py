"""ImageFolder's index: the same samples as without it, whatever happened to the folders or to the index since."""

from __future__ import annotations

import os
import shutil
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torchvision import datasets as theirs

from folders import JPEG, tree
from torchfeed import datasets
from torchfeed.datasets import folder as our_folder
from torchfeed.datasets.index_file import index_file

DEFAULT = our_folder._SETTLED
SETTLED = 0.05
NAMES = ["a/1.jpg", "a/2.png", "a/notes.txt", "a/deep/er/3.jpg", "b/1.jpg", "b/x-y/1.jpg", "b/x/2.jpg", "c/4.JPG"]


@pytest.fixture(autouse=True)
def _soon_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A twentieth of a second is longer than a tick of the file systems that tests run on."""
    monkeypatch.setattr(our_folder, "_SETTLED", SETTLED)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tree(tmp_path / "root", *NAMES)
    time.sleep(2 * SETTLED)
    return made


def opened(root: Path, index: Path, **options: Any) -> list[tuple[str, int]]:
    """The samples with the index, which are those of torchvision."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours = datasets.ImageFolder(root, index=index, **options)
    reference = theirs.ImageFolder(root, **options)
    assert list(ours.samples) == reference.samples
    assert (ours.classes, ours.targets) == (reference.classes, reference.targets)
    return reference.samples


def records(index: Path) -> set[str]:
    """The folders that an index holds."""
    data = index.read_bytes()
    magic, rest = data[: data.index(b"\n") + 1], data[data.index(b"\n") + 1 :]
    assert magic == b"torchfeed folder index, version 1\n"
    assert struct.unpack("<I", rest[:4]) == (zlib.crc32(rest[4:]),)
    rest, found = rest[4:], set()
    while rest:
        (length,) = struct.unpack("<I", rest[:4])
        found.add(os.fsdecode(rest[4 : 4 + length]))
        rest = rest[4 + length + 24 :]
        (length,) = struct.unpack("<I", rest[:4])
        rest = rest[4 + length :]
    return found


def forged(index: Path, old: bytes, new: bytes) -> None:
    """Changes an index so that it is still one."""
    data = index.read_bytes()
    start = data.index(b"\n") + 5
    assert old in data[start:]
    body = data[start:].replace(old, new)
    index.write_bytes(data[: start - 4] + struct.pack("<I", zlib.crc32(body)) + body)


ALL = {"a", "a/deep", "a/deep/er", "b", "b/x", "b/x-y", "c"}


def test_unchanged_folders_are_not_listed(root: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    before = opened(root, index)
    assert records(index) == ALL
    written = index.stat().st_mtime_ns
    assert opened(root, index) == before
    assert index.stat().st_mtime_ns == written, "nothing is new, so it is not written again"
    # What the index says is believed; so nobody has looked.
    forged(index, b"2.png", b"9.png")
    assert datasets.ImageFolder(root, index=index).samples[1] == (str(root / "a" / "9.png"), 0)


def replaced(root: Path) -> None:
    """Another folder of the same name, with times that are set back as far as they can be."""
    times = (root / "b").stat()
    (root / "b").rename(root.parent / "old")
    tree(root, "b/other.jpg")
    os.utime(root / "b", ns=(times.st_atime_ns, times.st_mtime_ns))


def set_back(root: Path) -> None:
    times = (root / "a").stat()
    tree(root, "a/0.jpg")
    os.utime(root / "a", ns=(times.st_atime_ns, times.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "added": lambda root: tree(root, "a/0.jpg"),
    "added below": lambda root: tree(root, "a/deep/er/0.jpg"),
    "removed": lambda root: (root / "b" / "x" / "2.jpg").unlink(),
    "renamed": lambda root: (root / "a" / "1.jpg").rename(root / "a" / "7.jpg"),
    "renamed to no image": lambda root: (root / "a" / "1.jpg").rename(root / "a" / "1.txt"),
    "moved to another class": lambda root: (root / "a" / "1.jpg").rename(root / "c" / "1.jpg"),
    "a new folder": lambda root: tree(root, "c/new/5.jpg"),
    "a folder removed": lambda root: shutil.rmtree(root / "b" / "x"),
    "a folder renamed": lambda root: (root / "b" / "x").rename(root / "b" / "z"),
    "a new class": lambda root: tree(root, "aa/1.jpg"),
    "a class renamed": lambda root: (root / "a").rename(root / "z"),
    "two classes swapped": lambda root: [
        (root / "a").rename(root / "t"), (root / "c").rename(root / "a"), (root / "t").rename(root / "c")
    ],
    "touched": lambda root: os.utime(root / "a"),
    "replaced": replaced,
    "times set back": set_back,
    "file becomes folder": lambda root: [
        (root / "a" / "2.png").rename(root / "a" / "z"), tree(root, "a/2.png/1.jpg")
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_shows(name: str, root: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    opened(root, index)
    CHANGES[name](root)
    opened(root, index)  # at once, when what has just changed is not relied upon,
    time.sleep(2 * SETTLED)
    opened(root, index)  # and later, when it is
    assert records(index) == {
        Path(folder).relative_to(root).as_posix() for folder, _, _ in os.walk(root) if Path(folder) != root
    }
    opened(root, index)


def test_only_what_changed_is_listed_again(root: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    opened(root, index)
    forged(index, b"x-y", b"w-y")  # a folder that is not there
    tree(root, "a/0.jpg")
    names = [Path(path).relative_to(root).as_posix() for path, _ in datasets.ImageFolder(root, index=index).samples]
    assert "a/0.jpg" in names
    assert "b/x-y/1.jpg" not in names


def test_what_has_just_changed_is_not_relied_upon(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change within the same tick of the file system's clock would leave the folder's time as it is."""
    monkeypatch.setattr(our_folder, "_SETTLED", 3600.0)
    index = tmp_path / "index"
    opened(root, index)
    assert not index.exists(), "there is nothing to write"
    monkeypatch.setattr(our_folder, "_SETTLED", SETTLED)
    opened(root, index)
    assert records(index) == ALL
    tree(root, "a/0.jpg")
    monkeypatch.setattr(our_folder, "_SETTLED", 3600.0)
    opened(root, index)
    assert records(index) == ALL - {"a"}


def test_two_seconds_are_the_default() -> None:
    assert DEFAULT == 2


BROKEN: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "foreign": lambda _: b"\x89PNG\r\n\x1a\n" + bytes(1000),
    "text": lambda _: b"torchfeed",
    "cut": lambda data: data[:-1],
    "cut early": lambda data: data[:40],
    "longer": lambda data: data + b"\0",
    "a bit": lambda data: data[:100] + bytes([data[100] ^ 4]) + data[101:],
    "another version": lambda data: data.replace(b"version 1", b"version 2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_index_is_replaced(name: str, root: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    opened(root, index)
    whole = index.read_bytes()
    index.write_bytes(BROKEN[name](whole))
    opened(root, index)
    assert len(index.read_bytes()) == len(whole)
    assert records(index) == ALL


@pytest.mark.parametrize("name", [b"../.jpg", b"/e.jpg1", b"a\0b.jpg", b"a\\b.jpg"])
def test_a_forged_index_leads_nowhere_else(name: bytes, root: Path, tmp_path: Path) -> None:
    tree(root, f"a/{'x' * len(name)}")
    time.sleep(2 * SETTLED)
    index = tmp_path / "index"
    opened(root, index)
    forged(index, b"x" * len(name), name)
    if b"\\" in name and os.name == "posix":
        assert any("\\" in path for path, _ in datasets.ImageFolder(root, index=index).samples)
    else:
        opened(root, index)


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_lengths_that_lie_are_refused(cut: int, root: Path, tmp_path: Path) -> None:
    """With a checksum that is right: numbers that say there is more than there is."""
    index = tmp_path / "index"
    opened(root, index)
    data = index.read_bytes()
    start = data.index(b"\n") + 5
    body = data[start:-cut]
    for lie in (body, body[:4] + b"\xff" * 4 + body[8:], b"\xff\xff\xff\x7f" + body[4:]):
        index.write_bytes(data[: start - 4] + struct.pack("<I", zlib.crc32(lie)) + lie)
        opened(root, index)
        assert records(index) == ALL


def test_links_are_looked_up_each_time(root: Path, tmp_path: Path) -> None:
    """A link's folder stays as it is while what the link leads to does not."""
    outside = tree(tmp_path / "outside", "1.jpg", "deep/2.jpg")
    (root / "a" / "to.jpg").symlink_to(tmp_path / "later")
    (root / "linked").symlink_to(outside, target_is_directory=True)
    (root / "c" / "up").symlink_to(root / "c", target_is_directory=True)
    time.sleep(2 * SETTLED)
    index, options = tmp_path / "index", {"index": tmp_path / "index"}

    def names() -> list[str]:
        found = [path for path, _ in datasets.ImageFolder(root, **options).samples]  # type: ignore[arg-type]
        assert found == [path for path, _ in datasets.ImageFolder(root).samples]
        return found

    before = names()
    assert names() == before
    assert index.exists()
    tree(outside, "3.jpg")
    assert len(names()) == len(before) + 1
    tree(tmp_path / "later", "4.jpg", "5.jpg")
    assert len(names()) == len(before) + 2
    (tmp_path / "later").rename(tmp_path / "gone")
    assert len(names()) == len(before) + 1


def test_options_mean_what_they_mean_without(root: Path, tmp_path: Path) -> None:
    tree(root, "empty/notes.txt")
    time.sleep(2 * SETTLED)
    index = tmp_path / "index"
    for _ in range(2):
        opened(root, index, allow_empty=True)
        with pytest.raises(FileNotFoundError, match=r"classes empty\. Supported"):
            datasets.ImageFolder(root, index=index)
        # The index holds all names, so what a user's function makes of them may change.
        assert len(opened(root, index, is_valid_file=lambda path: path.endswith(".txt"), allow_empty=True)) == 2
        assert len(opened(root, index, is_valid_file=lambda path: "1" in Path(path).name, allow_empty=True)) == 3


def test_a_folder_that_moved_keeps_its_index(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths are kept from the root on: it may have another name, or none that is absolute."""
    index = tmp_path / "index"
    opened(root, index)
    written = index.stat().st_mtime_ns
    root.rename(tmp_path / "moved")
    opened(tmp_path / "moved", index)
    monkeypatch.chdir(tmp_path)
    opened(Path("moved"), index)
    assert index.stat().st_mtime_ns == written


def test_without_a_place_for_the_index_it_is_said_and_goes_on(root: Path, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for index in (tmp_path / "missing" / "index", tmp_path / "folder", Path(JPEG.hex()[:300])):
        with pytest.warns(UserWarning, match="cannot be written, so that .* is listed each time") as caught:
            dataset = datasets.ImageFolder(root, index=index)
        assert (len(caught), caught[0].filename) == (1, __file__)
        assert list(dataset.samples) == theirs.ImageFolder(root).samples
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "root"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on the size of files, and /proc")
def test_a_full_disk_is_said_and_goes_on(root: Path, tmp_path: Path) -> None:
    import resource  # noqa: PLC0415  (only there on POSIX)

    index = tmp_path / "index"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        with pytest.warns(UserWarning, match="cannot be written"):
            assert len(datasets.ImageFolder(root, index=index)) == 7
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path.name for path in tmp_path.iterdir()] == ["root"], "half a file is no index"
    with pytest.warns(UserWarning, match="cannot be written"):
        assert len(datasets.ImageFolder(root, index="/proc/index")) == 7


def test_nothing_is_left_beside_the_index(root: Path, tmp_path: Path) -> None:
    index = tmp_path / "index"
    for number in range(3):
        tree(root, f"a/{number}{number}.jpg")
        time.sleep(2 * SETTLED)
        opened(root, index)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "root"]


def test_true_is_a_file_in_the_cache_folder(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_CACHE_HOME", "LOCALAPPDATA", "HOME"):
        monkeypatch.setenv(name, str(tmp_path / "cache"))
    for _ in range(2):
        assert list(datasets.ImageFolder(root, index=True).samples) == theirs.ImageFolder(root).samples
        (found,) = (tmp_path / "cache").rglob("*.index")
        assert records(found) == ALL
    assert index_file(str(root), True) == index_file(f"{root}/", True) == found
    assert index_file(str(root.parent), True) != found
    assert index_file(str(root), False) is index_file(str(root), None) is None
    assert index_file(str(root), "~/x") == Path.home() / "x"
