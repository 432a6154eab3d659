"""Code that was replaced runs: on an object, on a class, in a module or in a registry, however and whenever."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from types import FunctionType, ModuleType
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn.modules import module as torch_module
from torch.utils.data import DataLoader as TorchDataLoader

from equality import equal
from oracle import theirs, v2
from pictures import in_memory, pixels
from replacements import REPLACEMENTS, function_in, other, replaced, wrapped
from torchfeed import DataLoader, explain
from torchfeed import transforms as ours
from torchfeed.recognize import class_name
from torchfeed.recognize.geometry import GEOMETRY, STRUCTURE
from torchfeed.recognize.known import CLASSES
from torchfeed.recognize.replaced import code_of
from torchfeed.recognize.value import VALUES
from torchfeed.recognize.written import names_in

IMAGES = [pixels(20, 24, seed=i) for i in range(3)]
IMAGE = Image.fromarray(IMAGES[0])
FLOATS = torch.rand(3, 8, 8)

# How each class that is known is made, from the module that it is in.
MADE: dict[str, Callable[[Any], Any]] = {
    "CenterCrop": lambda m: m.CenterCrop(8),
    "Compose": lambda m: m.Compose([m.CenterCrop(8)]),
    "ConvertImageDtype": lambda m: m.ConvertImageDtype(torch.float32),
    "Identity": lambda m: m.Identity(),
    "Normalize": lambda m: m.Normalize([0.5], [0.5]),
    "PILToTensor": lambda m: m.PILToTensor(),
    "Pad": lambda m: m.Pad(2),
    "RandomApply": lambda m: m.RandomApply([m.CenterCrop(8)], p=1.0),
    "RandomChoice": lambda m: m.RandomChoice([m.CenterCrop(8)]),
    "RandomCrop": lambda m: m.RandomCrop(8, padding=2),
    "RandomHorizontalFlip": lambda m: m.RandomHorizontalFlip(1.0),
    "RandomOrder": lambda m: m.RandomOrder([m.CenterCrop(8)]),
    "RandomResizedCrop": lambda m: m.RandomResizedCrop(8),
    "RandomVerticalFlip": lambda m: m.RandomVerticalFlip(1.0),
    "Resize": lambda m: m.Resize((8, 9)),
    "Sequential": lambda m: m.Sequential(theirs.CenterCrop(8)),
    "ToDtype": lambda m: m.ToDtype(torch.float32, scale=True),
    "ToImage": lambda m: m.ToImage(),
    "ToPureTensor": lambda m: m.ToPureTensor(),
    "ToTensor": lambda m: m.ToTensor(),
}
KNOWN = {*GEOMETRY, *STRUCTURE, *VALUES, "Compose", "Identity", "Sequential"} - CLASSES["timm"]
MODULES: dict[str, Any] = {"v1": theirs, "v2": v2, "torchfeed": ours, "torch": nn}
OF_TENSORS = {"ConvertImageDtype", "Normalize", "ToDtype", "ToPureTensor"}

EXAMPLES = [
    (kind, name)
    for kind, module in MODULES.items()
    for name in sorted(KNOWN)
    if hasattr(module, name) and (kind != "torch" or name in {"Identity", "Sequential"})
]


def make(kind: str, name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # v2.ToTensor warns
        return MADE[name](MODULES[kind])


def argument(name: str) -> Any:
    return FLOATS.clone() if name in OF_TENSORS else IMAGE.copy()


def test_every_class_that_is_known_is_here() -> None:
    assert set(MADE) == KNOWN
    assert {name for _, name in EXAMPLES} == KNOWN


def nothing(image: Any) -> Any:
    return image


# The functions that run


def functions_run(call: Callable[[Any], Any], *arguments: Any) -> dict[Any, dict[str, Any]]:
    """All Python functions that run in some calls: their codes, and the globals of each."""
    found = {}

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call":
            found[frame.f_code] = frame.f_globals

    for value in arguments:
        sys.setprofile(note)
        try:
            call(value)
        finally:
            sys.setprofile(None)
    return found


def users(name: str, run: dict[Any, Any]) -> list[Any]:
    """The functions that ran and use a name."""
    return [code for code in run if name in names_in(code)]


def is_asked_for(owner: Any, name: str, run: dict[Any, dict[str, Any]]) -> bool:
    """Whether a function that ran uses the name, and may mean the one in that module or class."""
    asking = [run[code] for code in users(name, run)]
    if isinstance(owner, type):
        return name == "__call__" or bool(asking)
    return any(names is vars(owner) or any(value is owner for value in names.values()) for names in asking)


WATCHED = ("torchvision.", "PIL.", "timm.", "torch.nn.modules.module", "torch.nn.modules.container", "torchfeed.transf")


def places() -> Iterator[tuple[Any, str, Any]]:
    """All functions in modules and classes: (owner, name, value)."""
    for module in [m for n, m in list(sys.modules.items()) if n.startswith(WATCHED) and isinstance(m, ModuleType)]:
        for name, value in list(vars(module).items()):
            if isinstance(value, FunctionType):
                yield module, name, value
            elif isinstance(value, type) and value.__module__ == module.__name__:
                for method, function in list(vars(value).items()):
                    yield value, method, function


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_no_function_that_runs_can_be_replaced_unnoticed(kind: str, name: str) -> None:
    """Found by running the class, and not by the way in which torchfeed finds them."""
    example = make(kind, name)
    if name in {*STRUCTURE, "Compose"}:
        example.transforms = [nothing]
    if name == "Sequential":
        del example[0]
    example(argument(name))  # what it imports, it has imported then
    run = functions_run(example, *(argument(name) for _ in range(3)))
    tried = 0
    for owner, attribute, value in list(places()):
        if getattr(function_in(value), "__code__", None) not in run or not is_asked_for(owner, attribute, run):
            continue
        home = (owner if isinstance(owner, ModuleType) else sys.modules[owner.__module__]).__name__
        if kind == "torchfeed" and not home.startswith("torchfeed."):
            continue  # it takes pixels out of an image and puts them in again
        if home.startswith("PIL.") and not any("torchvision" in code.co_filename for code in users(attribute, run)):
            continue  # what Pillow calls in its turn
        if isinstance(owner, type) and ".transforms." in home and owner not in type(example).__mro__:
            continue  # another class, which has got the same function
        assert class_name(example) == name
        with replaced(owner, attribute, wrapped(value)):
            assert class_name(example) is None, (owner, attribute)
        tried += 1
    assert class_name(example) == name
    assert tried >= 1


@pytest.mark.parametrize("how", REPLACEMENTS)
@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_every_way_to_replace_a_method(kind: str, name: str, how: str) -> None:
    example = make(kind, name)
    assert class_name(example) == name
    methods = [
        (base, attribute)
        for base in type(example).__mro__[:-1]
        for attribute, value in vars(base).items()
        # Another name of the same function, which nobody asks for.
        if attribute in code_of(type(example)).names - {"_wrapped_call_impl"}
        and isinstance(function_in(value), FunctionType)
    ]
    assert methods
    for base, attribute in methods:
        with replaced(base, attribute, REPLACEMENTS[how](vars(base)[attribute])):
            assert class_name(example) is None, (base, attribute)
        if isinstance(example, nn.Module) or attribute != "__call__":
            copied = copy.copy(example)
            copied.__dict__ = {**example.__dict__, attribute: REPLACEMENTS[how](vars(base)[attribute])}
            assert class_name(copied) is None, attribute
    assert class_name(example) == name


def asked(self: Any, name: str) -> Any:
    return object.__getattribute__(self, name)


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_methods_that_a_class_gets(kind: str, name: str) -> None:
    example = make(kind, name)
    methods: dict[str, Any] = {"__call__": theirs.Pad.forward, "__getattribute__": asked}
    if isinstance(example, nn.Module):
        methods["forward"] = theirs.Pad.forward
    for attribute in methods.keys() - vars(type(example)).keys():
        with mock.patch.object(type(example), attribute, methods[attribute], create=True):
            assert class_name(example) is None, attribute
    assert class_name(example) == name


@pytest.mark.parametrize(("kind", "name"), EXAMPLES)
def test_copies_are_what_their_originals_are(kind: str, name: str) -> None:
    example = make(kind, name)
    for duplicate in (copy.copy(example), copy.deepcopy(example), pickle.loads(pickle.dumps(example))):
        assert class_name(duplicate) == name
    for named in ("Mine", name):
        copied = copy.copy(example)
        copied.__class__ = type(named, (type(example),), {"__module__": type(example).__module__})
        assert class_name(copied) is None


def test_timm_s() -> None:
    timm = pytest.importorskip("timm.data.transforms")
    for example in (timm.MaybeToTensor(), timm.MaybePILToTensor(), timm.RandomResizedCropAndInterpolation(8)):
        assert class_name(example) == type(example).__name__
        for base in type(example).__mro__[:-1]:
            for attribute in {"__call__", "get_params", "forward"} & vars(base).keys():
                if attribute in code_of(type(example)).names:
                    with replaced(base, attribute, wrapped(vars(base)[attribute])):
                        assert class_name(example) is None
    assert {type(example).__name__ for example in (timm.MaybeToTensor(),)} < CLASSES["timm"]


# What a loader gives


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
@pytest.mark.parametrize(("kind", "name"), [e for e in EXAMPLES if e[1] not in VALUES | {"Compose"}])
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


def test_another_module_in_the_place_of_functional() -> None:
    transforms = sys.modules["torchvision.transforms.transforms"]
    fake = mock.Mock(wraps=theirs.functional)
    with mock.patch.object(transforms, "F", fake):
        assert class_name(theirs.CenterCrop(8)) is None
    assert class_name(theirs.CenterCrop(8)) == "CenterCrop"


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


# Hooks


def noop(*_: Any) -> None:
    pass


HOOKS: dict[str, Callable[[Any], Any]] = {
    "forward": lambda m: m.register_forward_hook(lambda *_: None),
    "forward, always": lambda m: m.register_forward_hook(lambda *_: None, always_call=True),
    "forward, with names": lambda m: m.register_forward_hook(lambda *_: None, with_kwargs=True),
    "before": lambda m: m.register_forward_pre_hook(lambda *_: None),
    "before, with names": lambda m: m.register_forward_pre_hook(lambda *_: None, with_kwargs=True),
    "backward": lambda m: m.register_full_backward_hook(lambda *_: None),
    "before backward": lambda m: m.register_full_backward_pre_hook(lambda *_: None),
    "all": lambda _: torch_module.register_module_forward_hook(noop),
    "all, always": lambda _: torch_module.register_module_forward_hook(noop, always_call=True),
    "before all": lambda _: torch_module.register_module_forward_pre_hook(noop),
    "backward of all": lambda _: torch_module.register_module_full_backward_hook(noop),
    "before backward of all": lambda _: torch_module.register_module_full_backward_pre_hook(noop),
}


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("kind", "name"), [e for e in EXAMPLES if isinstance(make(*e), nn.Module)])
def test_hooks(kind: str, name: str, hook: str) -> None:
    example = make(kind, name)
    handle = HOOKS[hook](example)
    try:
        assert class_name(example) is None
    finally:
        handle.remove()
    assert class_name(example) == name


@pytest.mark.filterwarnings("ignore")  # scripting is on its way out
def test_compiled_by_torch() -> None:
    scripted = torch.jit.script(nn.Sequential(theirs.CenterCrop(8)))
    assert class_name(scripted) is None
    compiled = v2.CenterCrop(8)
    compiled.compile(backend="eager")
    assert class_name(compiled) is None
    assert class_name(torch.compile(v2.CenterCrop(8), backend="eager")) is None


def test_steps_in_a_list_of_a_user_s() -> None:
    class Backwards(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            return reversed(self)

    steps = Backwards([theirs.CenterCrop(8), theirs.Resize((4, 5))])
    as_torch(theirs.Compose(steps))
    as_torch(v2.RandomApply(steps, p=1.0))


# Before torchfeed is there

EARLY = """
import functools, sys
import torch, torchvision, PIL.Image
from torchvision.transforms import v2
T = torchvision.transforms
def spy(function):
    @functools.wraps(function)
    def inner(*args, **kwargs): return function(*args, **kwargs)
    return inner
{patch}
from torchfeed import DataLoader, explain, datasets
import numpy as np
chain = T.Compose([{step}, T.ToTensor()])
print(explain(DataLoader(datasets.ImageList(np.zeros((2, 20, 20, 3), np.uint8), transform=chain))))
"""


@pytest.mark.parametrize(
    ("patch", "step"),
    [
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
    ],
)
def test_replaced_before_torchfeed_is_imported(patch: str, step: str) -> None:
    code = EARLY.format(patch=patch, step=step)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("native in part" if patch else "native, "), done.stdout


# torchfeed's own, called by code that replaces it


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
