"""Options as attributes of a loader, for whoever makes it again from them, and their place beside a subclass's own."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from torch.utils.data import TensorDataset

from torchfeed import DataLoader, Limits, explain
from torchfeed.settings import OPTIONS

DATA = TensorDataset(torch.arange(8.0))
GIVEN: dict[str, Any] = {
    "memory_format": torch.channels_last,
    "decode": "fast",
    "nice": 3,
    "native": "off",
    "row_index_memory": 0,
    "device": torch.device("cpu"),
    "on_error": "skip",
    "max_errors": 5,
    "limits": Limits(max_scans=7),
    "lazy_images": False,
    "trace": False,
    "snapshot_every_n_steps": 10,
}


class Passing(DataLoader[Any]):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)


class Setting(DataLoader[Any]):
    """Sets an option itself, so that nobody may give it again."""

    def __init__(self, dataset: Any, **kwargs: Any) -> None:
        super().__init__(dataset, on_error="skip", **kwargs)


class Naming(DataLoader[Any]):
    def __init__(self, dataset: Any, *, on_error: Any = "replace", **kwargs: Any) -> None:
        super().__init__(dataset, on_error=on_error, **kwargs)


def made_again(loader: Any) -> Any:
    """As Lightning's and Fabric's `_update_dataloader` make one for several devices."""
    attributes = {name: value for name, value in vars(loader).items() if not name.startswith("_")}
    parameters = dict(inspect.signature(loader.__init__).parameters)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        parameters |= dict(inspect.signature(torch.utils.data.DataLoader.__init__).parameters)
        del parameters["self"]
    left_out = {"batch_sampler", "sampler", "shuffle", "drop_last", "batch_size"}
    return type(loader)(
        **{name: attributes[name] for name in parameters if name in attributes and name not in left_out}, batch_size=2
    )


def test_all_options_are_known() -> None:
    assert set(GIVEN) == set(OPTIONS)
    signature = inspect.signature(DataLoader.__init__)
    assert set(OPTIONS) < set(signature.parameters)
    for name in OPTIONS:
        assert getattr(DataLoader(DATA), name) == signature.parameters[name].default


def test_a_loader_has_nothing_else_than_torch_s_attributes_and_its_options() -> None:
    ours, torchs = DataLoader(DATA, 2), torch.utils.data.DataLoader(DATA, 2)
    list(ours)
    private = {"_torchfeed"}
    shown = {"drawn", "errors", "load_state_dict", "seed", "state_dict"}
    assert {*vars(ours)} - {*vars(torchs)} - {"in_order"} == private | {*OPTIONS}
    of_copies = {"__slotnames__"}  # copyreg notes it on a class whose objects were pickled
    assert {*dir(ours)} - {*dir(torchs)} - {"in_order"} - of_copies == private | {*OPTIONS} | shown


@pytest.mark.parametrize("cls", [DataLoader, Passing])
def test_a_loader_that_is_made_again_has_its_options(cls: Any) -> None:
    loader = cls(DATA, 2, **GIVEN)
    for other in (made_again(loader), made_again(made_again(loader)), copy.deepcopy(loader)):
        assert {name: getattr(other, name) for name in OPTIONS} == GIVEN
        assert other._torchfeed.options == loader._torchfeed.options
    again = pickle.loads(pickle.dumps(cls(DATA, 2, **{**GIVEN, "on_error": "replace"})))
    assert again.on_error == "replace"
    assert len(list(again)) == 4


def test_an_option_that_the_class_sets_is_not_given_twice() -> None:
    loader = Setting(DATA, nice=4)
    assert (loader.on_error, loader.nice) == ("skip", 4)
    other = made_again(loader)
    assert (other.on_error, other.nice) == ("skip", 4)
    named = made_again(Naming(DATA, on_error="skip", nice=2))
    assert (named.on_error, named.nice, named._torchfeed.options.on_error) == ("skip", 2, "skip")
    default = made_again(Naming(DATA))
    assert default.on_error == "replace"


def test_a_signature_tells_of_the_options() -> None:
    """That of the object, whose options were given; that of the class is the user's, and is left alone."""
    loader = Passing(DATA, nice=2)
    parameters = inspect.signature(loader.__init__).parameters  # type: ignore[misc]
    assert set(OPTIONS) < set(parameters)
    assert parameters["on_error"].default == "raise"
    assert [*parameters][-1] == "kwargs"
    named = Naming(DATA, nice=2)
    assert inspect.signature(named.__init__).parameters["on_error"].default == "replace"  # type: ignore[misc]
    assert [*inspect.signature(Passing.__init__).parameters] == ["self", "args", "kwargs"]
    assert [*inspect.signature(Passing(DATA).__init__).parameters] == ["args", "kwargs"]  # type: ignore[misc]


def test_a_loader_can_be_set_up_again() -> None:
    loader = Passing(DATA, 2, nice=2)
    loader._DataLoader__initialized = False
    loader.__init__(DATA, 4)  # type: ignore[misc]
    assert (len(list(loader)), loader._torchfeed.options.nice) == (2, 0)
    with pytest.raises(TypeError, match=r"call Passing.__init__\(loader, ...\)"):
        copy.copy(Passing(DATA, 2, nice=2)).__init__(DATA)  # type: ignore[misc]


@pytest.mark.parametrize("cls", [DataLoader, Passing])
def test_an_option_can_be_set(cls: Any) -> None:
    loader = cls(DATA, 2)
    loader.native = "off"
    assert explain(loader).startswith("torch's own path")
    loader.limits = Limits(max_scans=3)
    assert loader._torchfeed.options.limits == Limits(max_scans=3)
    assert loader.limits == Limits(max_scans=3)


def test_an_option_that_is_set_is_checked() -> None:
    loader = DataLoader(DATA, 2)
    with pytest.raises(ValueError, match="nice should be from 0 to 19"):
        loader.nice = 20
    assert loader.nice == 0
    loader.device = torch.device("cpu")
    assert type(iter(loader)).__name__ == "Ahead"


def test_a_subclass_may_use_every_name() -> None:
    """What it sets there is its own, and the options are as they were given."""

    class Mine(DataLoader[Any]):
        on_error = limits = "of the class"

        def seed(self) -> int:  # type: ignore[override]
            return 7

    loader = Mine(DATA, 2, nice=2)
    for name in OPTIONS:
        if name not in {"on_error", "limits"}:
            setattr(loader, name, f"my {name}")
            assert getattr(loader, name) == f"my {name}"
    loader.errors = loader.drawn = loader.state = 3  # type: ignore[assignment, method-assign]
    assert (loader.on_error, loader.limits, loader.seed()) == ("of the class", "of the class", 7)
    assert loader._torchfeed.options == DataLoader(DATA, 2, nice=2)._torchfeed.options
    assert len(list(loader)) == 4
    assert explain(loader).startswith("native, ")
    del loader.nice
    assert loader.nice == 2
