"""Checks of `load.executor`: what a cluster cannot do, and what only a cluster can."""

from __future__ import annotations

from fmbench_lib.config.precision import parse_precision
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.schema.load_section import LoadSection
from fmbench_lib.config.schema.ray_section import RaySection


def check_executor(load: LoadSection, findings: Findings) -> None:
    """Report settings that do not go with what sends the requests."""
    if load.executor == "local":
        if load.ray != RaySection():
            findings.problem("load.ray", "has no effect with executor local; write `executor: ray` or leave it out")
        return
    if load.workers != "auto":
        findings.problem("load.workers", "is for one machine; with `executor: ray` write ray.workers_per_node")
    if load.keep_raw:
        findings.problem("load.keep_raw", "is for one machine; leave it out, or write `executor: local`")
    if load.until is not None and parse_precision(load.until).measure == "TTFT":
        findings.problem("load.until", "with `executor: ray` can be about latency alone; write `ci_p95 < 5%`")
