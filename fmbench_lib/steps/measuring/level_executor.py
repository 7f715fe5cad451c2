"""What sends the levels of a run, as `load.executor` says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from fmbench_lib.config import Config
from fmbench_lib.errors import InputError, WorkerError
from fmbench_lib.load.cluster.cluster_executor import ClusterExecutor
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.load.executor import Executor, OneMachine

_NAMED = 8  # machines, beyond which their names are no longer of use


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


def check_cluster(config: Config) -> list[tuple[str, str]]:
    """Join the cluster of a config that has one, and leave it again, before anything costs time or money.

    Returns what it is, as `set_up` shows it. Raises InputError where it cannot be used as configured.
    """
    if config.load.executor == "local" or not config.measures:
        return []
    try:
        with ray_cluster(config.load.ray.settings()) as cluster:
            nodes = cluster.nodes()
    except WorkerError as error:
        raise InputError(str(error)) from error
    names = ", ".join(f"{node.name} at {node.host}" for node in nodes)
    return [("machines that send", f"{len(nodes)}: {names}" if len(nodes) <= _NAMED else f"{len(nodes)}")]
