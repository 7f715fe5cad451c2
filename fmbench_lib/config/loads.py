"""What must fit together in the `load` section, and with the loads of the experiments."""

from __future__ import annotations

from fmbench_lib.config.keys import Findings
from fmbench_lib.config.schema import Config


def check_loads(config: Config, findings: Findings) -> None:
    """Report settings that contradict each other, and those that nothing of the config makes use of."""
    load = config.load
    closed = load.find == "max_concurrency" or any(one.concurrency_levels for one in config.experiments)
    opened = load.find == "max_request_rate" or any(one.request_rates for one in config.experiments)
    opened = opened or load.arrival == "trace"
    if load.arrival == "trace" and load.trace is None:
        findings.problem("load.trace", "is missing; write the file whose times `arrival: trace` follows")
    if load.arrival != "trace" and load.trace is not None:
        findings.problem(
            "load.trace", f"has no effect with arrival {load.arrival}; write `arrival: trace` or leave it out"
        )
    if load.arrival != "gamma" and load.burstiness != 1:
        findings.problem(
            "load.burstiness", f"has no effect with arrival {load.arrival}; write `arrival: gamma` or leave it out"
        )
    if load.ramp and not load.warmup_requests:
        findings.problem("load.ramp", "needs prompts to send while the slots open; write warmup_requests: 1 or more")
    for key in ("think_time", "ramp"):
        if getattr(load, key) and not closed:
            findings.problem(f"load.{key}", "is for a closed loop; give concurrency_levels or leave it out")
    if not opened:
        for key in ("max_concurrency", "stop_on_saturation"):
            if getattr(load, key):
                findings.problem(f"load.{key}", "is for an open loop; give request_rates or leave it out")
