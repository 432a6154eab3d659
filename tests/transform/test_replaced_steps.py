"""Steps of which some code was replaced: the loader makes what torch's loader makes of them, and `explain` names it."""

from __future__ import annotations

import functools
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from known_transforms import EXAMPLES, IMAGE, IMAGES, make
from oracle import theirs, v2
from pictures import in_memory
from replacements import other
from torchfeed import DataLoader, explain
from torchfeed import transforms as ours
from torchfeed.recognize import class_name
from torchfeed.recognize.rules import RULES


def flipped(image: Image.Image, *_: Any) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_TOP_BOTTOM).crop((0, 0, 7, 6))


def as_torch(transform: Any, to_tensor: Any = None) -> None:
    chain = theirs.Compose([transform, to_tensor or theirs.PILToTensor()])
    dataset = in_memory(IMAGES, chain)
    text = explain(DataLoader(dataset, 3))
    assert text.startswith("native in part")
    equal(list(DataLoader(dataset, 3)), list(TorchDataLoader(in_memory(IMAGES, lambda image: chain(image)), 3)))  # noqa: PLW0108
    equal([dataset[i][0] for i in range(3)], [chain(Image.fromarray(image)) for image in IMAGES])


@pytest.mark.parametrize("how", ["object", "class"])
@pytest.mark.parametrize(("kind", "name"), [e for e in EXAMPLES if RULES[e[1]].kind != "values" and e[1] != "Compose"])
def test_a_loader_runs_what_was_put_there(kind: str, name: str, how: str) -> None:
    example = make(kind, name)
    method = "forward" if isinstance(example, nn.Module) else "__call__"
    if how == "class":
        owner = next(base for base in type(example).__mro__ if method in vars(base))
        with mock.patch.object(owner, method, lambda _, image: flipped(image)):
            as_torch(example, ours.PILToTensor() if kind != "torchfeed" else None)
    elif isinstance(example, nn.Module):
        example.forward = flipped
        as_torch(example)


@pytest.mark.parametrize("module", [theirs, v2])
@pytest.mark.parametrize("cls", ["RandomCrop", "RandomResizedCrop"])
def test_parameters_of_a_user_s(module: Any, cls: str) -> None:
    example = getattr(module, cls)(8)
    if module is theirs:
        example.get_params = lambda *_: (1, 2, 8, 8)
    elif cls == "RandomCrop":
        box = {"top": 1, "left": 2, "height": 8, "width": 8, "needs_crop": True, "needs_pad": False}
        example.make_params = example._get_params = lambda _: box
    else:
        example.make_params = example._get_params = lambda _: {"top": 1, "left": 2, "height": 9, "width": 7}
    as_torch(example)
    assert "set on the object" in explain(DataLoader(in_memory(IMAGES, theirs.Compose([example, theirs.ToTensor()]))))


FUNCTIONALS = [
    (theirs.functional, "resize", theirs.Resize((8, 9))),
    (theirs.functional, "center_crop", theirs.CenterCrop(8)),
    (theirs.functional, "hflip", theirs.RandomHorizontalFlip(1.0)),
    (theirs.functional, "pad", theirs.Pad(2)),
    (v2.functional, "resize", v2.Resize((8, 9))),
    (v2.functional, "horizontal_flip", v2.RandomHorizontalFlip(1.0)),
    (theirs.functional.F_pil, "resize", theirs.Resize((8, 9))),
    (theirs.functional.F_pil, "hflip", v2.RandomHorizontalFlip(1.0)),
    (Image.Image, "resize", theirs.Resize((8, 9))),
    (Image.Image, "transpose", v2.RandomVerticalFlip(1.0)),
    (Image.Image, "crop", theirs.CenterCrop(8)),
    (torch, "rand", theirs.RandomHorizontalFlip(0.5)),
    (torch, "randint", theirs.RandomCrop(8)),
]


@pytest.mark.parametrize(("owner", "name", "step"), FUNCTIONALS)
@pytest.mark.parametrize("replacement", [other, mock.Mock(), functools.partial(other)])
def test_functions_that_transforms_call(owner: Any, name: str, step: Any, replacement: Any) -> None:
    chain = theirs.Compose([step, theirs.ToTensor()])
    assert explain(DataLoader(in_memory(IMAGES, chain))).startswith("native, ")
    with mock.patch.object(owner, name, replacement):
        text = explain(DataLoader(in_memory(IMAGES, chain)))
    assert text.startswith("native in part")
    assert f"{name} was replaced by" in text
    assert explain(DataLoader(in_memory(IMAGES, chain))).startswith("native, ")


@pytest.mark.parametrize(
    ("functional", "step"),
    [
        ("resize", v2.Resize((8, 9))),
        ("center_crop", v2.CenterCrop(8)),
        ("pad", v2.Pad(2)),
        ("crop", v2.RandomCrop(8)),
        ("resized_crop", v2.RandomResizedCrop(8)),
        ("horizontal_flip", v2.RandomHorizontalFlip(1.0)),
        ("vertical_flip", v2.RandomVerticalFlip(1.0)),
    ],
)
def test_kernels(functional: str, step: Any) -> None:
    from torchvision.transforms.v2.functional import _utils as utils  # noqa: PLC0415

    registry = utils._KERNEL_REGISTRY[getattr(v2.functional, functional)]
    vertical = utils._KERNEL_REGISTRY[v2.functional.vertical_flip][Image.Image]
    for kernel in (other, mock.Mock(), flipped, *([vertical] if functional != "vertical_flip" else [])):
        with mock.patch.dict(registry, {Image.Image: kernel}):
            assert class_name(step) is None
            if kernel is flipped:
                step_to_tensor = v2.Compose([lambda image, *_: step(image), v2.PILToTensor()])
                dataset = in_memory(IMAGES, v2.Compose([step, v2.PILToTensor()]))
                with mock.patch.dict(registry, {Image.Image: lambda image, *_, **__: flipped(image)}):
                    expected = list(TorchDataLoader(in_memory(IMAGES, step_to_tensor), 3))
                    equal(list(DataLoader(dataset, 3)), expected)
    assert class_name(step) == type(step).__name__


def test_types_that_v2_passes_over() -> None:
    step = v2.Resize((8, 9))
    chain = v2.Compose([step, v2.PILToTensor()])
    for patched in (
        mock.patch.object(v2.Transform, "_transformed_types", (torch.Tensor,)),
        mock.patch.object(v2.Resize, "_transformed_types", (torch.Tensor,), create=True),
        mock.patch.object(step, "_transformed_types", (torch.Tensor,)),
    ):
        with patched:
            assert explain(DataLoader(in_memory(IMAGES, chain))).startswith("native in part")
            assert DataLoader(in_memory(IMAGES, chain), 1).__iter__().__next__()[0].shape == (1, 3, 20, 24)
    assert explain(DataLoader(in_memory(IMAGES, chain))).startswith("native, ")


def test_steps_in_a_list_of_a_user_s() -> None:
    class Backwards(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            return reversed(self)

    steps = Backwards([theirs.CenterCrop(8), theirs.Resize((4, 5))])
    as_torch(theirs.Compose(steps))
    as_torch(v2.RandomApply(steps, p=1.0))


# Before torchfeed is there

EARLY = """
import functools, json, os, sys
import torch, torchvision, PIL.Image
import numpy as np
from torchvision.transforms import v2
T = torchvision.transforms
def spy(function):
    @functools.wraps(function)
    def inner(*args, **kwargs): return function(*args, **kwargs)
    return inner
cases = json.loads(sys.argv[1])
for patch, step in cases:
    child = os.fork() if len(cases) > 1 else 0
    if child:
        assert os.waitpid(child, 0)[1] == 0, (patch, step)
        continue
    assert "torchfeed" not in sys.modules
    exec(patch)
    from torchfeed import DataLoader, explain, datasets
    chain = T.Compose([eval(step), T.ToTensor()])
    said = explain(DataLoader(datasets.ImageList(np.zeros((2, 20, 20, 3), np.uint8), transform=chain)))
    print(json.dumps(said), flush=True)
    break
"""
PATCHES = [
    ("", "T.CenterCrop(8)"),
    ("T.CenterCrop.forward = spy(T.CenterCrop.forward)", "T.CenterCrop(8)"),
    ("T.RandomCrop.get_params = staticmethod(spy(T.RandomCrop.get_params))", "T.RandomCrop(8)"),
    ("T.RandomCrop.get_params = staticmethod(T.RandomResizedCrop.get_params)", "T.RandomCrop(8)"),
    ("T.functional.hflip = T.functional.vflip", "T.RandomHorizontalFlip(1)"),
    ("T.functional.hflip.__code__ = T.functional.vflip.__code__", "T.RandomHorizontalFlip(1)"),
    ("v2.functional.resize = v2.functional.center_crop", "v2.Resize(8)"),
    ("v2.Transform.forward = spy(v2.Transform.forward)", "v2.CenterCrop(8)"),
    ("torch.nn.Module.__call__ = spy(torch.nn.Module.__call__)", "T.Pad(2)"),
    ("PIL.Image.Image.crop = spy(PIL.Image.Image.crop)", "T.CenterCrop(8)"),
    ("T.ToTensor.__call__ = spy(T.ToTensor.__call__)", "T.CenterCrop(8)"),
]


def explained_early(cases: list[tuple[str, str]]) -> list[str]:
    command = [sys.executable, "-c", EARLY, json.dumps(cases)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def early() -> dict[tuple[str, str], str]:
    """What `explain` says after each patch, in a process of its own; on Linux they are forks of one that has torch."""
    several = [PATCHES] if sys.platform == "linux" else [[case] for case in PATCHES]
    return dict(zip(PATCHES, [said for cases in several for said in explained_early(cases)], strict=True))


@pytest.mark.parametrize(("patch", "step"), PATCHES)
def test_replaced_before_torchfeed_is_imported(patch: str, step: str, early: dict[tuple[str, str], str]) -> None:
    said = early[patch, step]
    assert said.startswith("native in part" if patch else "native, "), said


def test_torchfeed_s_own_in_a_subclass_or_a_wrapper() -> None:
    class Turned(ours.CenterCrop):
        def __call__(self, img: Image.Image) -> Image.Image:
            return super().__call__(img.rotate(90))

    expected = ours.CenterCrop(8)(IMAGE.rotate(90))
    assert Turned(8)(IMAGE).tobytes() == expected.tobytes()
    was = ours.CenterCrop.__mro__[1].__call__
    with mock.patch.object(ours.CenterCrop.__mro__[1], "__call__", lambda self, image: was(self, image.rotate(90))):
        assert ours.CenterCrop(8)(IMAGE).tobytes() == expected.tobytes()
        dataset = in_memory(IMAGES[:1], theirs.Compose([ours.CenterCrop(8), theirs.PILToTensor()]))
        assert explain(DataLoader(dataset)).startswith("native in part")
        ((batch, _),) = DataLoader(dataset)
    assert np.array_equal(batch[0].permute(1, 2, 0).numpy(), np.asarray(expected))
    assert inspect.isfunction(was)


def test_target_transforms() -> None:
    dataset = in_memory(IMAGES, ours.ToTensor())
    dataset.target_transform = ours.OneHot(3)
    assert explain(DataLoader(dataset)).startswith("native, ")
    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(ours.OneHot, "__call__", lambda _, target: target + 10))
        assert explain(DataLoader(dataset)).startswith("native in part")
        assert [int(target) for _, target in DataLoader(dataset)] == [10, 11, 12]
    assert explain(DataLoader(dataset)).startswith("native, ")
