"""`PIL.Image.MAX_IMAGE_PIXELS` as the user sets it: what torch delivers, warns of and refuses for it, so do we."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader as TorchLoader
from torchvision import datasets as theirs
from torchvision import transforms as T

from bad_samples import Copied
from pictures import chunk, encode, header, picture
from torchfeed import DataLoader, DecodeError, Limits, datasets, get_limits, get_max_pixels, set_limits, set_max_pixels
from torchfeed.decode.pillow_limits import limits_in_force, pillow_limits
from torchfeed.limits import Unset

HEIGHT, WIDTH = 20, 30
PIXELS = HEIGHT * WIDTH
FILES = {
    kind: encode(picture(HEIGHT, WIDTH, "P" if kind == "GIF" else "RGB"), kind)
    for kind in ("JPEG", "PNG", "BMP", "GIF")
}
LIMITS: list[Any] = [None, PIXELS, PIXELS - 1, PIXELS // 2, PIXELS // 2 - 1, 1, 0, -5, 10**30]
LIMITS += [PIXELS - 0.5, PIXELS / 2 - 0.25, float("inf"), float("nan")]


NATIVE = T.Compose([T.CenterCrop(8), T.ToTensor()])
IN_PART = T.Compose([T.CenterCrop(8), Copied(), T.ToTensor()])


@pytest.fixture(autouse=True)
def _limits_as_before() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    yield
    Image.MAX_IMAGE_PIXELS = before
    set_limits(Limits())


def folder(root: Path, kind: str) -> Path:
    (root / kind / "class").mkdir(parents=True)
    (root / kind / "class" / "0.img.jpg").write_bytes(FILES[kind])
    return root / kind


def outcome(make: Callable[[], Any]) -> tuple[str, int | None]:
    """Says whether there is a warning or an error of Pillow's; and the first number of its message."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            make()
        except Image.DecompressionBombError:
            return "error", None
    said = [warning for warning in caught if warning.category is Image.DecompressionBombWarning]
    return ("warning", len({str(warning.message) for warning in said})) if said else ("silence", None)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", FILES)
def test_what_torch_says_in_this_process(kind: str, workers: int, tmp_path: Path) -> None:
    root = folder(tmp_path, kind)
    natively, in_part = (theirs.ImageFolder(root, transform) for transform in (NATIVE, IN_PART))
    ours = datasets.ImageFolder(root, NATIVE)
    loader, partly = DataLoader(natively, num_workers=workers), DataLoader(in_part)
    ways: dict[str, Callable[[], Any]] = {
        "loader": lambda: list(loader),
        "in part": lambda: list(partly),
        "by index": lambda: ours[0],
        "items": lambda: ours.__getitems__([0]),
        "image": lambda: ours.image(0),
        "our dataset, torch's loader": lambda: list(TorchLoader(ours)),
        "draw": lambda: ours.draw(0, seed=1),
    }
    said = set()
    for most in LIMITS:
        Image.MAX_IMAGE_PIXELS = most
        expected = outcome(lambda: natively[0])
        said.add(expected[0])
        for name, way in ways.items():
            assert outcome(way) == expected, (most, name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for name, way in ways.items():
                if expected[0] == "warning":
                    with pytest.raises(Image.DecompressionBombWarning) as caught:
                        way()
                    assert isinstance(caught.value, DecodeError), name
                elif expected[0] == "silence":
                    way()
    assert said == {"silence", "warning", "error"}


@pytest.mark.parametrize("most", [None, PIXELS - 1, PIXELS // 2 - 1])
def test_what_torch_says_in_worker_processes(most: int | None, tmp_path: Path) -> None:
    dataset = theirs.ImageFolder(folder(tmp_path, "PNG"), IN_PART)
    Image.MAX_IMAGE_PIXELS = most
    said = []
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        for made in (TorchLoader, DataLoader):
            loader: Any = made(dataset, num_workers=1, multiprocessing_context="fork")
            try:
                said.append(str(len(list(loader))))
            except Image.DecompressionBombError:
                said.append("error")
            except Image.DecompressionBombWarning:
                said.append("warning")
    assert said[0] == said[1] == {None: "1", PIXELS - 1: "warning"}.get(most, "error")


def test_what_torch_says_in_spawned_workers(tmp_path: Path) -> None:
    """Each of them has Pillow's own limit again, as with torch."""
    dataset = theirs.ImageFolder(
        folder(tmp_path, "PNG"), T.Compose([T.CenterCrop(8), T.ToTensor(), torch.nn.Identity()])
    )
    Image.MAX_IMAGE_PIXELS = 1
    for made in (TorchLoader, DataLoader):
        loader: Any = made(dataset, num_workers=1, multiprocessing_context="spawn", collate_fn=list)
        assert len(list(loader)) == 1


def test_limits_that_are_given_count_more(tmp_path: Path) -> None:
    dataset = theirs.ImageFolder(folder(tmp_path, "JPEG"), NATIVE)
    Image.MAX_IMAGE_PIXELS = 1
    for most in (PIXELS, 178_956_970):
        assert outcome(partial(list, DataLoader(dataset, limits=Limits(max_pixels=most)))) == ("silence", None)
    for other in (Limits(), Limits(max_scans=7), Limits(max_decoded_bytes=2**40)):
        assert outcome(partial(list, DataLoader(dataset, limits=other))) == ("error", None)
    Image.MAX_IMAGE_PIXELS = None
    with pytest.raises(DecodeError, match=r"Limits\.max_pixels") as caught:
        list(DataLoader(dataset, limits=Limits(max_pixels=PIXELS - 1)))
    assert not isinstance(caught.value, Image.DecompressionBombError)
    with pytest.raises(DecodeError, match=r"Limits\.max_decoded_bytes"):
        list(DataLoader(dataset, limits=Limits(max_decoded_bytes=PIXELS)))


def test_limits_of_the_process_that_are_set_count_more(tmp_path: Path) -> None:
    root = folder(tmp_path, "PNG")
    dataset, ours = theirs.ImageFolder(root, NATIVE), datasets.ImageFolder(root, NATIVE)
    ways = (lambda: list(DataLoader(dataset)), lambda: ours[0], lambda: ours.image(0))
    Image.MAX_IMAGE_PIXELS = 1
    for setting in (partial(set_max_pixels, PIXELS), partial(set_limits, Limits(max_pixels=178_956_970))):
        for reset in (partial(set_limits, Limits()), partial(set_max_pixels, 178_956_970)):
            assert [outcome(way)[0] for way in ways] == ["error"] * 3
            setting()
            assert [outcome(way)[0] for way in ways] == ["silence"] * 3
            reset()
    assert get_max_pixels() == 178_956_970


def test_an_error_is_ours_and_pillow_s(tmp_path: Path) -> None:
    dataset = theirs.ImageFolder(folder(tmp_path, "PNG"), NATIVE)
    Image.MAX_IMAGE_PIXELS = 100
    with pytest.raises(Image.DecompressionBombError, match=r"30 x 20 pixels.*limit of 200 pixels.*sample 0") as caught:
        list(DataLoader(dataset))
    error = caught.value
    assert isinstance(error, DecodeError)
    assert (error.index, error.path) == (0, str(tmp_path / "PNG" / "class" / "0.img.jpg"))
    assert type(error.__cause__) is Image.DecompressionBombError
    assert type(pickle.loads(pickle.dumps(error))) is type(error)
    loader = DataLoader(dataset, on_error="skip", max_errors=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(RuntimeError):
            list(loader)
    assert loader.errors.total == 1


def test_no_limit_lets_pass_what_torch_delivers() -> None:
    """More pixels than Pillow opens by default: 180 million, of a bit each."""
    large = encode(Image.new("1", (13_400, 13_400)), "PNG")
    dataset = datasets.ImageList([large], [0], NATIVE)
    for most in (None, 10**8):
        Image.MAX_IMAGE_PIXELS = most
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert next(iter(DataLoader(dataset)))[0].shape == (1, 3, 8, 8)
    Image.MAX_IMAGE_PIXELS = 89_478_485
    with pytest.raises(Image.DecompressionBombError, match="13400 x 13400"):
        next(iter(DataLoader(dataset)))


def test_other_limits_rise_with_it() -> None:
    settings: list[Any] = [None, float("inf"), 10**9, 10]
    for most in settings:
        Image.MAX_IMAGE_PIXELS = most
        limits, (asked, _, _) = limits_in_force(Limits(), pillow_limits())
        twice = 2**64 - 1 if most in {None, float("inf")} else 2 * most
        assert asked == (2**64 - 1 if twice == 2**64 - 1 else most)
        assert limits.max_pixels == twice
        assert limits.max_transformed_pixels == max(twice, 178_956_970)
        assert limits.max_decoded_bytes == limits.max_file_bytes == min(max(12 * twice, 2**31), 2**64 - 1)
        given = Limits(1, 2, 3, 4)
        assert limits_in_force(given, pillow_limits())[0] is given
    assert isinstance(pickle.loads(pickle.dumps(get_limits())).max_pixels, Unset)


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc elsewhere")
def test_a_header_that_lies_takes_no_memory(tmp_path: Path) -> None:
    """Pillow notices that the data end before it takes any for the pixels; so do we, if there is no limit."""
    file = b"\x89PNG\r\n\x1a\n" + header(25_000, 25_000, 8, 2) + chunk(b"IDAT", zlib.compress(bytes(9)))
    (tmp_path / "lie").write_bytes(file + chunk(b"IEND", b""))
    script = (
        "import sys\n"
        "from PIL import Image\n"
        "from torchfeed import DataLoader, DecodeError, datasets, transforms as T\n"
        "Image.MAX_IMAGE_PIXELS = None\n"
        "loader = DataLoader(datasets.ImageList([sys.argv[1]], [0], T.ToTensor()))\n"
        "try:\n"
        "    list(loader)\n"
        "except DecodeError as error:\n"
        "    print(error.__cause__)\n"
        "print(*[line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM')])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "lie")]
    said, most = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "truncated" in said
    assert int(most) < 1_000_000, "kilobytes; the image would be 1,800,000"
