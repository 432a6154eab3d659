"""The reference training: its parts, that a resumed run repeats an uninterrupted one bit by bit, and the demo."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from torchfeed.train import Options, Run, checkpoint, cnn, demo, fit, lr_factor, parse
from torchfeed.train.data import CIFAR10_CLASSES, OneHot, build, detect
from torchfeed.train.drawings import CLASSES, SIZE, draw, write_dataset
from torchfeed.train.meter import Meter

CPU = torch.device("cpu")
LOADERS = ("torch", "torchfeed")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_dataset(tmp_path_factory.mktemp("drawn"), train=60, val=20)


@pytest.fixture(scope="session")
def small_cifar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cifar")
    rng = np.random.default_rng(0)
    for part, count in (("train", 4), ("test", 2)):
        for name in CIFAR10_CLASSES:
            (root / part / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / part / name / f"{i}.jpg")
    return root


@pytest.fixture(params=LOADERS)
def options(request: pytest.FixtureRequest, drawn: Path) -> Iterator[Options]:
    """Four steps per epoch, two epochs."""
    if request.param == "torch":
        pytest.importorskip("torchvision")
    yield Options(drawn, loader=request.param, epochs=2, batch_size=16, device="cpu", workers=0, deterministic=True)
    torch.use_deterministic_algorithms(False)


def assert_same(left: Any, right: Any, where: str = "") -> None:
    assert type(left) is type(right), where
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right), where
    elif isinstance(left, dict):
        assert left.keys() == right.keys(), where
        for key in left:
            assert_same(left[key], right[key], f"{where}/{key}")
    else:
        assert left == right, where


# The parts


def test_cnn_has_the_tutorial_s_shape() -> None:
    model = cnn()
    assert sum(parameter.numel() for parameter in model.parameters()) == 145_578
    assert model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)
    assert cnn(500)(torch.zeros(2, 3, 32, 32)).shape == (2, 500)


def test_learning_rate_warms_up_and_decays() -> None:
    factors = [lr_factor(step, 4, 20) for step in range(21)]
    assert factors[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert factors[12] == pytest.approx(0.5)
    assert factors[20] == 0
    assert lr_factor(0, 0, 10) == 1


def test_one_hot_rows() -> None:
    assert OneHot(4)(2).tolist() == [0, 0, 1, 0]
    assert OneHot(4, smoothing=0.2)(0).tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])


def test_meter_takes_indices_and_rows() -> None:
    outputs = torch.tensor([[3.0, 1.0], [0.0, 2.0], [5.0, 0.0]])
    for targets in (torch.tensor([0, 1, 1]), torch.tensor([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])):
        meter = Meter(CPU)
        for _ in meter.watch([(torch.zeros(3, 1), targets)]):
            meter.add(torch.tensor(2.0), outputs, targets)
        result = meter.result()
        assert (result.loss, result.accuracy) == pytest.approx((2.0, 2 / 3))
        assert 0 <= result.waiting <= 1
        assert result.images_per_second == pytest.approx(3 / result.seconds)


# The command line


def test_defaults_of_the_command_line_are_those_of_options() -> None:
    assert parse(["--data", "x"]) == Options(Path("x"))


def test_command_line_sets_every_option() -> None:
    arguments = """
        --data x --dataset cifar10 --loader torch --model cnn --epochs 3 --batch-size 8 --lr 0.1 --device cpu
        --one-hot --label-smoothing 0.1 --mixup 0.2 --no-amp --checkpoint c --resume r --log-dir l --eval --max-steps 5
    """
    options = parse(arguments.split())
    assert (options.dataset, options.loader, options.epochs, options.batch_size) == ("cifar10", "torch", 3, 8)
    assert (options.mixup, options.cutmix) == (0.2, 0.0)
    assert (options.one_hot, options.label_smoothing, options.amp, options.eval) == (True, 0.1, False, True)
    assert (options.checkpoint, options.resume, options.log_dir) == (Path("c"), Path("r"), Path("l"))


@pytest.mark.parametrize(
    "arguments",
    [
        "",
        "--data x --eval",
        "--data x --max-steps 3",
        "--data x --label-smoothing 1",
        "--data x --batch-size 0",
        "--data x --mixup 1 --cutmix 1",
        "--data x --mixup -1",
    ],
)
def test_command_line_refuses(arguments: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(arguments.split())
    assert "error" in capsys.readouterr().err


# The data


def test_detect(drawn: Path, small_cifar: Path, tmp_path: Path) -> None:
    assert detect(drawn) == "imagefolder"
    assert detect(small_cifar) == "cifar10"
    with pytest.raises(FileNotFoundError, match="neither"):
        detect(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    assert detect(tmp_path) == "cifar10"
    with pytest.raises(FileNotFoundError, match="no such folder"):
        detect(tmp_path / "missing")


def test_split_folders_are_used(options: Options) -> None:
    data = build(options, CPU)
    assert (len(data.train.dataset), len(data.val.dataset)) == (60, 20)  # type: ignore[arg-type]
    assert data.classes == list(CLASSES)
    images, targets = next(iter(data.train))
    assert (images.shape, images.dtype) == ((16, 3, 32, 32), torch.float32)
    assert (targets.shape, targets.dtype) == ((16,), torch.int64)


def test_held_out_images_are_always_the_same_and_not_trained_on(options: Options, drawn: Path) -> None:
    options = replace(options, data=drawn / "train")
    first, second = build(options, CPU), build(replace(options, seed=5), CPU)
    train: Any = first.train.dataset
    val: Any = first.val.dataset
    other: Any = second.val.dataset
    assert list(val.indices) == list(other.indices)
    assert sorted([*train.indices, *val.indices]) == list(range(60))
    assert len(val) == 6


def test_parts_with_different_classes_are_refused(options: Options, drawn: Path, tmp_path: Path) -> None:
    (tmp_path / "train").symlink_to(drawn / "train")
    (tmp_path / "val").mkdir()
    (tmp_path / "val" / "dots").symlink_to(drawn / "val" / "dots")
    with pytest.raises(ValueError, match="classes"):
        build(replace(options, data=tmp_path), CPU)


def test_one_hot_batches(options: Options) -> None:
    images, targets = next(iter(build(replace(options, one_hot=True, label_smoothing=0.1), CPU).train))
    assert (targets.shape, targets.dtype) == ((len(images), 10), torch.float32)
    assert targets.sum(1).tolist() == pytest.approx([1] * len(images))
    assert targets.amax(1).tolist() == pytest.approx([0.91] * len(images))


def test_missing_torchvision_is_named(drawn: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(SystemExit, match="pip install torchvision"):
        build(Options(drawn, loader="torch"), CPU)


# The drawings


def test_drawings_repeat_their_bytes() -> None:
    for index in range(10):
        assert draw(index) == draw(index)
    assert draw(0) != draw(10)
    assert draw(0) != draw(0, seed=1)


def test_drawings_are_jpegs_under_their_class(drawn: Path) -> None:
    assert sorted(CLASSES) == list(CLASSES)
    files = sorted(drawn.glob("*/*/*.jpg"))
    assert len(files) == 80
    assert sorted(path.name for path in (drawn / "val").glob("*/*")) == [f"{i:05d}.jpg" for i in range(60, 80)]
    for path in files[::7]:
        jpeg, label = draw(int(path.stem))
        assert path.read_bytes() == jpeg
        assert path.parent.name == CLASSES[label]
    with Image.open(io.BytesIO(jpeg)) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (SIZE, SIZE))


def test_interrupted_drawing_is_redone(tmp_path: Path) -> None:
    done = write_dataset(tmp_path, train=10, val=10)
    partly = done.rename(done.with_name(done.name + ".partial"))
    cut = partly / "train" / "dots" / "00003.jpg"
    cut.write_bytes(b"cut")
    assert write_dataset(tmp_path, train=10, val=10) == done
    assert (done / "train" / "dots" / "00003.jpg").read_bytes() == draw(3)[0]
    assert not partly.exists()


# Checkpoints


def test_failed_save_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "new" / "checkpoint.pt"
    checkpoint.save(path, {"epoch": 1})

    def fail(_: object, file: Any) -> None:
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        checkpoint.save(path, {"epoch": 2})
    assert checkpoint.load(path) == {"epoch": 1}


def test_random_state_comes_back(tmp_path: Path) -> None:
    def numbers() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), float(torch.rand(()))  # noqa: NPY002

    checkpoint.seed_everything(3)
    checkpoint.save(tmp_path / "state.pt", checkpoint.rng_state())
    first = numbers()
    assert numbers() != first
    checkpoint.set_rng_state(checkpoint.load(tmp_path / "state.pt"))
    assert numbers() == first


@pytest.mark.parametrize("mix", ["mixup", "cutmix"])
def test_mixed_batches(options: Options, mix: str) -> None:
    run = Run(replace(options, **{mix: 1.0}))  # type: ignore[arg-type]
    for images, targets in run.feed:
        assert targets.shape == (len(images), 10)
        assert targets.sum(1).tolist() == pytest.approx([1] * len(images))
    assert 0 < run.train_epoch().loss < 10
    assert all(targets.ndim == 1 for _, targets in run.val_feed)


@pytest.mark.parametrize(("steps", "workers"), [(2, 0), (4, 0), (6, 0), (3, 2)])
def test_resumed_run_repeats_the_uninterrupted_one(options: Options, tmp_path: Path, steps: int, workers: int) -> None:
    whole, cut = tmp_path / "whole.pt", tmp_path / "cut.pt"
    options = replace(options, workers=workers, mixup=0.2 if steps == 6 else 0.0)
    expected = fit(replace(options, checkpoint=whole))

    before = fit(replace(options, checkpoint=cut, max_steps=steps))
    torch.rand(7)  # another process would have another random state
    after = fit(replace(options, checkpoint=cut, resume=cut))

    assert len(before) == steps // 4
    assert_same(checkpoint.load(cut), checkpoint.load(whole))
    for resumed, uninterrupted in zip(before + after, expected, strict=True):
        for part, part_ in zip(resumed, uninterrupted, strict=True):
            assert (part.loss, part.accuracy) == (part_.loss, part_.accuracy)


def test_save_every_saves_in_mid_epoch(options: Options, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    run = Run(replace(options, checkpoint=path, save_every=3))
    run.train_epoch()
    state = checkpoint.load(path)
    assert (state["epoch"], state["inside"]["feed"]["position"], state["inside"]["meter"]["images"]) == (0, 3, 48)


def test_resume_refuses_another_order(options: Options, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    fit(replace(options, checkpoint=path, max_steps=2))
    with pytest.raises(ValueError, match="batch_size was 16, and is 8 now"):
        Run(replace(options, resume=path, batch_size=8))


# Whole runs


def test_smoke(options: Options, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, logs = tmp_path / "checkpoint.pt", tmp_path / "logs"
    history = fit(replace(options, epochs=1, workers=2, checkpoint=path, log_dir=logs, one_hot=True))
    assert len(history) == 1
    assert 0 < history[0][0].loss < 10
    assert "epoch 1/1  loss" in capsys.readouterr().out

    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = accumulator.EventAccumulator(str(logs))
    tags = events.Reload().Tags()
    assert {"loss/train", "loss/val", "accuracy/val", "lr"} <= set(tags["scalars"])
    assert tags["images"] == ["train"]
    assert "0.weight" in tags["histograms"]

    assert fit(replace(options, resume=path, eval=True)) == []
    assert f"accuracy {history[0][1].accuracy:.2%}" in capsys.readouterr().out


def test_cifar_smoke(options: Options, small_cifar: Path) -> None:
    history = fit(replace(options, data=small_cifar, epochs=1, label_smoothing=0.1))
    assert 0 < history[0][1].loss < 10


def test_training_learns(options: Options) -> None:
    history = fit(replace(options, epochs=10, workers=2, batch_size=10))
    assert history[-1][0].loss < 0.9 * history[0][0].loss


def test_missing_tensorboard_is_named(options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(SystemExit, match="pip install tensorboard"):
        fit(replace(options, log_dir=tmp_path))


@pytest.mark.parametrize("loaders", [("torch",), ("torchfeed", "torch")], ids=["torch", "torchfeed"])
def test_demo(loaders: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torchvision")
    arguments = f"--cache {tmp_path} --images 40 20 --epochs 1 --workers 2 --device cpu".split()
    sides = demo.main(arguments, loaders)
    assert tuple(sides) == loaders
    assert all(side.loading > 0 and 0 < side.epoch.loss < 10 for side in sides.values())
    out = capsys.readouterr().out
    for row in ("training, images/s", "seconds per epoch", "waiting for data", "loss", "accuracy", "loading alone"):
        assert row in out


def test_demo_with_one_photo_per_class(drawn: Path, tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    for number, path in enumerate(sorted(drawn.glob("train/*/*.jpg"))[:24]):
        (tmp_path / f"class{number}").mkdir()
        (tmp_path / f"class{number}" / "only.jpg").symlink_to(path)
    arguments = f"--data {tmp_path} --epochs 1 --workers 0 --device cpu".split()
    assert demo.main(arguments, ["torch"])["torch"].epoch.seconds > 0
