"""Users' own transforms: what of their code is native, that it draws as theirs does, and that nothing else is."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter, ImageOps
from torch.utils.data import DataLoader as TorchDataLoader
from torchvision.datasets import ImageFolder as TheirImageFolder

import own_transforms
from distributions import chi_square, distance, kolmogorov_smirnov
from oracle import same, theirs
from own_transforms import ONE_IMAGE, REFUSED, REFUSED_VIEWS, VIEWS
from pictures import encode, in_memory, picture, pixels
from torchfeed import DataLoader, datasets, explain
from torchfeed.plan.compile import compile_plan
from torchfeed.plan.pixels import array_source
from torchfeed.recognize import recognize
from torchfeed.recognize.own_code import trace_of
from torchfeed.recognize.tracing import Refused, trace
from torchfeed.replay import replayed

IMAGES = [pixels(24, 31, seed=number) for number in range(24)]
TO_TENSOR = theirs.PILToTensor()


def drawn_by(transform: Any, count: int) -> list[Any]:
    """What is drawn natively for each of many samples."""
    plan = recognize(theirs.Compose([transform, TO_TENSOR]), metadata=False)
    assert not plan.why
    source = array_source(np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (count, 8, 8, 3)))
    pipeline = compile_plan(source, range(count), plan)
    return [plan.drawn_names(pipeline.draw(index, 5, 0)[1]) for index in range(count)]


def seed() -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002
    random.seed(5)


@pytest.mark.parametrize("name", ONE_IMAGE)
def test_pixels(name: str) -> None:
    transform = theirs.Compose([ONE_IMAGE[name](), TO_TENSOR])
    dataset = in_memory(IMAGES, transform)
    loader = DataLoader(dataset, 1, native="require")
    assert explain(loader).startswith("native, ")
    for index, (made, _) in enumerate(loader):
        image = Image.fromarray(IMAGES[index])
        same(made[0], replayed(image, transform, loader.drawn(index), recognize(transform)), name)


class Spy:
    """What stands for an image while a user's own code runs: it notes what is done to it."""

    def __init__(self, *done: Any) -> None:
        self.done = done

    def filter(self, blur: Any) -> Spy:
        return Spy(*self.done, ("RandomGaussianBlur", blur.radius))


def noted(name: str) -> Callable[..., Any]:
    return lambda image, *_, **__: Spy(*image.done, (name, None))


DRAWING = {"a module", "one of three", "a choice", "solarization"} | {name for name in ONE_IMAGE if "blur" in name}


@pytest.mark.parametrize("name", sorted(DRAWING))
def test_distributions(name: str) -> None:
    """Which steps run, and with which radius: as often as where the code runs itself."""
    step, count = ONE_IMAGE[name](), 4000
    drawn = [[(call[0], call[1].get("radius", [None])[0]) for call in calls] for calls in drawn_by(step, count)]
    spied = {"solarize": "RandomSolarize", "invert": "RandomInvert", "equalize": "RandomEqualize"}
    flips = {"mirror": "RandomHorizontalFlip", "flip": "RandomVerticalFlip", "autocontrast": "RandomAutocontrast"}
    stand_ins: dict[str, Any] = {function: noted(each) for function, each in (spied | flips).items()}
    seed()
    with mock.patch.multiple(ImageOps, **stand_ins):
        theirs_done = [ONE_IMAGE[name]()(Spy()).done for _ in range(count)]
    kinds = [[tuple(each for each, _ in done) for done in side] for side in (drawn, theirs_done)]
    assert set(kinds[0]) == set(kinds[1])
    assert chi_square(*kinds) < 3
    radii = [[radius for done in side for _, radius in done if radius is not None] for side in (drawn, theirs_done)]
    if len(set(radii[0])) > 1:
        assert distance(*radii) < kolmogorov_smirnov(len(radii[0]), len(radii[1]))
    else:
        assert set(radii[0]) == set(radii[1])


def test_a_wrong_probability_shows() -> None:
    """The threshold of the test above tells 0.5 from 0.45."""
    kinds = []
    for p in (0.5, 0.45):
        drawn = drawn_by(own_transforms.MaybeBlur(p), 4000)
        kinds.append([len(calls) for calls in drawn])
    assert chi_square(*kinds) > 3


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(7):
        path = tmp_path / "ab"[number % 2] / f"{number}.jpg"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(encode(picture(50 + number, 61, seed=number), "JPEG"))
    return tmp_path


def shape_of(views: Any) -> Any:
    """The lists, tuples and dicts of a sample or a batch, and the shapes of the tensors in them."""
    if isinstance(views, dict):
        return {name: shape_of(each) for name, each in views.items()}
    if isinstance(views, torch.Tensor):
        return views.dtype, views.shape
    return type(views), [shape_of(each) for each in views]


def tensors(views: Any) -> list[torch.Tensor]:
    if isinstance(views, torch.Tensor):
        return [views]
    return [each for inner in (views.values() if isinstance(views, dict) else views) for each in tensors(inner)]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", VIEWS)
def test_views(name: str, workers: int, folder: Path) -> None:
    transform = VIEWS[name]()
    dataset = TheirImageFolder(folder, transform)
    loader, torchs = DataLoader(dataset, 3, num_workers=workers, native="require"), TorchDataLoader(dataset, 3)
    plan, images = recognize(transform), iter(range(7))
    for (views, labels), (their_views, their_labels) in zip(loader, torchs, strict=True):
        assert shape_of(views) == shape_of(their_views)
        same(labels, their_labels)
        for row in range(len(labels)):
            index = next(images)
            image = Image.open(dataset.samples[index][0]).convert("RGB")
            expected = replayed(image, transform, loader.drawn(index), plan)
            for made, wanted in zip(tensors(views), tensors(expected), strict=True):
                same(made[row], wanted, f"{name}, sample {index}")


@pytest.mark.parametrize("name", VIEWS)
def test_a_sample_keeps_its_tuples(name: str, folder: Path) -> None:
    """A collate_fn of the user's gets samples as the code returns them; so does who asks for one by index."""
    ours, dataset = datasets.ImageFolder(folder, VIEWS[name]()), TheirImageFolder(folder, VIEWS[name]())
    loader = DataLoader(dataset, 2, collate_fn=lambda samples: samples)
    for sample, (views, _) in zip(next(iter(loader)), [dataset[0], dataset[1]], strict=True):
        assert shape_of(sample[0]) == shape_of(views)
    assert shape_of(ours[3][0]) == shape_of(dataset[3][0])


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_followed(name: str) -> None:
    made, why = REFUSED[name]
    loader = DataLoader(in_memory(IMAGES, theirs.Compose([made(), TO_TENSOR])), 5)
    assert explain(loader).startswith("native in part")
    with pytest.raises(Refused, match=why):
        trace(made())
    assert why in explain(loader)
    for (images, _), array in zip(DataLoader(loader.dataset), IMAGES, strict=True):
        assert images.shape[2:] == array.shape[:2]


@pytest.mark.parametrize("name", REFUSED_VIEWS)
def test_views_that_are_not_followed(name: str, folder: Path) -> None:
    loader = DataLoader(TheirImageFolder(folder, REFUSED_VIEWS[name]()), 1)
    assert explain(loader).startswith("native in part")
    for (views, _), (their_views, _) in zip(loader, TorchDataLoader(loader.dataset, 1), strict=True):
        assert len(views) == len(their_views) == 2


def random_states() -> Any:
    of_numpy: Any = np.random.get_state()  # noqa: NPY002
    return random.getstate(), torch.get_rng_state().tolist(), of_numpy[1].tolist()


def test_nothing_is_changed_by_a_look() -> None:
    keeping, counting, times = own_transforms.Keeping(), own_transforms.Counting(), own_transforms.TIMES
    state = random_states()
    for step in (keeping, counting, own_transforms.printing, own_transforms.global_count, own_transforms.MaybeBlur()):
        trace_of(step)
    assert (keeping.seen, counting.calls, own_transforms.TIMES) == ([], 0, times)
    assert state == random_states()


def test_what_is_set_later_is_seen_by_the_next_epoch() -> None:
    step = own_transforms.Solarization(0.0)
    dataset = in_memory(IMAGES, theirs.Compose([step, TO_TENSOR]))
    loader = DataLoader(dataset, 24)
    ((images, _),) = loader
    for threshold in (0, 100):
        step.p, step.threshold = 1.0, threshold
        before = images
        ((images, _),) = loader
        assert not torch.equal(images, before)
        same(images[3], TO_TENSOR(ImageOps.solarize(Image.fromarray(IMAGES[3]), threshold)))


CHANGES: dict[str, Callable[[Any], Any]] = {
    "an attribute": lambda step: setattr(step, "sigma", (5.0, 5.0)),
    "a list in place": lambda step: step.sigma.__setitem__(slice(None), [5.0, 5.0]),
    "the class": lambda step: setattr(type(step), "__call__", lambda _, image: ImageOps.invert(image)),
    "a global": lambda step: vars(own_transforms).__setitem__("ImageFilter", mock.Mock()),
    "a method of the object": lambda step: setattr(step, "__class__", own_transforms.Counting),
}


@pytest.mark.parametrize("change", CHANGES)
def test_by_index_what_changes_is_seen(change: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_transforms, "ImageFilter", ImageFilter)  # put back in the end
    cls = type("Blur", (own_transforms.RangeBlur,), {"__call__": own_transforms.RangeBlur.__call__})
    step = cls([0.0, 0.0])
    dataset = datasets.ImageFolder(folder, theirs.Compose([step, TO_TENSOR]))
    image = Image.open(dataset.samples[0][0]).convert("RGB")
    same(dataset[0][0], TO_TENSOR(image))
    step.calls = 0
    CHANGES[change](step)
    if change == "a global":
        vars(own_transforms)["ImageFilter"].GaussianBlur = lambda radius: ImageFilter.BoxBlur(3 + radius)
    same(dataset[0][0], TO_TENSOR(step(image)))


def test_a_replaced_function_is_not_taken_for_pillow_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageFilter.GaussianBlur, "filter", lambda _, image: image)
    assert "was replaced" in recognize(theirs.Compose([own_transforms.RangeBlur(), TO_TENSOR])).why
    monkeypatch.undo()
    monkeypatch.setattr(random, "uniform", mock.Mock())
    assert recognize(theirs.Compose([own_transforms.RangeBlur(), TO_TENSOR])).why
    monkeypatch.setattr(random, "uniform", lambda low, _: low)  # which is followed in its turn
    (op,) = recognize(theirs.Compose([own_transforms.RangeBlur(), TO_TENSOR])).ops
    assert str(op) == "RandomGaussianBlur(radius=(0.1, 0.1), p=1)"


def test_equivalents_are_named() -> None:
    """Where a blur is not followed, `explain` says what takes its place."""
    why = recognize(theirs.Compose([own_transforms.SameNumberTwice(), TO_TENSOR])).why
    assert "RandomGaussianBlur of torchfeed.transforms can take its place" in why
