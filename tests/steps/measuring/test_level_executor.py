"""Which executor a run's levels have, and what is said of a cluster before anything is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

from fmbench_lib.config import Config
from fmbench_lib.config.ray_settings import RaySettings
from fmbench_lib.config.schema.load_section import LoadSection
from fmbench_lib.errors import InputError, WorkerError
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.executor import OneMachine
from fmbench_lib.steps.measuring import level_executor
from fmbench_lib.steps.measuring.level_executor import check_cluster


class Cluster:
    """A cluster of so many nodes; with none it has lost them all."""

    def __init__(self, count: int) -> None:
        self.count = count

    def nodes(self) -> list[Any]:
        if not self.count:
            raise WorkerError("load.ray.nodes: 2 were asked for, and the Ray cluster has 0")
        return [SimpleNamespace(name=f"n{number}", host=f"10.0.0.{number}") for number in range(self.count)]


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[RaySettings]:
    """The clusters that were joined, and left."""
    seen: list[RaySettings] = []

    @contextmanager
    def join(settings: RaySettings) -> Iterator[Cluster]:
        yield Cluster(settings.nodes or 0)
        seen.append(settings)

    monkeypatch.setattr(level_executor, "ray_cluster", join)
    return seen


def config(**load: Any) -> Config:
    """A config of which only the load is looked at."""
    return Config.model_construct(load=LoadSection(**load), run_steps={"3_run_inference": True}, experiments=[])


def over_ray(nodes: int | str) -> Config:
    return config(executor="ray", ray={"nodes": nodes})


def test_this_machine_sends_where_nothing_else_is_said(joined: list[RaySettings]) -> None:
    with level_executor.level_executor(config(), needed=True) as executor:
        assert isinstance(executor, OneMachine)
    assert check_cluster(config()) == []
    assert joined == []


def test_a_cluster_is_joined_for_levels_and_left(joined: list[RaySettings]) -> None:
    with level_executor.level_executor(over_ray(2), needed=True) as executor:
        assert isinstance(executor, ClusterExecutor)
        assert joined == []
    assert joined == [RaySettings(nodes=2)]


def test_a_finished_run_joins_no_cluster(joined: list[RaySettings]) -> None:
    with level_executor.level_executor(over_ray(2), needed=False):
        pass
    assert joined == []


def test_setup_shows_the_machines_and_refuses_too_few(joined: list[RaySettings]) -> None:
    assert check_cluster(over_ray(2)) == [("machines that send", "2: n0 at 10.0.0.0, n1 at 10.0.0.1")]
    assert check_cluster(over_ray(9)) == [("machines that send", "9")]
    with pytest.raises(InputError, match="2 were asked for, and the Ray cluster has 0"):
        check_cluster(over_ray("auto"))
