"""Checks of the `load` section, by itself and against the loads of the experiments."""

from __future__ import annotations

from fmbench_lib.config.arrival_facts import ARRIVALS, has_own_times, reads
from fmbench_lib.config.load_settings import CLOSED_LOOP_KEYS, OPEN_LOOP_KEYS
from fmbench_lib.config.problems import shown
from fmbench_lib.config.reading.keys import Findings
from fmbench_lib.config.schema.config import Config
from fmbench_lib.config.schema.load_section import LoadSection
from fmbench_lib.config.schema.search_objectives import AT_LEAST


def check_loads(config: Config, findings: Findings) -> None:
    """Report settings that contradict each other, and settings that have no effect in this config."""
    load = config.load
    closed = load.find == "max_concurrency" or any(experiment.concurrency_levels for experiment in config.experiments)
    opened = load.find == "max_request_rate" or any(experiment.request_rates for experiment in config.experiments)
    opened = opened or has_own_times(load.arrival)
    _check_arrival(load, findings)
    if load.ramp and not load.warmup_requests:
        findings.problem("load.ramp", "needs prompts to send while the slots open; write warmup_requests: 1 or more")
    for key in CLOSED_LOOP_KEYS:
        if getattr(load, key) and not closed:
            findings.problem(f"load.{key}", "is for a closed loop; give concurrency_levels or leave it out")
    given = any(experiment.concurrency_levels or experiment.request_rates for experiment in config.experiments)
    if load.repeats > 1 and not given and not has_own_times(load.arrival):
        findings.notice(
            "load.repeats",
            "has no effect: a search repeats what it has to; give concurrency_levels or request_rates to repeat",
        )
    _check_objectives(config, findings)
    for key in OPEN_LOOP_KEYS:
        if getattr(load, key) and not opened:
            findings.problem(f"load.{key}", "is for an open loop; give request_rates or leave it out")


def _check_arrival(load: LoadSection, findings: Findings) -> None:
    """Report parameters that the arrival process lacks, and those of other processes."""
    for facts in ARRIVALS.values():
        for parameter in facts.parameters:
            path, value = f"load.{parameter.key}", getattr(load, parameter.key)
            if facts.name == load.arrival and parameter.missing and value is None:
                findings.problem(path, f"is missing; {parameter.missing}")
            given = value != LoadSection.model_fields[parameter.key].default
            if given and not reads(load.arrival, parameter.key):
                remedy = f"write `arrival: {facts.name}` or leave it out"
                findings.problem(path, f"has no effect with arrival {load.arrival}; {remedy}")


def _check_objectives(config: Config, findings: Findings) -> None:
    """Report keys without the objectives they need, and objectives that whole responses cannot show."""
    slo = config.slo
    if (slo.ttft, slo.tpot, slo.latency) == (None, None, None):
        keys = [f"load.subject_to.{name}" for name in AT_LEAST if name in config.load.subject_to]
        for key in keys:
            findings.problem(key, "needs objectives; write `slo: {ttft: 0.5, latency: 10}`")
    if slo.ttft is None and slo.tpot is None:
        return
    for index, experiment in enumerate(config.experiments):
        if not experiment.inference_spec.stream:
            findings.notice(
                f"experiments[{index}].inference_spec.stream",
                "is false, so no response shows the times that slo.ttft and slo.tpot are about: there is no goodput",
            )


def check_find(find: str | None, subject_to: dict[str, float], start: float, most: float | None, to: Findings) -> None:
    """Report keys of a search that contradict each other, or are missing."""
    if find is None:
        if subject_to:
            to.notice("load.subject_to", "has no effect without load.find: write max_concurrency or max_request_rate")
        return
    if not subject_to:
        to.problem("load.subject_to", "is missing or empty; write what the load must meet: {TTFT_p95: 0.5}")
    if most is not None and most < start:
        to.problem("load.find_most", f"is {shown(most)}; it must not be below find_start, {shown(start)}")
    whole = {"find_start": start, "find_most": most} if find == "max_concurrency" else {}
    for key, value in whole.items():
        if value is not None and value != int(value):
            to.problem(f"load.{key}", f"is {shown(value)}; a concurrency is a whole number, 1 or more")
