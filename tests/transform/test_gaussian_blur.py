"""torchvision's GaussianBlur: its pixels, and what is not one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from blurs import IS_OURS, PROMISED
from one_call import ours, picture
from oracle import F, functional, theirs, v2
from pictures import in_memory
from torchfeed import transforms as T
from torchfeed.recognize import recognize

# Images of each test; the two of each library make twice as many.
N = 1000
# The part of values that may differ.
MOST = 0.0 if IS_OURS else PROMISED

V1_AND_V2 = pytest.mark.parametrize("module", [theirs, v2], ids=["v1", "v2"])


def odd(rng: np.random.Generator, edge: int) -> int:
    """The size of a kernel: up to twice the edge, mostly small."""
    most = min(edge - 1, int(rng.choice([1, 4, 12, 40], p=[0.3, 0.4, 0.25, 0.05])))
    return 2 * int(rng.integers(0, most + 1)) + 1


def sigma(rng: np.random.Generator) -> float:
    """A standard deviation as it is drawn, in single precision."""
    return float(np.float32(rng.choice([rng.uniform(0.1, 2), rng.uniform(0.1, 2), rng.uniform(0.01, 30), 1.0, 0.1])))


def differences(made: np.ndarray[Any, Any], expected: Image.Image) -> np.ndarray[Any, Any]:
    difference: np.ndarray[Any, Any] = np.abs(made.astype(np.int16) - np.asarray(expected))
    return difference


@V1_AND_V2
def test_pixels_are_torchvisions_within_the_bound(module: Any) -> None:
    """Any standard deviations, where the exponential function of v1 may be another library's."""
    rng = np.random.default_rng(module is v2)
    wrong = values = 0
    for _ in range(N):
        image = picture(rng)
        size = [odd(rng, image.width), odd(rng, image.height)]
        both = [sigma(rng), sigma(rng)]
        expected = getattr(module, "functional", F).gaussian_blur(image, size, both)
        made = ours(image, "gaussian_blur", kernel_size=size, sigma=both, softmax=module is v2)
        difference = differences(made, expected)
        assert difference.max() <= 1, (image, size, both)
        wrong, values = wrong + int(difference.sum()), values + difference.size
    assert wrong <= (1e-6 if IS_OURS else PROMISED) * values


@V1_AND_V2
def test_drawn_pixels_are_torchvisions(module: Any) -> None:
    rng = np.random.default_rng(5)
    wrong = values = 0
    for case in range(N):
        image = picture(rng)
        array = np.asarray(image)
        low = float(rng.uniform(0.05, 2))
        step = module.GaussianBlur(
            (odd(rng, image.width), odd(rng, image.height)), (low, low + float(rng.uniform(0, 6)))
        )
        pixels = array if array.ndim == 3 else array[:, :, None]
        dataset = in_memory([pixels], theirs.Compose([step, theirs.PILToTensor()]))
        dataset.seed = case
        made = dataset[0][0].permute(1, 2, 0).numpy().reshape(array.shape)
        difference = differences(made, functional(image, dataset.draw(0, seed=case)))
        assert difference.max() <= 1, (image, step)
        # Small gray images go through another function of torch's where the kernel is narrow.
        if image.mode == "RGB" or min(step.kernel_size) > 3:
            wrong, values = wrong + int(difference.sum()), values + difference.size
    assert wrong <= MOST * values


def test_ties_are_resolved_in_torchs_order() -> None:
    """Stripes of neighbouring bytes, whose sums are all near the middle of the two."""
    image = Image.fromarray(np.indices((70, 90)).sum(0).astype(np.uint8)[:, :, None].repeat(3, 2) % 2 + 100)
    for softmax, functions in ((False, F), (True, v2.functional)):
        for size in ([5, 5], [9, 3], [23, 23]):
            made = ours(image, "gaussian_blur", kernel_size=size, sigma=[3.0, 3.0], softmax=softmax)
            assert differences(made, functions.gaussian_blur(image, size, [3.0, 3.0])).mean() <= MOST


@V1_AND_V2
def test_a_kernel_that_is_too_large_is_an_error_as_in_torch(module: Any) -> None:
    array = np.zeros((6, 9, 3), np.uint8)
    for size in ((19, 1), (1, 13)):
        dataset = in_memory([array], theirs.Compose([module.GaussianBlur(size), theirs.PILToTensor()]))
        with pytest.raises(ValueError, match="too large for an image of 9 x 6"):
            dataset[0]
        with pytest.raises(RuntimeError):
            module.GaussianBlur(size)(Image.fromarray(array))
    dataset = in_memory([array], theirs.Compose([module.GaussianBlur((17, 11)), theirs.PILToTensor()]))
    assert dataset[0][0].shape == (3, 6, 9)


@V1_AND_V2
def test_what_is_recognised(module: Any) -> None:
    plan = recognize(theirs.Compose([module.GaussianBlur(3), theirs.ToTensor()]))
    assert not plan.why
    assert any("one value in 10,000" in note for note in plan.notes)
    inside = theirs.RandomApply([module.GaussianBlur(3)])
    assert recognize(theirs.Compose([inside, theirs.ToTensor()])).notes == plan.notes
    for name, value in (
        ("kernel_size", (4, 3)),
        ("kernel_size", (3.0, 3)),
        ("kernel_size", (3, 3, 3)),
        ("sigma", (0.0, 1.0)),
        ("sigma", (2.0, 1.0)),
        ("sigma", (1.0, float("inf"))),
        ("sigma", (1.0,)),
        ("sigma", (float("nan"), 1.0)),
    ):
        step = module.GaussianBlur(3)
        setattr(step, name, value)
        assert name in recognize(theirs.Compose([step, theirs.ToTensor()])).why
    late = recognize(theirs.Compose([theirs.ToTensor(), module.GaussianBlur(3)]))
    assert "GaussianBlur of a tensor runs in Python" in late.why


def test_arguments() -> None:
    assert T.GaussianBlur(3, 1).sigma == (1.0, 1.0)
    assert T.GaussianBlur([5]).kernel_size == (5, 5)
    for arguments in ((4,), (0,), (3, 0), (3, (2, 1)), ((3, 3, 3),), (3.0,)):
        with pytest.raises((TypeError, ValueError)):
            T.GaussianBlur(*arguments)
