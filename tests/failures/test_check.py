"""`torchfeed check`: what it lists is what a loader cannot make."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pictures import encode, files, picture
from torchfeed import DataLoader, datasets
from torchfeed import transforms as T
from torchfeed.cli import main
from torchfeed.cli.check import check, find

JPEG = encode(picture(60, 60), "JPEG")
BAD = {"a/1.jpg": JPEG[: len(JPEG) // 2], "a/b/2.JPG": b"no image", "3.png": b"", "c/4.webp": b"\0" * 100}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    whole = {f"a/whole{number}.png": data for number, data in enumerate(files().values())}
    for name, data in {**BAD, **whole, "a/notes.txt": b"no image"}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


@pytest.mark.parametrize("workers", [[], ["--workers", "1"], ["--workers", "3"]])
def test_bad_images_are_listed(folder: Path, workers: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(folder), "--json", *workers]) == 1
    result = json.loads(capsys.readouterr().out)
    assert result["images"] == len(BAD) + len(files())
    assert [row["path"] for row in result["bad"]] == sorted(str(folder / name) for name in BAD)
    assert {row["format"] for row in result["bad"]} == {None, "JPEG"}
    assert all(row["reason"].startswith("DecodeError: ") for row in result["bad"])
    assert main(["check", str(folder), *workers]) == 1
    said = capsys.readouterr()
    assert said.err == ""
    lines = said.out.splitlines()
    assert lines[-1] == f"4 of {result['images']} images in {folder} are bad"
    assert [line.split("  ")[:2] for line in lines[:-1]] == [
        [row["path"], row["format"] or "no image"] for row in result["bad"]
    ]


def test_the_verdict_is_that_of_training(folder: Path) -> None:
    paths = find(folder)
    dataset = datasets.ImageList(paths, transform=T.Compose([T.Resize((8, 8)), T.ToTensor()]))
    failed: list[str | None] = []

    def note(error: Any) -> None:
        failed.append(error.path)

    with pytest.warns(UserWarning, match="loader.errors"):
        list(DataLoader(dataset, on_error=note))
    assert failed == [bad.path for bad in check(paths, 2)]


def test_whole_folders(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in BAD:
        (folder / name).unlink()
    assert main(["check", str(folder)]) == 0
    assert capsys.readouterr().out == f"0 of {len(files())} images in {folder} are bad\n"
    (folder / "empty").mkdir()
    assert main(["check", str(folder / "empty"), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["images"] == 0


def test_progress_on_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert main(["check", str(folder)]) == 1
    total = len(find(folder))
    assert f"[{'#' * 30}] {total} of {total}, 4 bad, " in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["nowhere"], [".", "--workers", "0"]], ids=str)
def test_arguments(arguments: list[Any], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["check", *arguments])
    assert caught.value.code == 2
    assert "error" in capsys.readouterr().err


def test_ctrl_c_ends_it_without_a_traceback(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("torchfeed.cli.check.check", press)
    assert main(["check", str(folder)]) == 130
    assert capsys.readouterr().err == "\ninterrupted\n"
