"""The benchmark command: its arguments, what every task does, and what it leaves behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torchvision import datasets
from torchvision import transforms as T

import torchfeed
from pictures import encode, picture
from repository import ROOT
from torchfeed.bench import peers, usage
from torchfeed.bench import run as run_module
from torchfeed.bench.check import assert_same_bits, level_difference
from torchfeed.bench.child import _Server
from torchfeed.bench.contrastive import TwoCropsTransform
from torchfeed.bench.data import count, part, prepare
from torchfeed.bench.operators import collate, one_hot, time_sides
from torchfeed.bench.options import parse
from torchfeed.bench.plots import plot
from torchfeed.bench.process import Failed, Process
from torchfeed.bench.recipe_table import recipe_table
from torchfeed.bench.recipes import RECIPES, recipe_task
from torchfeed.bench.report import lines, markdown
from torchfeed.bench.run import run
from torchfeed.bench.stages import STAGES
from torchfeed.bench.tasks import TASKS, Job, load_transform
from torchfeed.cli import main
from torchfeed.replay import same

OWN = """
from torchvision import transforms as T

own = T.Compose([T.RandomCrop(16, pad_if_needed=True), T.AugMix(), T.ToTensor()])
number = 3
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for number in range(6):
        (root / "ab"[number % 2]).mkdir(exist_ok=True)
        (root / "ab"[number % 2] / f"{number}.jpg").write_bytes(encode(picture(60 + number, 50, seed=number), "JPEG"))
    return root


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "my_transforms.py").write_text(OWN)
    return f"{tmp_path / 'my_transforms.py'}:own"


def job(folder: Path | str, task: str = "train", **given: Any) -> Job:
    return Job(task, TASKS[task].transform, str(folder), "", 4, **given)


def test_the_command_measures_and_reports(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(peers, "installed", lambda module: module not in {"cv2", "nvidia.dali"})
    files = {name: tmp_path / "out" / name for name in ("result.json", "table.md")}
    options = ["--task", "val", "--cores", "1", "--rounds", "2", "--batch-size", "4", "--peers", "torchvision,dali"]
    status = main(
        ["bench", str(folder), *options, "--json", str(files["result.json"]), "--markdown", str(files["table.md"])]
    )
    assert status == 0
    result = json.loads(files["result.json"].read_text())
    assert result.keys() == {"format", "machine", "missing", "images", "tasks", "operators", "stages", "settings"}
    assert result["machine"]["versions"]["torch"] == torch.__version__.partition("+")[0]
    (task,) = result["tasks"]
    rows = {row["peer"]: row for row in task["rows"]}
    assert (task["name"], task["images"], task["batch_size"]) == ("val", 6, 4)
    assert rows["torchfeed"]["verdict"] == rows["torchvision"]["verdict"] == "same bits"
    for row in rows.values():
        assert len(row["seconds"]) == 2
        assert min(row["seconds"]) > 0
        assert row["images_per_second"] > 0
        assert row["cpu_seconds_per_1000"] > 0
        assert (row["memory_mb"] or row["max_rss_mb"]) > 50
    assert [entry["install"] for entry in result["missing"]] == ["pip install nvidia-dali-cuda130"]
    said = capsys.readouterr()
    assert "DALI, CPU is not installed: pip install nvidia-dali-cuda130" in said.err
    table = files["table.md"].read_text()
    assert table in said.out
    assert "| torchfeed | 1 |" in table
    assert "| torchvision on PIL | 1 |" in table
    assert "val, 1 core: " in said.out
    assert "x the images/s of torchvision on PIL" in said.out


def test_an_own_transform(folder: Path, own: str) -> None:
    options = parse([str(folder), "--transform", own, "--cores", "1", "--rounds", "1", "--peers", "torchvision,v2"])
    result = run(options, lambda _: None)
    rows = {row["peer"]: row for row in result["tasks"][0]["rows"] if "error" not in row}
    assert rows.keys() == {"torchfeed", "torchvision"}, "v2's pipelines are those of the tasks"
    assert rows["torchfeed"]["verdict"] == "same bits, in part by Python"
    assert rows["torchfeed"]["first_batch"][""] > 0
    assert any("first batch" in line for line in lines(result))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "vla"], "'vla' is none of train, val"),
        (["--cores", "0"], "'0' is none of 1"),
        (["--peers", "nobody"], "'nobody' is none of torchvision"),
        (["--peers", ","], "names nothing"),
        (["--rounds", "0"], "must be at least 1"),
        (["--images", "-1"], "is negative"),
        (["--transform", "nothing"], "should be module:attribute"),
        (["--transform", "no_such_module:x"], "cannot be imported"),
        (["--transform", "no_such_file.py:x"], "there is no file"),
        (["--transform", "json:JSONDecoder"], "should be a transform"),
        (["--transform", "OWN", "--task", "val"], "leave --task out"),
        (["--transform", "OWN", "--recipe", "moco"], "leave --task out"),
        (["--recipe", "mocha"], "'mocha' is none of plain"),
        (["--workers", "-1"], "is negative"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, folder: Path, own: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["bench", str(folder), *[own if argument == "OWN" else argument for argument in arguments]])
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


def test_bad_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, message in (("none", "is no folder"), ("", "has no class folders")):
        with pytest.raises(SystemExit):
            parse([str(tmp_path / name)])
        assert message in capsys.readouterr().err


def test_a_transform_that_cannot_be_called(own: str) -> None:
    with pytest.raises(ValueError, match="should be a transform"):
        load_transform(own.replace(":own", ":number"))


def test_commands_are_named_and_cost_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for command, says in (([], "bench  "), (["bench"], "--peers LIST")):
        with pytest.raises(SystemExit) as exit_:
            main([*command, "--help"])
        assert exit_.value.code == 0
        assert says in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["nothing"])
    assert "invalid choice: 'nothing'" in capsys.readouterr().err
    assert 'torchfeed = "torchfeed.cli:main"' in (ROOT / "pyproject.toml").read_text()
    code = "import sys, torchfeed; print([m for m in sys.modules if m in ('torchfeed.cli', 'torchvision')])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("peer", [name for name, peer in peers.PEERS.items() if not peers.missing(peer)])
def test_every_task_is_done_by_all_who_can(task: str, peer: str, folder: Path, tmp_path: Path) -> None:
    able = peers.PEERS[peer]
    if not able.does(TASKS[task].transform, TASKS[task].data, 1):
        return
    files = prepare(TASKS[task], folder, tmp_path, images=1)
    images = 1 if task == "large" else 6
    server = _Server(peer, vars(replace(job(files, task, images=0 if files else images), scratch=str(tmp_path))))
    server.prepare()
    assert server.epoch()["images"] >= images  # DALI fills its last batch
    answer = server.check()
    assert answer["verdict"] == ("same bits" if able.exact else "")
    if not able.exact and task == "val":
        assert 0 <= answer["levels"] < 8


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_the_same_bits(name: str, folder: Path) -> None:
    task = recipe_task(name)
    if not peers.installed(task.needs):
        assert task.needs == "timm"
        return
    from_memory = task.data == "cifar"
    given = vars(Job(name, task.transform, "" if from_memory else str(folder), "", 4, images=6 if from_memory else 0))
    for peer in ("torchfeed", "torchvision"):
        server = _Server(peer, given)
        server.prepare()
        assert server.epoch()["images"] == 6
        assert server.check()["verdict"] == "same bits"
    ours, theirs = (next(iter(peers.build(peer, Job(**given))()))[0] for peer in ("torchfeed", "torchvision"))
    shapes = [[view.shape for view in (batch if isinstance(batch, list) else [batch])] for batch in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_recipes_from_the_command_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run_module, "installed", lambda module: module != "timm")
    options = ["--recipe", "plain,timm", "--cores", "1", "--workers", "0", "--rounds", "1", "--batch-size", "3"]
    assert main(["bench", str(folder), *options]) == 0
    said = capsys.readouterr()
    assert "timm, for the recipe timm, is not installed: pip install timm" in said.err
    assert "timm, for the recipe timm, was not installed: pip install timm" in said.out
    assert "| plain | RandomResizedCrop, flip | 1 |" in said.out
    assert "1 recipes of photos, 1 core: " in said.out
    assert "DALI" not in said.out
    assert parse([str(folder), "--recipe", "all"]).tasks == tuple(map(recipe_task, RECIPES))


def test_wrong_bits_of_a_view_are_found(folder: Path) -> None:
    chain = T.Compose([T.RandomResizedCrop(8), T.ToTensor()])
    dataset = datasets.ImageFolder(folder, torchfeed.transforms.Views({"a": chain, "b": [chain]}))
    order = [*range(6)]
    loader = torchfeed.DataLoader(dataset, 4, sampler=order)
    assert assert_same_bits(loader, order) == "same bits"
    brighter = T.Compose([*chain.transforms, T.Normalize(0, 0.5)])
    other = datasets.ImageFolder(folder, torchfeed.transforms.Views({"a": chain, "b": [brighter]}))
    with pytest.raises(AssertionError, match="sample 0 has other bits"):
        assert_same_bits(loader, order, other)


def test_views_in_python_have_the_same_bits(folder: Path) -> None:
    dataset = datasets.ImageFolder(folder, TwoCropsTransform(T.Compose([T.RandomCrop(9), T.AugMix(), T.ToTensor()])))
    loader = torchfeed.DataLoader(dataset, 4, sampler=[*range(6)])
    assert assert_same_bits(loader, range(6)) == "same bits, in part by Python"


def test_the_table_of_recipes() -> None:
    recipes = [("plain", "given", 100.0), ("cifar", "cifar", 10.0), ("jitter", "given", 25.0)]
    tasks = [
        {
            "name": name,
            "title": f"of {name}",
            "recipe": data,
            "rows": [row("torchfeed", 2, 400.0, verdict="same bits"), row("torchvision", 2, speed)],
        }
        for name, data, speed in recipes
    ]
    error = {"peer": "torchvision", "label": "", "cores": 2, "exact": True, "note": "", "error": "Error: a|b"}
    failed = {"name": "moco", "title": "2 views", "recipe": "given", "rows": [row("torchfeed", 2, 1.0), error]}
    result = {**RESULT, "operators": [], "stages": {}, "tasks": [*tasks, failed]}
    assert recipe_table(result).splitlines()[2:] == [
        "| plain | of plain | 2 | 400 images/s | 100 images/s | 4.00 x | same bits |",
        "| cifar | of cifar | 2 | 400 images/s | 10.0 images/s | 40.0 x | same bits |",
        "| jitter | of jitter | 2 | 400 images/s | 25.0 images/s | 16.0 x | same bits |",
        "| moco | 2 views | 2 | 1.00 images/s | failed |  | Error: a/b |",
        "| | geometric mean of those of photos | 2 | | | 8.00 x | |",
    ]
    assert list(lines(result))[-1].startswith("2 recipes of photos, 2 cores: 8.00 x")
    assert recipe_table(result) in markdown(result)


def test_copies(folder: Path, tmp_path: Path) -> None:
    large: Any = datasets.ImageFolder(prepare(TASKS["large"], folder, tmp_path, images=1))
    assert [image.size for image, _ in large] == [(4000, 3000)]
    png: Any = datasets.ImageFolder(prepare(TASKS["png"], folder, tmp_path))
    originals: Any = datasets.ImageFolder(folder)
    for (copy, label), (image, expected) in zip(png, originals, strict=True):
        assert (copy.tobytes(), label) == (image.tobytes(), expected)


def test_a_part_of_a_folder(folder: Path, tmp_path: Path) -> None:
    assert part(folder, 6, tmp_path / "all") == folder == part(folder, 0, tmp_path / "all")
    assert count(str(part(folder, 4, tmp_path / "some"))) == 4
    assert count(str(part(folder, 4, tmp_path / "again"))) == 4
    names = [sorted(path.name for path in (tmp_path / into).rglob("*.jpg")) for into in ("some", "again")]
    assert names[0] == names[1]


def test_wrong_answers_are_found(folder: Path) -> None:
    steps = [T.Resize((20, 20)), T.ToTensor()]
    dataset = datasets.ImageFolder(folder, T.Compose(steps))
    order = list(range(6))
    loader = torchfeed.DataLoader(dataset, 4, sampler=order)
    assert assert_same_bits(loader, order) == "same bits"
    brighter = datasets.ImageFolder(folder, T.Compose([*steps, T.Normalize(0, 0.5)]))
    with pytest.raises(AssertionError, match="sample 0 has other bits"):
        assert_same_bits(loader, order, brighter)
    with pytest.raises(AssertionError, match="too short"):
        assert_same_bits(loader, [*order, 0])
    other = datasets.ImageFolder(folder, T.Compose(steps))
    other.targets = [1 - target for target in other.targets]
    with pytest.raises(AssertionError, match="is labelled"):
        assert_same_bits(loader, order, other)
    unknown = torchfeed.DataLoader(dataset, 4, sampler=order, native="off")
    assert assert_same_bits(unknown, order).startswith("torch's own path")
    batches = list(loader)
    moved = [(images + 1 / 255, labels) for images, labels in batches]
    assert level_difference(moved, batches, (1, 1, 1)) == pytest.approx(1, abs=1e-3)
    with pytest.raises(AssertionError, match="other labels"):
        level_difference([(images, 1 - labels) for images, labels in batches], batches, (1, 1, 1))


def test_operators_and_stages(folder: Path) -> None:
    for made in (collate(4, 8), one_hot(8, 5)):
        made.check()
        assert made.sides.keys() > {"torchfeed"}
        assert all(seconds > 0 for seconds in time_sides(made.sides, 1, repeat=0).values())
    hot = one_hot(8, 5).sides
    same(hot["torchfeed"](), hot["scatter_ into a reused tensor"]())
    times = _Server("torchfeed", vars(job(folder))).stages(1)["milliseconds"]
    assert times.keys() == {"torchfeed", "torchvision"}
    assert all(tuple(spans) == STAGES and sum(spans.values()) > 0 for spans in times.values())


def test_processes_fail_with_a_reason(tmp_path: Path) -> None:
    process = Process("torchvision", job(tmp_path / "none"), None)
    try:
        with pytest.raises(Failed, match=r"FileNotFoundError: .*none"):
            process.ask("prepare")
    finally:
        process.close()


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells memory by process")
def test_usage_counts_children() -> None:
    before = usage.memory(os.getpid())
    code = (
        "import time; x = bytearray(60_000_000); t = time.process_time()\nwhile time.process_time() < t + 0.3: pass\n"
    )
    code += "print(flush=True); input()"
    cpu = usage.cpu_seconds()
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert child.pid in usage.family(os.getpid())
        after = usage.memory(os.getpid())
        assert usage.cpu_seconds() - cpu >= 0.25
        child.communicate(b"\n")
    assert before is not None
    assert after is not None
    assert after - before > 55


def row(peer: str, cores: int, speed: float, **given: Any) -> dict[str, Any]:
    figures = {"images_per_second": speed, "cpu_seconds_per_1000": 1000 / speed, "memory_mb": 500.0}
    told = {"exact": peers.PEERS[peer].exact, "note": "", "verdict": "", "first_batch": {"": 10 / speed}}
    return {"peer": peer, "label": peers.PEERS[peer].label, "cores": cores, **told, **figures, **given}


RESULT: dict[str, Any] = {
    "machine": {"cpu": "a processor", "usable_cores": 2, "system": "Linux", "versions": {"torch": "2.15"}},
    "settings": {"rounds": 5, "pinned": True},
    "missing": [],
    "operators": [{"name": "one-hot", "gigabytes": 1.0, "seconds": {"torchfeed": 0.5, "scatter_": 2.0}}],
    "stages": {"milliseconds": {"torchfeed": dict.fromkeys(STAGES, 0.25), "torchvision": dict.fromkeys(STAGES, 1.0)}},
    "tasks": [
        {
            "name": "train",
            "title": "photos",
            "rows": [
                row("torchfeed", 1, 1000.0, verdict="same bits"),
                row("torchfeed-fast", 1, 2000.0),
                row("torchvision", 1, 250.0, verdict="same bits", first_batch={"fork": 0.1, "spawn": 1.0}),
                row("v2", 2, 500.0, levels=0.25),
                {"peer": "ffcv", "label": "FFCV", "cores": 1, "exact": False, "note": "", "error": "OSError: no"},
            ],
        }
    ],
}


def test_reports() -> None:
    text = markdown(RESULT)
    assert "| torchvision on PIL | 1 | 250 | 4.00 x | 4.00 | 500 MB | 0.1 s fork, 1.00 s spawn | same bits |" in text
    assert "inexact, 0.25 levels off on average" in text
    assert "| FFCV | 1 | failed |  |  |  |  | OSError: no |" in text
    assert "| torchvision | 1.00 | 1.00 | 1.00 | 1.00 | 4.00 |" in text
    assert list(lines(RESULT)) == [
        "train, 1 core: 4.00 x the images/s of torchvision on PIL",
        "train, 1 core: 4.00 x fewer CPU seconds per 1000 images than torchvision on PIL",
        "train, 1 core: first batch 10.0 x sooner than torchvision on PIL, fork",
        "train, 1 core: first batch 100.0 x sooner than torchvision on PIL, spawn",
        'train, 1 core, decode="fast": 8.00 x the images/s of torchvision on PIL',
        'train, 1 core, decode="fast": 8.00 x fewer CPU seconds per 1000 images than torchvision on PIL',
        'train, 1 core, decode="fast": first batch 20.0 x sooner than torchvision on PIL, fork',
        'train, 1 core, decode="fast": first batch 200.0 x sooner than torchvision on PIL, spawn',
        "one-hot: 4.00 x the speed of scatter_",
    ]


def test_plots(tmp_path: Path) -> None:
    said = list(plot(RESULT, tmp_path / "plots"))
    written = {path.name for path in tmp_path.rglob("*.svg")}
    if said[0].startswith("no plots"):
        assert not written
    else:
        assert written == {"speed-train.svg", "speed-stages.svg"}
        assert all(path.stat().st_size < 30_000 for path in tmp_path.rglob("*.svg"))


def test_jobs_use_workers_where_there_are_cores(folder: Path) -> None:
    one = job(folder)
    assert (one.workers, replace(one, cores=4).workers) == (0, 4)
    assert replace(one, cores=4, given_workers=0).workers == 0
