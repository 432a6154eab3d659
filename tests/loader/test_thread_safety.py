"""What Python threads share besides loaders: modules, formats of Pillow's, folders, reports and locks."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from pictures import encode, picture
from processes import posix
from threads import THREADS, at_once
from torchfeed import _native, datasets, default_collate, one_hot
from torchfeed.bad_samples.report import BadSample, ErrorReport
from torchfeed.util.locks import Open, Turns

pytestmark = pytest.mark.usefixtures("_hasty")


def test_a_report_loses_no_count() -> None:
    report = ErrorReport()
    sample = BadSample(0, None, "why", "left out", None, 0)

    def work(_: int) -> None:
        for _ in range(300):
            report.add(sample)

    at_once(work)
    assert (report.total, report[0].count) == (300 * THREADS, 300 * THREADS)
    assert pickle.loads(pickle.dumps(report)).total == report.total


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


# Locks


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
