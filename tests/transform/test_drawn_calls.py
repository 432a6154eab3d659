"""Drawn calls: pairs, as they always were, which know the function that they are."""

from __future__ import annotations

import copy
import pickle

from oracle import F, functional
from pictures import in_memory, picture, pixels
from torchfeed import transforms as T
from torchfeed.recognize import Call


def test_calls_are_pairs_that_name_their_function() -> None:
    transform = T.Compose([T.RandomCrop(8, padding=2, fill=9), T.RandomHorizontalFlip(1), T.Resize(5), T.ToTensor()])
    calls = in_memory([pixels(20, 24)], transform).draw(0, seed=1)
    assert [call.step for call in calls] == ["RandomCrop", "RandomHorizontalFlip", "Resize"]
    assert [call.function for call in calls] == ["crop", "hflip", "resize"]
    assert calls[1] == ("RandomHorizontalFlip", {})
    assert repr(calls[1]) == "('RandomHorizontalFlip', {})"
    ((name, parameters), *_) = calls
    assert (name, parameters) == (calls[0].step, calls[0].parameters) == calls[0]
    assert [function for function, _ in calls[0].functions()] == ["pad", "crop"]
    assert all(hasattr(F, function) for call in calls for function, _ in call.functions())
    for same in (pickle.loads(pickle.dumps(calls)), copy.deepcopy(calls)):
        assert same == calls
        assert [call.function for call in same] == ["crop", "hflip", "resize"]


def test_what_runs_in_python_has_no_function() -> None:
    transform = T.Compose([T.CenterCrop(8), lambda image: image.rotate(0), T.ToTensor()])
    *_, python = in_memory([pixels(20, 24)], transform).draw(0, seed=1)
    assert isinstance(python, Call)
    assert (python.step, python.function) == ("Python", "")


def test_pairs_that_were_taken_apart_are_replayed_too() -> None:
    transform = T.Compose([T.Pad(3), T.RandomResizedCrop(9), T.RandomVerticalFlip(1), T.CenterCrop(20), T.ToTensor()])
    calls = in_memory([pixels(20, 24)], transform).draw(0, seed=1)
    image = picture(20, 24)
    replayed = functional(image, [(call.step, call.parameters) for call in calls])
    assert replayed.tobytes() == functional(image, calls).tobytes()
