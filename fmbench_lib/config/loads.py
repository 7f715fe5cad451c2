"""What must fit together in the `load` section, and with the loads of the experiments."""

from __future__ import annotations

from fmbench_lib.config.finding import AT_LEAST
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
    _check_objectives(config, findings)
    if not opened:
        for key in ("max_concurrency", "stop_on_saturation"):
            if getattr(load, key):
                findings.problem(f"load.{key}", "is for an open loop; give request_rates or leave it out")


def _check_objectives(config: Config, findings: Findings) -> None:
    """Report what needs objectives that are not set, and objectives that an experiment's responses cannot show."""
    slo = config.slo
    if (slo.ttft, slo.tpot, slo.latency) == (None, None, None):
        asking = [f"load.subject_to.{name}" for name in AT_LEAST if name in config.load.subject_to]
        if config.report.slo_attainment_budget is not None:
            asking.append("report.slo_attainment_budget")
        for key in asking:
            findings.problem(key, "needs objectives; write `slo: {ttft: 0.5, latency: 10}`")
    if slo.ttft is None and slo.tpot is None:
        return
    for place, experiment in enumerate(config.experiments):
        if not experiment.inference_spec.stream:
            findings.notice(
                f"experiments[{place}].inference_spec.stream",
                "is false, so no response shows the times that slo.ttft and slo.tpot are about: there is no goodput",
            )
