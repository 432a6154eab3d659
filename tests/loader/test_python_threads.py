"""Several Python threads at once: what each makes has the bits that it makes alone, with the GIL and without it."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import random
import subprocess
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from oracle import theirs
from pictures import encode, picture
from torchfeed import DataLoader, _native, datasets, default_collate, one_hot, to_device
from torchfeed import transforms as T
from torchfeed.bad_samples.report import BadSample, ErrorReport
from torchfeed.decode import pillow as decode
from torchfeed.util.locks import Open, Turns

N, THREADS = 24, 6
posix = pytest.mark.skipif(os.name != "posix", reason="needs fork")


@pytest.fixture(autouse=True)
def _hasty() -> Iterator[None]:
    """With the GIL, threads change after a few steps rather than after milliseconds."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def at_once(work: Callable[[int], Any], count: int = THREADS) -> list[Any]:
    """What `work` gives for each number, called in as many threads, which begin together."""
    start = threading.Barrier(count)
    found: list[Any] = [None] * count

    def run(number: int) -> None:
        start.wait()
        try:
            found[number] = work(number)
        except BaseException as error:  # noqa: BLE001  (raised below)
            found[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in found:
        if isinstance(result, BaseException):
            raise result
    return found


class Noise:
    """A transform that runs in Python and draws from all of the generators."""

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        drawn = torch.rand(3), np.random.random(), random.random()  # noqa: NPY002
        return image + drawn[0][:, None, None] + drawn[1] + drawn[2]


CROP = [T.RandomResizedCrop(16), T.RandomHorizontalFlip(), T.ToTensor()]
TRANSFORMS = {
    "one size": CROP,
    "many sizes": [T.RandomHorizontalFlip(), T.ToTensor()],
    "PIL images": [T.RandomCrop(16, pad_if_needed=True)],
    "in part": [*CROP, Noise()],
}


def folder(photos: Path, transform: Any) -> Any:
    """The folder, with targets that tell the samples apart."""
    dataset = datasets.ImageFolder(photos, theirs.Compose(transform))
    dataset.targets[:] = range(len(dataset))
    return dataset


def bits(value: Any) -> Any:
    """A batch or a sample, as something that can be compared and counted."""
    if isinstance(value, torch.Tensor):
        return value.dtype, value.shape, value.numpy().tobytes()
    if isinstance(value, (list, tuple)):
        return tuple(map(bits, value))
    return value.tobytes() if hasattr(value, "tobytes") else value


# Samples by index


@pytest.mark.parametrize("name", TRANSFORMS)
def test_one_dataset_in_many_threads(name: str, photos: Path) -> None:
    dataset = folder(photos, TRANSFORMS[name])
    dataset.seed = 5
    expected = [bits(dataset[index]) for index in range(len(dataset))]
    fresh = folder(photos, TRANSFORMS[name])  # nothing is made yet that threads could share
    fresh.seed = 5

    def work(number: int) -> None:
        order = random.Random(number).sample(range(len(fresh)), len(fresh))
        for index in order:
            assert bits(fresh[index]) == expected[index], index
        several = fresh.__getitems__(order)
        assert [bits(sample) for sample in several] == [expected[index] for index in order]

    at_once(work)


def test_a_seed_that_changes_under_threads(photos: Path) -> None:
    """Each sample is that of one seed or another, and never one of another thread's."""
    dataset = folder(photos, CROP)
    allowed = []
    for index in range(len(dataset)):
        made = []
        for dataset.seed in (1, 2):
            made.append(bits(dataset[index]))
        allowed.append(made)

    def work(number: int) -> None:
        for index in range(len(dataset)):
            dataset.seed = 1 + (number + index) % 2
            assert bits(dataset[index]) in allowed[index]

    at_once(work)


def test_images_and_draws_in_many_threads(photos: Path) -> None:
    dataset = folder(photos, CROP)
    expected = [(bits(dataset.image(i)), dataset.draw(i, seed=3)) for i in range(len(dataset))]
    fresh = folder(photos, CROP)

    def work(_: int) -> None:
        assert [(bits(fresh.image(i)), fresh.draw(i, seed=3)) for i in range(len(fresh))] == expected

    at_once(work)


# Loaders


def loader(kind: str, photos: Path, workers: int = 0, dataset: Any = None, **options: Any) -> Any:
    """A loader of each kind that makes batches in this process."""
    if dataset is None:
        dataset = dataset_of(kind, photos)
    native: Any = "off" if kind == "torch's own" else "auto"
    made: Any = DataLoader(dataset, 4, num_workers=workers, native=native, **options)
    return to_device(made, "cpu", ahead=2) if kind == "on a device" else made


def dataset_of(kind: str, photos: Path) -> Any:
    if kind == "gathered":
        return TensorDataset(torch.arange(N * 5.0).view(N, 5), torch.arange(N))
    if kind == "torch's own":
        return folder(photos, [theirs.Resize((16, 16)), theirs.ToTensor()])
    return folder(photos, [*CROP, Noise()] if kind == "in part" else CROP)


KINDS = [
    ("native", 0),
    ("native", 2),
    ("gathered", 0),
    ("gathered", 2),
    ("in part", 0),
    ("torch's own", 0),
    ("on a device", 2),
]


def epoch(batches: Any) -> list[Any]:
    return [bits(batch) for batch in batches]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(("kind", "workers"), KINDS)
def test_loaders_of_their_own_over_one_dataset(kind: str, workers: int, photos: Path) -> None:
    dataset = loader(kind, photos).dataset

    def work(number: int) -> list[Any]:
        mine = loader(kind, photos, workers, dataset=dataset, shuffle=True, generator=generator(number))
        return [epoch(mine) for _ in range(2)]

    expected = [work(number) for number in range(THREADS)]
    assert at_once(work) == expected
    assert len({str(found) for found in expected}) == THREADS


@pytest.mark.parametrize(("kind", "workers"), KINDS)
def test_one_loader_in_many_threads(kind: str, workers: int, photos: Path) -> None:
    """Each pass is one that the loader makes alone, and each comes once: the seeds are drawn one after the other."""
    expected = Counter(str(epoch(one)) for one in [loader(kind, photos, workers, generator=generator(3))] * THREADS * 3)
    shared = loader(kind, photos, workers, generator=generator(3))
    found = at_once(lambda _: [str(epoch(shared)) for _ in range(3)])
    assert Counter(one for several in found for one in several) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_iterators_of_one_loader_have_positions_of_their_own(workers: int, photos: Path) -> None:
    shared = loader("native", photos, workers, shuffle=True, generator=generator(3))
    alone = folder(photos, CROP)

    def work(_: int) -> Any:
        iterator = iter(shared)
        found = [
            (int(target), bits(image))
            for images, targets in iterator
            for image, target in zip(images, targets, strict=True)
        ]
        position = iterator.cursor
        assert position.over
        assert position.batches == len(shared)
        return position.seed, found

    results = at_once(work)
    assert len({seed for seed, _ in results}) == THREADS
    for alone.seed, found in results:
        assert sorted(target for target, _ in found) == list(range(len(alone)))
        assert all(image == bits(alone[target][0]) for target, image in found)


@pytest.mark.parametrize(("kind", "workers"), KINDS)
def test_one_iterator_in_many_threads(kind: str, workers: int, photos: Path) -> None:
    """Threads that share an iterator take turns: each gets whole batches, and nobody the same."""
    expected = Counter(epoch(loader(kind, photos, workers, generator=generator(3))))
    for _ in range(5):
        iterator = iter(loader(kind, photos, workers, generator=generator(3)))
        found = at_once(lambda _: epoch(iterator))  # noqa: B023
        assert Counter(one for several in found for one in several) == expected


@pytest.mark.parametrize("workers", [0, 2])
def test_bad_samples_are_counted_in_all_threads(workers: int, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for number in range(N):
        data = b"none" if number % 4 == 0 else encode(picture(20, 20, seed=number), "JPEG")
        (tmp_path / "a" / f"{number:02d}.jpg").write_bytes(data)
    dataset = datasets.ImageFolder(tmp_path, theirs.Compose(CROP))
    shared = DataLoader(dataset, 4, num_workers=workers, on_error="skip")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        at_once(lambda _: [list(shared) for _ in range(3)])
    assert shared.errors.epoch == 3 * THREADS - 1
    assert shared.errors.total == 3 * THREADS * N // 4
    assert sorted(sample.index for sample in shared.errors) == list(range(0, N, 4))
    assert {sample.count for sample in shared.errors} == {3 * THREADS}


def test_a_report_loses_no_count() -> None:
    report = ErrorReport()
    sample = BadSample(0, None, "why", "left out", None, 0)

    def work(_: int) -> None:
        for _ in range(300):
            report.add(sample)

    at_once(work)
    assert (report.total, report[0].count) == (300 * THREADS, 300 * THREADS)
    assert pickle.loads(pickle.dumps(report)).total == report.total


# The process's state


def test_the_random_state_is_given_back(photos: Path) -> None:
    """Threads that finish samples in Python borrow the generators; the loop's own draws go on as if they had not."""
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002
    random.seed(1)
    states = torch.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()  # type: ignore[index]  # noqa: NPY002
    loaders = [loader("in part", photos, generator=generator(number)) for number in range(THREADS)]
    at_once(lambda number: list(loaders[number]))
    assert torch.equal(torch.get_rng_state(), states[0])
    assert (np.random.get_state()[1] == states[1]).all()  # type: ignore[index]  # noqa: NPY002
    assert random.getstate() == states[2]


def test_warnings_are_filtered_as_before(photos: Path) -> None:
    before = list(warnings.filters)
    at_once(lambda _: [folder(photos, CROP).leaf() for _ in range(20)])
    assert list(warnings.filters) == before


def test_collate_and_one_hot_in_many_threads() -> None:
    samples = [[(torch.full((3, 64, 64), float(k + 10 * n)), k) for k in range(32)] for n in range(THREADS)]

    def work(number: int) -> None:
        for _ in range(10):
            images, labels = default_collate(samples[number])
            assert torch.equal(images, torch.stack([image for image, _ in samples[number]]))
            rows = one_hot(labels, 32)
            assert torch.equal(rows, torch.eye(32, dtype=torch.int64))

    at_once(work)


def test_a_list_that_is_emptied_while_it_is_collated(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = [torch.full((256, 256), float(k)) for k in range(32)]
    expected = torch.stack(samples)
    stack = _native.stack

    def late(*arguments: Any) -> Any:
        samples.clear()
        gc.collect()
        taken = [torch.full((256, 256), -1.0) for _ in range(32)]  # what was freed would be overwritten
        return stack(*arguments), taken

    monkeypatch.setattr(_native, "stack", lambda *arguments: late(*arguments)[0])
    assert torch.equal(default_collate(samples), expected)


def test_an_iterator_that_its_own_thread_collects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Garbage is collected in whatever thread runs Python code: also in one that Pillow is called from."""
    (tmp_path / "a").mkdir()
    for number in range(8):
        (tmp_path / "a" / f"{number}.jpg").write_bytes(encode(picture(20, 20, seed=number), "WEBP"))
    dropped, collected, decoded = threading.Event(), threading.Event(), decode.PillowDecoder.decode

    def collect(decoder: Any, data: bytes) -> Any:
        dropped.wait()
        gc.collect()
        collected.set()
        return decoded(decoder, data)

    monkeypatch.setattr(decode.PillowDecoder, "decode", collect)
    dataset = datasets.ImageFolder(tmp_path, T.PILToTensor())
    gc.disable()
    try:
        cycle: list[Any] = [iter(DataLoader(dataset, 4, num_workers=2))]
        cycle.append(cycle)
        del cycle
        dropped.set()
        assert collected.wait(60)
    finally:
        gc.enable()
    assert len(list(DataLoader(dataset, 4, num_workers=2))) == 2
    assert capfd.readouterr().err == ""


# Folders


@pytest.mark.parametrize("index", [False, True])
def test_folders_are_listed_at_once(index: bool, photos: Path, tmp_path: Path) -> None:
    expected = list(datasets.ImageFolder(photos).samples)
    kept = tmp_path / "index" if index else None
    for _ in range(4):
        found = at_once(lambda _: list(datasets.ImageFolder(photos, index=kept).samples))
        assert all(samples == expected for samples in found)
    assert [path.name for path in tmp_path.iterdir()] == (["index"] if index else [])


# In an interpreter of its own


def run_python(code: str, **environment: str) -> str:
    command, variables = [sys.executable, "-W", "error", "-c", code], {**os.environ, **environment}
    run = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


TOGETHER = """
import sys, threading
sys.setswitchinterval(1e-5)
def at_once(works):
    start, errors = threading.Barrier(len(works)), []
    def run(work):
        start.wait()
        try:
            work()
        except BaseException as error:
            errors.append(repr(error))
    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    assert not errors, errors
"""


def test_threads_that_import_at_once() -> None:
    """Whatever each asks for first: modules that need each other are loaded in many orders."""
    run_python(
        f"import torch, numpy, PIL.Image\n{TOGETHER}\n"
        "import torchfeed\n"
        "at_once([lambda name=name: getattr(torchfeed, name) for name in torchfeed.__all__])\n"
    )


def test_threads_that_need_a_format_of_pillow_s_at_once(tmp_path: Path) -> None:
    """Pillow loads what decodes a format when it is first needed."""
    (tmp_path / "a").mkdir()
    for number in range(8):
        kind = ("WEBP", "TIFF")[number % 2]
        (tmp_path / "a" / f"{number}.jpg").write_bytes(encode(picture(20, 20, seed=number), kind))
    run_python(
        f"{TOGETHER}\n"
        "from torchfeed import DataLoader, datasets, transforms\n"
        f"dataset = datasets.ImageFolder({str(tmp_path)!r}, transforms.PILToTensor())\n"
        "at_once([lambda: list(DataLoader(dataset, 4, num_workers=2))] * 6)\n"
    )


# While Pillow tries the formats that came up since it began, another thread loads the very one.
ANOTHER_THREAD = """
from PIL import Image
preinit, calls = Image.preinit, 0
def load():
    global calls
    preinit()
    calls += 1
    if calls == 2:
        from PIL import BlpImagePlugin
        factory, accept = Image.OPEN["BLP"]
        def late(prefix):
            from PIL import WebPImagePlugin
            return accept(prefix)
        Image.OPEN["BLP"] = factory, late
Image.preinit = load
"""


def test_a_format_that_another_thread_loads(tmp_path: Path) -> None:
    """Pillow 13 itself says then that the file is no image."""
    (tmp_path / "image").write_bytes(encode(picture(20, 30), "WEBP"))
    code = f"data = open({str(tmp_path / 'image')!r}, 'rb').read()\n{ANOTHER_THREAD}"
    said = run_python(f"{code}from torchfeed.decode import PillowDecoder\nprint(PillowDecoder().size(data))")
    assert said == "(20, 30)\n"


free_threaded = pytest.mark.skipif(
    not hasattr(sys, "_is_gil_enabled") or sys._is_gil_enabled(), reason="this Python has its GIL"
)


@free_threaded
def test_the_gil_stays_off() -> None:
    """CPython would turn it on for an extension that does not say that it needs none, with a warning."""
    code = "import sys; from torchfeed import DataLoader, _native; print(sys._is_gil_enabled())"
    assert run_python(code, PYTHON_GIL="") == "False\n"


# The lock itself


def test_turns_are_taken_one_at_a_time() -> None:
    turns, inside = Turns(), []

    def work(number: int) -> None:
        for _ in range(50):
            with turns, turns:
                inside.append(number)
                assert inside == [number]
                inside.clear()

    at_once(work)


def test_a_copy_is_nobody_s() -> None:
    turns = Turns()
    with turns:
        for other in (pickle.loads(pickle.dumps(turns)), copy.deepcopy(turns)):
            assert other is not turns
            at_once(lambda _: other.__enter__(), count=1)  # noqa: B023


@posix
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_does_not_wait_for_the_parent_s_threads() -> None:
    turns, taken, over = Turns(), threading.Event(), threading.Event()

    def hold() -> None:
        with turns:
            taken.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait()
    child = os.fork()
    if child == 0:
        with turns:
            os._exit(0)
    over.set()
    holder.join()
    assert os.waitpid(child, 0)[1] == 0


def test_what_is_open_is_listed_while_it_changes() -> None:
    class Thing:
        """Something that can be referred to weakly."""

    things: Open[Any] = Open()

    def work(number: int) -> None:
        for _ in range(100):
            if number % 2:
                assert all(isinstance(thing, Thing) for thing in things.all())
            else:
                kept = [Thing() for _ in range(5)]
                for thing in kept:
                    things.add(thing)
                for thing in kept[:2]:
                    things.discard(thing)

    at_once(work)
    gc.collect()
    assert things.all() == []


def test_threads_begin_epochs_on_the_way_to_a_device() -> None:
    """Each has its own, and none waits for another for ever."""
    shared = DataLoader(TensorDataset(torch.arange(8.0)), 4, device="cpu")
    found = at_once(lambda _: {type(iter(shared)).__name__ for _ in range(300)})
    assert found == [{"Ahead"}] * THREADS
