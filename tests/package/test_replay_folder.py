"""The tool that replays a folder of photos: it counts what differs, and says so by its exit status."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import transforms as T

import replay_folder
from replay_folder import Photos, compare, differing, pipelines, replay
from torchfeed.bench.peers import installed
from torchfeed.recognize import recognize
from torchfeed.recognize.rules import RULES
from torchfeed.replay import replayed

PIPELINES = dict(pipelines())
CHOSEN = ["v1 ColorJitter", "v2 RandomAffine, bicubic", "v1 TrivialAugmentWide", "v2 RandomErasing, random"]


def test_no_value_differs(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = [(name, PIPELINES[name]) for name in [*CHOSEN, "torchfeed RandomGaussianBlur", "recipe moco"]]
    assert replay(Photos(photos, 6), chosen, epochs=2) == 0
    *_, moco, all_ = capsys.readouterr().out.splitlines()
    assert moco == f"| recipe moco | 12 | {12 * 2 * 3 * 224 * 224:,} | 0 | 0 |  |"
    assert all_.startswith("| all | 72 | ")
    assert all_.endswith(" | 0 | 0 |  |")


def test_differing_values_are_counted(
    photos: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def wrong(*given: Any) -> Any:
        values = replayed(*given)
        values[1, 5, 7] += 1
        return values

    monkeypatch.setattr(replay_folder, "replayed", wrong)
    assert replay(Photos(photos, 3), [("crop", PIPELINES["v1 RandomCrop"])], epochs=1) == 1
    assert "| crop | 3 | 202,500 | 3 | 0 |  |" in capsys.readouterr().out


def test_what_is_not_native_is_no_success(photos: Path) -> None:
    transform = T.Compose([T.Resize((9, 9)), T.AugMix(), T.ToTensor()])
    assert compare(Photos(photos, 2), transform).why.startswith("not native: ")
    assert replay(Photos(photos, 2), [("AugMix", transform)]) == 1
    # A crop that does not fit in all of the images.
    count = compare(Photos(photos), T.Compose([T.RandomCrop(40), T.ToTensor()]), epochs=1)
    assert 0 < count.samples < 26
    assert "crop" in count.why


def test_what_pillow_refuses_is_counted(photos: Path) -> None:
    if installed("timm"):
        count = compare(Photos(photos), PIPELINES["timm v0"], epochs=4)
        assert count.differing == 0
        assert count.refused > 0
        assert count.samples + count.refused == 4 * 26


def test_nothing_is_no_success(photos: Path) -> None:
    assert replay(Photos(photos), []) == 1


def test_values_differ_as_bytes() -> None:
    values = torch.tensor([0.0, float("nan"), 1.0])
    assert differing(values, values.clone()) == 0
    assert differing(values, torch.tensor([-0.0, float("nan"), 1.0])) == 1
    assert differing(values, values.double()) == differing(values, values[None]) == 3


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_is_native(name: str) -> None:
    assert not recognize(PIPELINES[name]).why


def test_every_random_class_is_replayed() -> None:
    known = " ".join(PIPELINES)
    ops = {name for name, rule in RULES.items() if rule.read or rule.erases or rule.compose}
    absent = {name for name in ops if name.startswith(("Rand", "Auto", "Color", "Trivial")) and name not in known}
    assert absent == {"RandomResizedCropAndInterpolation"}, "timm's, which its pipelines begin with"
