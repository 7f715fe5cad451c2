"""A cluster calibrated: its rows say what each machine did."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fmbench_lib.calibration.measurement import Answers, Load, measure
from fmbench_lib.calibration.printed_table import node_lines
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.steps import client_calibration
from tests.load.cluster.conftest import MakeCluster, ThreadCluster, make_cluster

TINY = Answers(ttft=0.02, itl=0.002, tokens=6)
_ = make_cluster  # a fixture


class Joined(ThreadCluster):
    """Such a cluster, as `ray_cluster` gives one."""

    def driver_host(self) -> str:
        return "127.0.0.1"


def test_the_row_of_a_cluster_names_its_machines(make_cluster: MakeCluster) -> None:
    row = measure(Load(streams=4), TINY, 0.3, ClusterExecutor(make_cluster(2)))
    assert row["joined"] == row["requests"] > 0
    assert row["failed"] == 0
    assert [node["name"] for node in row["nodes"] or ()] == ["node-a", "node-b"]
    lines = node_lines(row)
    assert lines[0].startswith("  node-a at 10.0.0.1: ")
    assert "clock known within" in lines[1]


def test_a_clusters_calibration_is_shown_and_kept_apart_from_that_of_this_machine(
    make_cluster: MakeCluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    nodes = make_cluster(2)

    @contextmanager
    def join(settings: RaySettings) -> Iterator[Joined]:
        assert settings == RaySettings("head:6379", 2)
        yield Joined(nodes.all)

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(client_calibration, "ray_cluster", join)
    monkeypatch.setattr(client_calibration, "QUICK_SECONDS", 0.5)
    said: list[str] = []
    settings = RaySettings("head:6379", 2)
    path = client_calibration.calibrate_cluster(settings, [2], [], quick=True, say=said.append)
    assert path.name == "calibration-ray.json"
    assert [len(row["nodes"]) for row in json.loads(path.read_text())["levels"]] == [2]
    assert sum(line.startswith("  node-") for line in said) == 2
