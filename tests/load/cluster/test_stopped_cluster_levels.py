"""A level of a cluster that is stopped and continued: as one of a single machine is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Behaviour, Constant, Emulator, launch
from fmbench_lib.errors import LevelStoppedError
from fmbench_lib.load.cluster import cluster_watch
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.metrics.level_row import level_row
from tests.load.cluster.conftest import MakeCluster, ThreadCluster
from tests.load.test_stopped_levels import COUNT, OPEN, Stopper, measured


@pytest.fixture(scope="module")
def steady() -> Iterator[Emulator]:
    """Answers take 100 ms."""
    with launch(Behaviour(ttft=Constant(0.08), itl=Constant(0.02), tokens=Constant(2))) as emulator:
        yield emulator


@pytest.fixture
def cluster(make_cluster: MakeCluster) -> ThreadCluster:
    return make_cluster(2)


@pytest.fixture
def stopper(steady: Emulator, cluster: ThreadCluster, tmp_path: Path) -> Stopper:
    return Stopper(steady.url, tmp_path, executor=ClusterExecutor(cluster))


def test_an_open_loop_is_continued_on_its_schedule(steady: Emulator, stopper: Stopper, tmp_path: Path) -> None:
    """Every request at the time at which one machine sends it that nobody stops."""
    settings = {**OPEN, "arrival": "poisson", "workers": None}
    (tmp_path / "other").mkdir()
    expected, _ = Stopper(steady.url, tmp_path / "other").whole(**settings)
    records, facts = stopper.whole(5, 5, **settings)
    found, alone = measured(records), measured(expected)
    assert list(found["prompt_id"]) == list(alone["prompt_id"])
    assert found["request_id"].is_unique
    assert found["error"].isna().all()
    due, other = (np.array(frame["due"]) for frame in (found, alone))
    bound = sum(node["clock_bound"] for node in facts["nodes"] or ())
    assert bound < 0.05
    np.testing.assert_allclose(due - due[0], other - other[0], atol=2 * bound + 5e-6)
    assert (found["last"] - found["sent"]).between(0.09, 0.5).all()
    assert len(facts["parts"]) == 3
    assert [node["name"] for node in facts["nodes"] or ()] == ["node-a", "node-b"]
    row = level_row(records, facts)
    assert row["parts"] == 3
    assert "3 parts" in str(row["verdict_reasons"])


def test_the_rest_is_sent_by_the_nodes_that_are_left(stopper: Stopper, cluster: ThreadCluster) -> None:
    with pytest.raises(LevelStoppedError, match="are kept"):
        stopper.part(10, workers=None)
    cluster.all[1].kill()
    records, facts = stopper.whole(workers=None)
    found = measured(records)
    assert sorted(found["request_id"].str.rpartition("-")[2].astype(int)) == list(range(3, 3 + COUNT))
    assert found["request_id"].is_unique
    assert found["due"].is_monotonic_increasing
    assert {node["name"]: bool(node["requests"]) for node in facts["nodes"] or ()} == {"node-a": True, "node-b": True}


def test_a_level_that_time_ends_is_measured_for_what_is_left_of_it(stopper: Stopper) -> None:
    records, facts = stopper.whole(10, stop=StopRule(requests=None, duration=1.2), prompt_reuse="allowed", workers=None)
    assert facts["window_end"] is not None
    assert facts["window_start"] is not None
    assert 1.2 <= facts["window_end"] - facts["window_start"] < 1.5
    found = measured(records)
    assert found["sent"].between(facts["window_start"], facts["window_end"]).all()  # by which the window counts them


def test_what_is_in_flight_too_long_is_cut_and_sent_again(
    make_cluster: MakeCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_watch, "GRACE_S", 0.0)
    with launch(Behaviour(ttft=Constant(1.0), itl=Constant(0.01), tokens=Constant(2))) as slow:
        stopper = Stopper(slow.url, tmp_path, executor=ClusterExecutor(make_cluster(2)))
        records, _ = stopper.whole(12, concurrency=10, stop=StopRule(requests=20), workers=None)
    found = measured(records)
    assert found["request_id"].is_unique
    assert len(found) > 10
    assert found["error"].isna().all()


def test_a_level_stopped_in_its_warm_up_keeps_nothing_and_leaves_no_workers(stopper: Stopper, tmp_path: Path) -> None:
    with pytest.raises(LevelStoppedError, match="nothing of it is kept"):
        stopper.part(0, workers=None)
    assert not (tmp_path / "scratch").exists()
    assert not (tmp_path / "parts").exists()
    assert list((tmp_path / "agents").iterdir()) == []
