"""What sends the levels of a run, as `load.executor` says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fmbench_lib.config import Config
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.load.executor import Executor, OneMachine


@contextlib.contextmanager
def level_executor(config: Config, *, needed: bool) -> Iterator[Executor]:
    """This machine, or the Ray cluster of the config, which is left at the end. A run that has no level to send, and so
    does not need it, joins no cluster.

    Raises InputError where Ray is not installed, or no cluster answers.
    """
    if config.load.executor == "local" or not needed:
        yield OneMachine()
        return
    with ray_cluster(config.load.ray.settings()) as cluster:
        yield ClusterExecutor(cluster)
