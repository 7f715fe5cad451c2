"""What a run would do, said before anything is done: what is deployed, which levels, how much of everything at most."""

from __future__ import annotations

import math
from collections.abc import Mapping

from fmbench_lib.config import Config, Experiment, load_config
from fmbench_lib.live import duration as duration_text
from fmbench_lib.load.levels import LevelSpec, deal_prompts, levels_of, searches_of
from fmbench_lib.metrics.prices import InstancePrice, Price, TokenPrice
from fmbench_lib.run import Run, default_results
from fmbench_lib.steps.analysis import load_prices
from fmbench_lib.steps.prompts import earlier_prompts, make_payloads, tokenizer_spec
from fmbench_lib.steps.setup import check_service
from fmbench_lib.workspace import Workspace, read_json


def plan_text(source: str, arguments: Mapping[str, str], standard: Mapping[str, str]) -> str:
    """The plan of a config, for a terminal.

    Reads the config's files and makes its prompts to know their number and length, but keeps, deploys and sends
    nothing. Raises an InputError for whatever would stop the run before it began.
    """
    loaded = load_config(source, arguments=arguments, standard=standard)
    run = Run(loaded, Workspace(default_results() / loaded.config.general.name / "plan"))
    for experiment in run.config.experiments:
        check_service(experiment)
    counts, longest = _prompts(run)
    deal_prompts(run.config, counts)
    prices = load_prices(run)
    lines = [f"{loaded.path}: {run.config.general.name}"]
    lines += [f"  note: {notice}" for notice in loaded.notices]
    lines += [f"  {name}: {count} prompts of up to {longest[name]} tokens" for name, count in counts.items()]
    for experiment in run.config.experiments:
        levels = levels_of(run.config, experiment, set(counts))
        lines += _experiment_lines(run, experiment, levels, longest, prices.lookup(experiment.instance_type))
    steps = [step for step, on in run.config.run_steps.items() if on]
    return "\n".join([*lines, f"steps: {', '.join(steps)}"])


def _prompts(run: Run) -> tuple[dict[str, int], dict[str, int]]:
    """How many prompts each payload file has or would have, and how many tokens the longest of them."""
    if run.config.run_steps.get("1_generate_data", True):
        files = make_payloads(run).files
        most = {name: max(row["prompt_tokens"] for row in rows) for name, rows in files.items()}
        return {name: len(rows) for name, rows in files.items()}, most
    payloads = read_json(earlier_prompts(run).prompts / "payloads.json")["payloads"]
    most = {one["payload_file"]: one["prompt_tokens_max"] for one in payloads}
    return {one["payload_file"]: one["prompts"] for one in payloads}, most


def _experiment_lines(
    run: Run, experiment: Experiment, levels: list[LevelSpec], longest: Mapping[str, int], price: Price | None
) -> list[str]:
    copies = experiment.inference_spec.model_copies or 1
    what = f"an endpoint that exists: {experiment.ep_name}"
    if experiment.platform == "local":
        what = f"deploys {experiment.model_id} on this machine ({copies} server{'s' if copies != 1 else ''})"
    payload_files = {level.payload_file for level in levels}
    loads = ", ".join(dict.fromkeys(level.load for level in levels))
    searches = _search_lines(run.config, experiment, set(longest))
    requests = [level.stop.requests for level in levels]
    seconds = sum(most_seconds(level, experiment.inference_spec.timeout or run.config.load.timeout) for level in levels)
    sent = "until time is up" if None in requests else f"{sum(filter(None, requests))} requests"
    warmup = sum(level.warmup for level in levels)
    named = [
        f"  levels: {len(levels)}, payload files ({len(payload_files)}) × loads ({loads})",
        f"  {sent} and {warmup} for the warm-up; at most {duration_text(seconds)} of load",
    ]
    cost = _cost_line(experiment, levels, longest, price, seconds)
    return [
        f"{experiment.name}: {experiment.platform}, protocol {experiment.protocol}, "
        f"tokenizer {tokenizer_spec(run, experiment)}",
        f"  {what}",
        *(named if levels else []),
        *searches,
        "  cost and time unknown: a search chooses its loads as it goes" if searches else f"  {cost}",
    ]


def _search_lines(config: Config, experiment: Experiment, payload_files: set[str]) -> list[str]:
    """What a search adds to the levels: how many at most, as which they will be nobody can say beforehand."""
    load = config.load
    count = sum(one == experiment for one, _ in searches_of(config, payload_files))
    if not count:
        return []
    limits = ", ".join(f"{name} {limit:g}" for name, limit in load.subject_to.items())
    each = f"{load.requests} requests" if load.requests is not None else "requests until time is up"
    return [
        f"  searches: {count}, {load.find} subject to {limits}, from {load.find_start:g}: each of at most "
        f"{load.find_levels} levels of {each} and {load.warmup_requests} for the warm-up"
    ]


def most_seconds(level: LevelSpec, timeout: float) -> float:
    """The longest that a level can take: every request just within its time-out, or the duration and what it leaves
    in flight."""
    bounds = []
    if level.stop.requests is not None:
        count = level.stop.requests + level.warmup
        waves = math.ceil(count / level.concurrency) * timeout if level.concurrency else math.inf
        bounds.append(count / level.request_rate + timeout if level.request_rate else waves)
    if level.stop.duration is not None and not level.stop.min_requests:
        warm = math.ceil(level.warmup / level.concurrency) * timeout if level.concurrency else 0.0
        bounds.append(warm + level.stop.duration + timeout)
    return min(bounds)


def _cost_line(
    experiment: Experiment, levels: list[LevelSpec], longest: Mapping[str, int], price: Price | None, seconds: float
) -> str:
    kind = experiment.instance_type
    if price is None:
        return f"cost unknown: there is no price for {kind or 'an experiment without instance_type'}"
    if isinstance(price, InstancePrice):
        count = experiment.instance_count or 1
        most = price.hourly * count * seconds / 3600
        return f"at most {most:.4f} USD of load on {count} × {kind} at {price.hourly} USD/h (deployment comes on top)"
    return _token_cost_line(experiment, levels, longest, price)


def _token_cost_line(
    experiment: Experiment, levels: list[LevelSpec], longest: Mapping[str, int], price: TokenPrice
) -> str:
    parameters = experiment.inference_spec.parameters
    out = next((parameters[key] for key in ("max_tokens", "max_new_tokens") if key in parameters), None)
    if out is None or any(level.stop.requests is None for level in levels):
        return f"cost unknown: {experiment.instance_type} is priced by the token, and their number has no bound"
    most = sum(
        ((level.stop.requests or 0) + level.warmup)
        * (longest[level.payload_file] * price.input_per_1k + int(out) * price.output_per_1k)
        / 1000
        for level in levels
    )
    return f"at most {most:.4f} USD for tokens of {experiment.instance_type}"
