"""Code that was replaced runs: on an object, on a class, in a module or in a registry, however and whenever."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, cast
from unittest import mock

import pytest
import torch
from torch import nn
from torch.nn.modules import module as torch_module

from known_transforms import EXAMPLES, KNOWN, MADE, ROWS, argument, make
from oracle import theirs, v2
from replacements import REPLACEMENTS, function_in, replaced, wrapped
from torchfeed.recognize import class_name
from torchfeed.recognize.known_classes import CLASSES
from torchfeed.recognize.replaced_code import code_of
from torchfeed.recognize.rules import RULES
from torchfeed.recognize.written_code import names_in


def test_every_class_that_is_known_is_here() -> None:
    assert set(MADE) <= KNOWN <= {*MADE, *ROWS}
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
    asking = [(set(names_in(code)), run[code]) for code in users(name, run)]
    if isinstance(owner, type):
        return name == "__call__" or bool(asking)
    return any(
        held is vars(owner) or any(value is owner and each in names for each, value in held.items())
        for names, held in asking
    )


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
    if name == "Compose" or RULES[name].compose is not None:
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
        if value is cast:
            continue  # it does nothing, and is no function of Pillow's
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


def test_another_module_in_the_place_of_functional() -> None:
    transforms = sys.modules["torchvision.transforms.transforms"]
    fake = mock.Mock(wraps=theirs.functional)
    with mock.patch.object(transforms, "F", fake):
        assert class_name(theirs.CenterCrop(8)) is None
    assert class_name(theirs.CenterCrop(8)) == "CenterCrop"


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
