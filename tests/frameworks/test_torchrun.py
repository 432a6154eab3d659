"""Two ranks as torchrun starts them, each with its shard of the dataset."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from equality import equal
from framework_data import SAMPLES, flat, labels, on_two_ranks
from repository import SUPPORT

Ranks = list[dict[str, Any]]


@pytest.fixture(scope="module")
def ranks(numbered: Path, tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    """What each of the two ranks noted: see torchrun_ranks.py."""
    out = tmp_path_factory.mktemp("ranks")
    on_two_ranks(SUPPORT / "torchrun_ranks.py", numbered, out)
    return [torch.load(out / f"{rank}.pt") for rank in (0, 1)]


# 25 samples do not divide by two ranks: one is taken twice, or one left out.
@pytest.mark.parametrize(
    ("case", "samples", "each"),
    [("even", SAMPLES, 13), ("padded", 25, 13), ("drop_last", 25, 12), ("in order", 25, 13)],
)
def test_shards(ranks: Ranks, case: str, samples: int, each: int) -> None:
    assert all(rank[case]["explain"].startswith("native, 2 threads") for rank in ranks)
    orders = []
    for epoch in range(2):
        shards = [flat(labels(rank[case]["torchfeed"][epoch])) for rank in ranks]
        assert [len(shard) for shard in shards] == [each, each]
        assert [rank[case]["length"] for rank in ranks] == [len(rank[case]["torchfeed"][epoch]) for rank in ranks]
        together = flat(shards)
        if case == "drop_last":
            assert len(set(together)) == 24
            assert set(together) < set(range(samples))
        else:
            assert set(together) == set(range(samples))
        # DistributedSampler deals the order out in turn, and fills it up from its beginning.
        dealt = [shards[i % 2][i // 2] for i in range(2 * each)]
        assert dealt[samples:] == dealt[: max(0, 2 * each - samples)]
        orders.append(dealt)
    assert (orders[0] == orders[1]) == (case == "in order")


@pytest.mark.parametrize("case", ["even", "padded", "drop_last", "in order"])
def test_the_batches_of_torchs_loader(ranks: Ranks, case: str) -> None:
    for rank in ranks:
        equal(rank[case]["torchfeed"], rank[case]["torch"])


@pytest.mark.parametrize("case", ["even", "padded", "drop_last", "in order"])
def test_each_rank_resumes(ranks: Ranks, case: str) -> None:
    """Random crops in the second epoch; saved on each rank after two batches, and loaded into a new loader."""
    for rank in ranks:
        equal(rank[case]["resumed"], rank[case]["rest"])
        assert len(rank[case]["rest"][0]) == rank[case]["length"] - 2


def test_checkpoints_of_both_ranks(ranks: Ranks) -> None:
    """One `dcp.save` for both, under a key for each rank, as torchdata's documentation has it."""
    for rank in ranks:
        equal(rank["checkpoint"]["resumed"], rank["checkpoint"]["rest"])


def test_accelerate_with_our_class_inside(ranks: Ranks) -> None:
    """It deals batches to the ranks; ours are native where its module makes loaders of our class."""
    for rank in ranks:
        assert rank["accelerate"]["explain"].startswith("native")
        equal(rank["accelerate"]["torchfeed"], rank["accelerate"]["torch"])
        equal(rank["accelerate"]["resumed"], rank["accelerate"]["rest"])
    assert {label for rank in ranks for label in flat(labels(rank["accelerate"]["torchfeed"]))} == set(range(SAMPLES))
