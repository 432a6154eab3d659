"""The order of things: for each task and number of cores, every loader's process, then their epochs by turns."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

from .data import count, part, prepare
from .machine import describe
from .options import Options
from .peers import OURS, PEERS, Peer, installed, missing
from .process import Failed, Process
from .tasks import RECIPE, Job, Task

__all__ = ["run"]

CIFAR_IMAGES = 10240
Say = Callable[[str], None]


def run(options: Options, say: Say = print, cifar_images: int = CIFAR_IMAGES, large_images: int | None = None) -> Any:
    """Measures everything.

    Args:
        options: what is asked for.
        say: is told of the progress.
        cifar_images: how many are made for that task.
        large_images: the same, if not `tasks.LARGE`.

    Returns:
        The content of the JSON file.
    """
    start = time.perf_counter()
    result: dict[str, Any] = {"format": 1, "machine": describe()}
    chosen = [*OURS, *(PEERS[name] for name in options.peers)]
    absent = [peer for peer in chosen if missing(peer)]
    result["missing"] = [
        {"peer": peer.name, "label": peer.label, "install": peer.install} for peer in absent if peer.install
    ]
    for entry in result["missing"]:
        say(f"{entry['label']} is not installed: {entry['install']}")
    present = [peer for peer in chosen if peer not in absent]
    with tempfile.TemporaryDirectory(prefix="torchfeed-bench-") as scratch:
        folder = part(options.folder, options.images, Path(scratch, "part"))
        result["images"] = count(str(folder))
        result["tasks"] = []
        for task in options.tasks:
            if not installed(task.needs):
                label = f"{task.needs}, for the recipe {task.name},"
                result["missing"].append({"peer": task.name, "label": label, "install": f"pip install {task.needs}"})
                say(f"{label} is not installed: pip install {task.needs}")
                continue
            say(f"{task.title}: preparing")
            given = {} if large_images is None else {"images": large_images}
            files = prepare(task, folder, Path(scratch), **given)
            images = cifar_images if task.data == "cifar" else count(files)
            entry = {"name": task.name, "title": task.title, "images": images, "rows": []}
            if task.transform == RECIPE:
                entry["recipe"] = task.data
            batch_size = entry["batch_size"] = min(task.batch_size or options.batch_size, images)
            for cores in options.cores:
                made = images if not files else 0
                job = Job(
                    task.name, task.transform, files, scratch, batch_size, cores, made, given_workers=options.workers
                )
                peers = [peer for peer in present if peer.does(task.transform, task.data, cores)]
                entry["rows"] += _compare(peers, task, job, options.rounds, say)
            result["tasks"].append(entry)
        job = Job("train", "train", str(folder), scratch, options.batch_size)
        result["operators"] = [
            _alone(job, say, "operator", name=name, rounds=options.rounds)
            for name in options.extras
            if name != "stages"
        ]
        stages = "stages" in options.extras
        result["stages"] = _alone(job, say, "stages", rounds=options.rounds) if stages else {}
    result["settings"] = {
        "rounds": options.rounds,
        "batch_size": options.batch_size,
        "workers": options.workers,
        "pinned": _cpus(1) is not None,
        "seconds": round(time.perf_counter() - start),
    }
    return result


def _cpus(cores: int) -> list[int] | None:
    """The cores to pin a process to; `None` where a system cannot."""
    affinity = getattr(os, "sched_getaffinity", None)
    return None if affinity is None else sorted(affinity(0))[:cores]


def _alone(job: Job, say: Say, do: str, **given: Any) -> dict[str, Any]:
    say(f"{given.get('name', do)}, 1 core")
    try:
        process = Process("torchfeed", job, _cpus(1))
        try:
            return process.ask(do, **given)
        finally:
            process.close()
    except Failed as why:
        say(f"  failed: {why}")
        return {"name": given.get("name", do), "error": str(why)}


def _compare(peers: list[Peer], task: Task, job: Job, rounds: int, say: Say) -> list[dict[str, Any]]:
    """Measures some loaders on one job, and gives their rows of the table."""
    cores = f"{job.cores} core{'s' if job.cores > 1 else ''}"
    rows = []
    with ExitStack() as stack:
        running: list[tuple[dict[str, Any], Process]] = []
        for peer in peers:
            row: dict[str, Any] = {"peer": peer.name, "label": peer.label, "cores": job.cores, "exact": peer.exact}
            row["note"] = peer.note
            rows.append(row)
            say(f"{task.title}, {cores}: {peer.label}")
            try:
                process = Process(peer.name, job, _cpus(job.cores))
                stack.callback(process.close)
                process.ask("prepare")
                warm = process.ask("epoch", watch=True)
                row |= {"memory_mb": warm["memory"], "max_rss_mb": warm["max_rss"]}
                row |= process.ask("check")
                if task.first and peer.compares:
                    row["first_batch"] = _first(peer, process, job, rounds)
                running.append((row, process))
            except Failed as why:
                row["error"] = str(why)
                say(f"  failed: {why}")
        epochs: dict[str, list[dict[str, Any]]] = {row["peer"]: [] for row, _ in running}
        for round_ in range(rounds):
            say(f"{task.title}, {cores}: round {round_ + 1} of {rounds}")
            # Each comes after another in every round.
            turn = round_ % max(1, len(running))
            for row, process in [*running[turn:], *running[:turn]]:
                if "error" not in row:
                    epochs[row["peer"]] += _ask(row, process, say)
    return [row if "error" in row else {**row, **_figures(epochs[row["peer"]])} for row in rows]


def _ask(row: dict[str, Any], process: Process, say: Say) -> list[dict[str, Any]]:
    """One epoch, or the reason in the row why there is none."""
    try:
        return [process.ask("epoch")]
    except Failed as why:
        row["error"] = str(why)
        say(f"  {row['label']} failed: {why}")
        return []


def _first(peer: Peer, process: Process, job: Job, rounds: int) -> dict[str, float]:
    """The median seconds to the first batch, for each way to start workers."""
    forks = peer.name == "torchvision" and job.workers > 0 and hasattr(os, "fork")
    contexts = {"fork": "fork", "spawn": "spawn"} if forks else {"": ""}
    times = {}
    for name, context in contexts.items():
        turns = 1 if name == "spawn" else min(3, rounds)  # it takes long, and varies little
        times[name] = median(process.ask("first", context=context)["seconds"] for _ in range(turns))
    return times


def _figures(epochs: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "images_per_second": median(epoch["images"] / epoch["seconds"] for epoch in epochs),
        "cpu_seconds_per_1000": median(1000 * epoch["cpu"] / epoch["images"] for epoch in epochs),
        "seconds": [round(epoch["seconds"], 4) for epoch in epochs],
    }
