"""Affine maps, rotations and perspectives: the pixels of torchvision on Pillow, with explicit parameters."""

import random

import numpy as np
import pytest
from PIL import Image
from torchvision.transforms import InterpolationMode

from oracle import F, v2
from torchfeed import _native

INTERPOLATIONS = {
    0: InterpolationMode.NEAREST,
    2: InterpolationMode.BILINEAR,
    3: InterpolationMode.BICUBIC,
}


def picture(rng: random.Random, most: int = 60) -> Image.Image:
    """A noisy image, mostly small, gray or RGB."""
    most = rng.choice([1, 3, 9, most, most, 600 if rng.random() < 0.02 else most])
    width, height = rng.randint(1, most), rng.randint(1, most)
    shape = (height, width) if rng.random() < 0.4 else (height, width, 3)
    pixels = np.random.default_rng(rng.getrandbits(32))
    if rng.random() < 0.3:
        return Image.fromarray((pixels.integers(0, 2, shape) * 255).astype(np.uint8))
    return Image.fromarray(pixels.integers(0, 256, shape, dtype=np.uint8))


def some_fill(rng: random.Random, image: Image.Image) -> tuple[object, tuple[int, int, int]]:
    """A fill, and the bytes that it stands for."""
    a, b, c = (rng.randint(0, 255) for _ in range(3))
    kind = rng.randrange(4)
    if kind == 0:
        return None, (0, 0, 0)
    if kind == 1:
        return a + 0.75 if a < 255 else a, (a, a, a)
    if kind == 2 and image.mode == "RGB":
        return (a, b, c), (a, b, c)
    return [a], (a, a, a)


def check(image: Image.Image, call: dict[str, dict[str, object]], expected: Image.Image) -> None:
    """The pixels are those expected, every byte."""
    array = np.asarray(image)
    height, width, channels = (*array.shape, 1)[:3]
    (height, width, channels), made = _native.apply_calls(array.tobytes(), (height, width, channels), [call], True)
    assert (width, height) == expected.size, (call, image)
    found = np.frombuffer(made, np.uint8).reshape(height, width, channels)
    wanted = np.asarray(expected).reshape(height, width, channels)
    assert np.array_equal(found, wanted), (call, image, np.argwhere(found != wanted)[:4])


def center(rng: random.Random, image: Image.Image) -> list[float] | None:
    """Somewhere in or beside the image, or nothing."""
    kind = rng.randrange(3)
    if kind == 0:
        return None
    if kind == 1:
        return [rng.randint(0, image.width), rng.randint(0, image.height)]
    return [rng.uniform(-5, image.width + 5), rng.uniform(-5, image.height + 5)]


def angle(rng: random.Random) -> float:
    """An angle, often a special one."""
    return rng.choice([rng.uniform(-180, 180), rng.uniform(-30, 30), rng.randint(-360, 720), 90 * rng.randint(-8, 8)])


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_affine(interpolation: int) -> None:
    rng = random.Random(interpolation)
    for _ in range(1500):
        image = picture(rng)
        fill, colour = some_fill(rng, image)
        rotation = rng.choice([0.0, angle(rng)])
        translate = rng.choice(
            [[0, 0], [rng.randint(-40, 40), rng.randint(-40, 40)], [rng.uniform(-9, 9), rng.uniform(-9, 9)]]
        )
        scale = rng.choice([1.0, rng.uniform(0.1, 4)])
        shear = rng.choice([[0.0, 0.0], [rng.uniform(-60, 60), 0.0], [rng.uniform(-60, 60), rng.uniform(-60, 60)]])
        at = center(rng, image)
        mode = INTERPOLATIONS[interpolation]
        expected = F.affine(image, rotation, translate, scale, shear, mode, fill, at)
        arguments = {"angle": rotation, "translate": translate, "scale": scale, "shear": shear}
        arguments |= {"interpolation": interpolation, "fill": colour, "center": at}
        check(image, {"affine": arguments}, expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_rotate(interpolation: int) -> None:
    rng = random.Random(interpolation + 10)
    for _ in range(1500):
        image = picture(rng)
        fill, colour = some_fill(rng, image)
        rotation, expand, at = angle(rng), rng.random() < 0.5, center(rng, image)
        expected = F.rotate(image, rotation, INTERPOLATIONS[interpolation], expand, at, fill)
        arguments = {"angle": rotation, "expand": expand, "center": at}
        check(image, {"rotate": arguments | {"interpolation": interpolation, "fill": colour}}, expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_transform(interpolation: int) -> None:
    rng = random.Random(interpolation + 20)
    for _ in range(1500):
        image = picture(rng)
        a, b, c = (rng.randint(0, 255) for _ in range(3))
        colour = (a, b, c) if image.mode == "RGB" else a
        big = rng.choice([1, 1, 1, 1, 1e4])
        matrix = [rng.uniform(-2, 2), rng.uniform(-2, 2), rng.uniform(-30, 60) * big]
        matrix += [rng.uniform(-2, 2), rng.uniform(-2, 2), rng.uniform(-30, 60)]
        if rng.random() < 0.3:
            matrix[1] = matrix[3] = 0.0
        if rng.random() < 0.3:
            matrix = [1, rng.uniform(-0.5, 0.5), 0, 0, 1, 0]
        expected = image.transform(image.size, Image.Transform.AFFINE, matrix, interpolation, fillcolor=colour)
        arguments = {"matrix": matrix, "interpolation": interpolation, "fill": (a, b, c)}
        check(image, {"transform": arguments}, expected)


def corners(rng: random.Random, width: int, height: int) -> tuple[list[list[int]], list[list[int]]]:
    """Corners of an image and where they move, as torchvision draws them."""
    distortion = rng.choice([0.2, 0.5, 0.5, 1.0])
    x, y = int(distortion * (width // 2)), int(distortion * (height // 2))
    right, bottom = width - 1 - x, height - 1 - y
    moved = [
        [left + rng.randint(0, x), top + rng.randint(0, y)]
        for left, top in ((0, 0), (right, 0), (right, bottom), (0, bottom))
    ]
    return [[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], moved


def is_flat(points: list[list[int]]) -> bool:
    """Whether three corners of four are on a line."""

    def cross(i: int) -> int:
        (ax, ay), (bx, by), (cx, cy) = (points[(i + step) % 4] for step in range(3))
        return (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)

    return any(cross(i) == 0 for i in range(4))


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
def test_perspective(interpolation: int) -> None:
    rng = random.Random(interpolation + 30)
    for _ in range(1500):
        image = picture(rng)
        fill, colour = some_fill(rng, image)
        start, end = corners(rng, max(image.width, 2), max(image.height, 2))
        if is_flat(end):
            coefficients = [rng.uniform(-1, 1) for _ in range(6)] + [rng.uniform(-0.5, 0.5), rng.choice([-2.0, 0.0])]
        else:
            coefficients = F._get_perspective_coeffs(start, end)
        mode = INTERPOLATIONS[interpolation]
        expected = v2.functional.perspective(image, None, None, mode, fill, coefficients)
        arguments = {"startpoints": None, "endpoints": None, "coefficients": coefficients}
        check(image, {"perspective": arguments | {"interpolation": interpolation, "fill": colour}}, expected)


def test_corners_give_the_coefficients_of_torchvision() -> None:
    """Both sides round doubles to floats. Where the exact one is 0, torchvision's solver leaves some 1e-16."""
    rng = random.Random(40)
    compared = 0
    while compared < 2000:
        image = picture(rng)
        if min(image.size) < 2:
            continue
        start, end = corners(rng, *image.size)
        if is_flat(end):
            continue
        coefficients = [each if abs(each) > 1e-10 else 0.0 for each in F._get_perspective_coeffs(start, end)]
        if max(map(abs, coefficients)) > 1e10:  # the horizon runs through the origin
            continue
        compared += 1
        expected = v2.functional.perspective(image, None, None, INTERPOLATIONS[2], 0, coefficients)
        arguments = {"startpoints": start, "endpoints": end, "interpolation": 2, "fill": (0, 0, 0)}
        check(image, {"perspective": arguments}, expected)


@pytest.mark.parametrize("wrong", [{"interpolation": 1}, {"coefficients": None}, {"startpoints": [[0, 0]] * 4}])
def test_what_is_no_perspective_is_refused(wrong: dict[str, object]) -> None:
    arguments = {"startpoints": None, "endpoints": None, "coefficients": [1.0] * 8, "interpolation": 2}
    with pytest.raises(ValueError, match="perspective"):
        _native.apply_calls(bytes(4), (2, 2, 1), [{"perspective": arguments | {"fill": (0, 0, 0)} | wrong}], True)
