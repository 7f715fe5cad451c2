"""A level that a cluster sends, from its prompts to its file and its row."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Emulator
from fmbench_lib.errors import WorkerError
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.levels.attempt import Attempt
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.measure import measure_level
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.level_row import level_row
from tests.load.cluster.conftest import MakeCluster
from tests.load.test_measure import DEAL, PAYLOAD, experiment_load, spec


def test_the_file_and_row_of_a_level_are_as_those_of_one_machine_and_name_the_nodes(
    emulator: Emulator, make_cluster: MakeCluster, tmp_path: Path
) -> None:
    experiment = replace(experiment_load(emulator.url, workers=None), executor=ClusterExecutor(make_cluster(2)))
    target, scratch = tmp_path / "level.parquet", tmp_path / "scratch"
    ended: list[int | None] = []
    attempt = Attempt(ended=ended.append)
    facts = measure_level(spec(), DEAL, PAYLOAD, experiment, target, scratch, attempt=attempt)
    records, stored = read_level(target)
    assert stored["nodes"] == facts["nodes"]
    assert [node["name"] for node in stored["nodes"] or ()] == ["node-a", "node-b"]
    assert stored["workers"] == 2
    assert stored["started"] < records["sent"].min() < records["end"].max() < stored["ended"]
    row = level_row(records, stored)
    assert (row["nodes"], row["errors"]) == (2, 0)
    assert row["requests_outside_window"] == 0
    assert row["requests"] == (records["phase"] == "measured").sum() >= 7  # the first of both nodes to end ends it
    assert not scratch.exists()
    assert ended[0] is not None


def test_a_level_that_lost_a_node_is_invalid_and_sends_no_prompt_again(
    emulator: Emulator, make_cluster: MakeCluster, tmp_path: Path
) -> None:
    cluster = make_cluster(2)

    def die(figures: LiveFigures) -> None:
        if figures.done > 20 and not cluster.all[0].dead:
            cluster.all[0].kill()

    executor = ClusterExecutor(cluster)
    experiment = replace(experiment_load(emulator.url, workers=None, prompt_reuse="allowed"), executor=executor)
    long = spec(stop=StopRule(requests=None, duration=30.0))
    target, ended = tmp_path / "level.parquet", list[int | None]()
    attempt = Attempt(ended=ended.append)
    measure_level(long, DEAL, PAYLOAD, experiment, target, tmp_path / "scratch", die, attempt)
    row = level_row(*read_level(target))
    assert row["verdict"] == "invalid"
    assert "node node-a of 2 was lost (its process was killed)" in str(row["verdict_reasons"])
    assert ended == [None]  # not known, so that all of them count as sent
    again = measure_level(spec(), DEAL, PAYLOAD, experiment, tmp_path / "again.parquet", tmp_path / "scratch")
    assert [node["name"] for node in again["nodes"] or ()] == ["node-b"]


def test_a_level_that_broke_down_leaves_nothing(emulator: Emulator, make_cluster: MakeCluster, tmp_path: Path) -> None:
    cluster = make_cluster(1)

    def die(figures: LiveFigures) -> None:
        if figures.done and not cluster.all[0].dead:
            cluster.all[0].kill()

    experiment = replace(experiment_load(emulator.url, prompt_reuse="allowed"), executor=ClusterExecutor(cluster))
    long, deal = spec(stop=StopRule(requests=None, duration=30.0)), Deal((20,), tuple(range(10)), None)
    target, scratch = tmp_path / "level.parquet", tmp_path / "scratch"
    with pytest.raises(WorkerError, match="node node-a: its process was killed"):
        measure_level(long, deal, PAYLOAD, experiment, target, scratch, die)
    assert not target.exists()
    assert not scratch.exists()
