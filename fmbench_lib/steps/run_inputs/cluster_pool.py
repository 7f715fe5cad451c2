"""Where a run's long work without a clock is done: here, and on the cluster of its config where it has one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fmbench_lib.host.task_pool import TaskPool, ThisProcess
from fmbench_lib.load.cluster.cluster_tasks import LONG_S, ClusterPool
from fmbench_lib.load.cluster.ray_nodes import ray_cluster
from fmbench_lib.runs.run import Run


@contextmanager
def task_pool(run: Run, long_s: float = LONG_S) -> Iterator[TaskPool]:
    """This process; with `load.executor: ray` also the cluster, which is joined once tasks have taken `long_s` seconds
    here, and left at the end. A cluster that is gone costs time only: events.jsonl says so."""
    if run.config.load.executor == "local":
        yield ThisProcess()
        return
    settings = run.config.load.ray.settings()
    with ClusterPool(
        lambda: ray_cluster(settings), lambda line: run.workspace.log_event("cluster", line=line), long_s
    ) as pool:
        yield pool
