"""What a run would do, before it does it: what it deploys, which levels it measures, what that costs at most."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from fmbench_lib.config import Config, Experiment, LoadedConfig
from fmbench_lib.config.platforms import platform_facts
from fmbench_lib.config.problems import merged
from fmbench_lib.config.reading.resolution import NO_LIMIT
from fmbench_lib.config.secrets import redactor_for
from fmbench_lib.data.payload_index import read_payload_index
from fmbench_lib.deploy.platform import UsingFiles
from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.load.levels.arrivals.trace import trace_rate
from fmbench_lib.load.levels.specs import (
    LevelSpec,
    deal_prompts,
    levels_of,
    needed_prompts,
    search_of,
    search_warmup,
    searches_of,
)
from fmbench_lib.metrics.prices import begun_hours, hours_cost, terms_of
from fmbench_lib.pricing.price_list import ON_DEMAND, InstancePrice, PriceList, TokenPrice
from fmbench_lib.runs.config_arguments import load_with_placeholders
from fmbench_lib.runs.location import DEFAULT_STORAGE, RunLocation, StorageOptions, location_of
from fmbench_lib.runs.opening import default_results
from fmbench_lib.runs.progress import duration as duration_text
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.data_generation import make_payloads
from fmbench_lib.steps.endpoints.machine_sharing import waiting
from fmbench_lib.steps.judging.evaluation_plan import evaluation_lines
from fmbench_lib.steps.measuring.probable_time import probable_time
from fmbench_lib.steps.prompts.answer_tokens import AnswerTokens, answer_tokens
from fmbench_lib.steps.run_inputs.inputs import trace_of
from fmbench_lib.steps.run_inputs.payloads import earlier_prompts, needs_prompts
from fmbench_lib.steps.run_inputs.platform_of import service_of
from fmbench_lib.steps.run_inputs.run_prices import load_prices
from fmbench_lib.steps.run_inputs.tokenizers_of_run import choose_tokenizer
from fmbench_lib.steps.setup import check_service, script_files
from fmbench_lib.workspace import Workspace

Sized: TypeAlias = tuple[LevelSpec, int | None]
"""A level, and the most measured requests that it sends; None where only time ends it."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do, for a terminal; `obstacles` are what would stop it before it began, one line each."""

    text: str
    obstacles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Service:
    """What is deployed or used for an experiment; `missing` is why it cannot be, None where it can."""

    text: str
    missing: str | None = None


def make_plan(
    source: str, arguments: Mapping[str, str], standard: Mapping[str, str], storage: StorageOptions = DEFAULT_STORAGE
) -> Plan:
    """The plan of a config, as far as it can be made.

    Reads the config's files and makes its prompts to know their number and length, but keeps, deploys and sends
    nothing. Raises ConfigError where the config is wrong; anything else that would stop the run is an obstacle. An
    experiment that cannot be deployed or used is an obstacle only where no other one can be.
    """
    loaded, _ = load_with_placeholders(source, arguments, standard, local_only=storage.local_only)
    run = Run(loaded, Workspace(default_results() / loaded.config.general.name / "plan"), local_only=storage.local_only)
    obstacles: list[str] = []
    for experiment in run.config.experiments:
        with _collected(obstacles):
            check_service(run, experiment)
            script_files(run, experiment)
    counts: dict[str, int] = {}
    longest = {entry.payload_file: entry.max_length_in_tokens - 1 for entry in run.config.datasets.filters}
    with _collected(obstacles):
        counts, longest = _prompts(run)
        if needs_prompts(run.config):
            deal_prompts(run.config, counts)
    location = "?"
    with _collected(obstacles):
        location = _location_text(location_of(run.config, storage))
    prices = PriceList()
    with _collected(obstacles):
        prices = load_prices(run)
    services = [_service(run, experiment) for experiment in run.config.experiments]
    obstacles += _none_served(run.config, services)
    lines = [*_heading(loaded, counts, longest), *_experiments(run, services, longest, prices), f"kept in: {location}"]
    with _collected(obstacles):
        lines += evaluation_lines(run, counts, longest, prices, _sent(run, longest))
    lines.append(f"steps: {', '.join(step for step, on in run.config.run_steps.items() if on)}")
    redact = redactor_for(loaded.config, arguments).in_content
    return Plan(redact("\n".join(lines)), tuple(dict.fromkeys(map(redact, obstacles))))


def _sent(run: Run, longest: Mapping[str, int]) -> list[Sized]:
    """The levels of all experiments with the most requests of each."""
    times = [entry.time for entry in trace_of(run) or ()]
    levels = (level for each in run.config.experiments for level in levels_of(run.config, each, set(longest)))
    return [(level, most_requests(level, times)) for level in levels]


def _experiments(
    run: Run, services: Sequence[_Service], longest: Mapping[str, int], prices: PriceList
) -> Iterator[str]:
    """Each experiment, which ones wait for others, and the prices to look up."""
    experiments = run.config.experiments
    for experiment, service in zip(experiments, services, strict=True):
        levels = levels_of(run.config, experiment, set(longest))
        yield from _experiment_lines(run, experiment, service.text, levels, longest, prices)
    names = [experiment.name for experiment in experiments]
    yield from (f"{name} {reason}" for name, reason in waiting(run.config, names).items())
    yield from _lookup_lines(run, prices)


def _heading(loaded: LoadedConfig, counts: Mapping[str, int], longest: Mapping[str, int]) -> list[str]:
    """The config, notes on it, and its payload files."""
    missing = ", ".join(f"{{{name}}}" for name in loaded.open_placeholders)
    needed = needed_prompts(loaded.config, set(longest)) if loaded.config.load.prompt_reuse != "allowed" else {}
    needs = {name: f"; at least {count} needed" for name, count in needed.items()}
    return [
        f"{loaded.path}: {loaded.config.general.name}",
        *(f"  note: {notice}" for notice in merged(loaded.notices)),
        *([f"  not set: {missing}"] if missing else []),
        *(
            f"  {name}: {counts.get(name, '?')} prompts{_up_to(most)}{needs.get(name, '')}"
            for name, most in longest.items()
        ),
    ]


def _up_to(most: int) -> str:
    """The length of the longest prompt; nothing where no prompt was read and its filter sets no limit."""
    return f" of up to {most} tokens" if most < NO_LIMIT - 1 else ""


def _location_text(location: RunLocation) -> str:
    """Where the run would be kept."""
    if location.bucket is None:
        return "its directory"
    return f"the bucket {location.bucket}" + (" and its directory" if location.where == "both" else "")


@contextlib.contextmanager
def _collected(obstacles: list[str]) -> Iterator[None]:
    """Turn an InputError of the block into an obstacle."""
    try:
        yield
    except InputError as error:
        obstacles.append(str(error))


def _lookup_lines(run: Run, prices: PriceList) -> list[str]:
    """The prices that a plan lacks and the run will look up."""
    types = dict.fromkeys(experiment.instance_type for experiment in run.config.experiments)
    missing = [name for name in types if name and name not in prices.entries]
    if not missing or not run.config.aws.price_lookup:
        return []
    return [f"the run will query the AWS Price List API for: {', '.join(missing)}"]


def _prompts(run: Run) -> tuple[dict[str, int], dict[str, int]]:
    """By payload file: the number of prompts that it has or would have, and the tokens of the longest one."""
    if run.config.run_steps.get("1_generate_data", True):
        made = make_payloads(run)
        return {name: len(rows) for name, rows in made.payloads.files.items()}, made.longest
    if not needs_prompts(run.config):
        return {}, {}
    index = read_payload_index(earlier_prompts(run).payload_index)
    return index.counts, {payload.payload_file: payload.prompt_tokens_max for payload in index.payloads}


def _experiment_lines(
    run: Run,
    experiment: Experiment,
    what: str,
    levels: list[LevelSpec],
    longest: Mapping[str, int],
    prices: PriceList,
) -> list[str]:
    payload_files = {level.payload_file for level in levels}
    loads = ", ".join(dict.fromkeys(level.base_load for level in levels))
    repeats = f" × {run.config.load.repeats} repeats" if run.config.load.repeats > 1 else ""
    searches = _search_lines(run.config, experiment, set(longest))
    times = [entry.time for entry in trace_of(run) or ()]
    requests = [most_requests(level, times) for level in levels]
    timeout = experiment.inference_spec.timeout or run.config.load.timeout
    seconds = sum(most_seconds(level, timeout, times) for level in levels)
    sent = "until time is up" if None in requests else f"{sum(filter(None, requests))} requests"
    warmup = sum(level.warmup for level in levels)
    name = run.config.general.name
    answers = answer_tokens(run, experiment, payload_files)
    likely = {payload_file: tokens.probable for payload_file, tokens in answers.items()}
    probable = probable_time(default_results(), name, experiment.name, levels, likely, seconds)
    named = [
        f"  levels: {len(levels)}, payload files ({len(payload_files)}) × loads ({loads}){repeats}",
        f"  {sent} and {warmup} for the warm-up; at most {duration_text(seconds)} of load",
        f"  {probable}",
    ]
    cost = _cost_line(experiment, list(zip(levels, requests, strict=True)), longest, answers, prices, seconds)
    head = [
        f"{experiment.name}: {experiment.platform}, protocol {experiment.protocol}, "
        f"tokenizer {_tokenizer_name(run, experiment)}",
        f"  {what}",
    ]
    if not run.config.run_steps.get("3_run_inference", True):
        return [*head, *_unmeasured_lines(run.config, experiment)]
    return [
        *head,
        *(named if levels else []),
        *searches,
        "  cost and time unknown: a search chooses its loads as it goes" if searches else f"  {cost}",
    ]


def _unmeasured_lines(config: Config, experiment: Experiment) -> list[str]:
    """What is said instead of levels and costs where no load is sent."""
    deployed = experiment.deploy and config.run_steps.get("2_deploy_model", True)
    stays = deployed and not config.run_steps.get("5_cleanup", True)
    lasting = "; what is deployed stays, and its address is printed, until fmbench cleanup deletes it" if stays else ""
    return [f"  nothing is measured (3_run_inference: no){lasting}"]


def _tokenizer_name(run: Run, experiment: Experiment) -> str:
    """The tokenizer's name; where it cannot be loaded, the name that the config gives, as the obstacles say why."""
    try:
        chosen = choose_tokenizer(run, experiment)
    except InputError:
        return str(experiment.tokenizer)
    return chosen.tokenizer.name if not chosen.notice else f"{chosen.tokenizer.name} ({chosen.notice})"


def _service(run: Run, experiment: Experiment) -> _Service:
    """What is deployed or used, or why it cannot be."""
    try:
        service, experiment = service_of(run.config, experiment, run.loaded.folders)
        if isinstance(service, UsingFiles):
            service.check_files(experiment, run.loaded.folders)
        return _Service(service.plan(experiment).replace("\n", "\n  "))
    except DeployError as error:
        if not experiment.deploy:
            what, can = experiment.ep_name or experiment.model_id or experiment.name, "used"
        else:
            where = f" on {experiment.instance_type}" if experiment.instance_type else ""
            what, can = f"{experiment.model_id or experiment.image_uri or experiment.name}{where}", "deployed"
        return _Service(f"{what} cannot be {can} as it stands: {error}", " ".join(str(error).split()))


def _none_served(config: Config, services: Sequence[_Service]) -> list[str]:
    """The obstacle that no experiment can be deployed or used, where the run has a step that needs one."""
    if not any(config.run_steps.get(step, True) for step in ("2_deploy_model", "3_run_inference")):
        return []
    reasons = [service.missing for service in services if service.missing is not None]
    if len(reasons) < len(services):
        return []
    return [f"no experiment can be deployed or used as it stands: {'; '.join(dict.fromkeys(reasons))}"]


def _search_lines(config: Config, experiment: Experiment, payload_files: set[str]) -> list[str]:
    """What a search adds to the levels: how many at most; their loads are not known beforehand."""
    load, search = config.load, search_of(config)
    count = sum(searched == experiment for searched, _ in searches_of(config, payload_files))
    if not count or search is None:
        return []
    limits = ", ".join(f"{objective.name} {objective.limit:g}" for objective in search.objectives)
    each = f"{load.requests} requests" if load.requests is not None else "requests until time is up"
    return [
        f"  searches: {count}, {load.find} subject to {limits}, from {load.find_start:g}: each of at most "
        f"{load.find_levels} levels of {each} and {search_warmup(config)} for the warm-up"
    ]


def most_requests(level: LevelSpec, times: Sequence[float] = ()) -> int | None:
    """The most measured requests of a level; None where only time ends it. `times` are the arrivals of a trace."""
    bounds = [level.stop.requests, len(times) if times and level.concurrency is None else None]
    return min((bound for bound in bounds if bound is not None), default=None)


def most_seconds(level: LevelSpec, timeout: float, times: Sequence[float] = ()) -> float:
    """The longest that a level can take, in seconds: with every request just within its `timeout`.

    It is the lesser of what its requests take and of its duration with the requests in flight at its end. A trace,
    whose arrivals are `times`, is followed to its end.
    """
    bounds = []
    if level.concurrency is None and times:
        rate = level.request_rate or trace_rate(times)
        bounds.append((len(times) + level.warmup) / rate + timeout if rate else timeout)
    elif level.stop.requests is not None:
        count = level.stop.requests + level.warmup
        waves = math.ceil(count / level.concurrency) * timeout if level.concurrency else math.inf
        bounds.append(count / level.request_rate + timeout if level.request_rate else waves)
    if level.stop.duration is not None:
        slots, least = level.concurrency, level.stop.min_requests
        warm = math.ceil(level.warmup / slots) * timeout if slots else 0.0
        sent = math.ceil(least / slots) * timeout if slots else least / (level.request_rate or math.inf)
        bounds.append(warm + max(level.stop.duration, sent) + timeout)
    return min(bounds)


def _cost_line(
    experiment: Experiment,
    levels: list[Sized],
    longest: Mapping[str, int],
    answers: Mapping[str, AnswerTokens],
    prices: PriceList,
    seconds: float,
) -> str:
    price = prices.lookup(experiment.instance_type)
    if price is None:
        return f"cost unknown: {prices.why_none(experiment.instance_type)}"
    if isinstance(price, InstancePrice):
        count = experiment.instance_count or 1
        paid = begun_hours(seconds) if platform_facts(experiment.platform).whole_hours else seconds
        most = hours_cost(price.hourly, count, paid)
        terms = terms_of(price)
        said = "" if terms == ON_DEMAND else f" ({terms})"
        rate = f"{price.hourly:.10g} USD/h{said}"
        machines = f"{count} × {experiment.instance_type}"
        return f"at most {most:.4f} USD of load on {machines} at {rate} (deployment comes on top)"
    return _token_cost_line(experiment, levels, longest, answers, price)


def _token_cost_line(
    experiment: Experiment,
    levels: list[Sized],
    longest: Mapping[str, int],
    answers: Mapping[str, AnswerTokens],
    price: TokenPrice,
) -> str:
    most = 0.0
    for level, requests in levels:
        out = answers[level.payload_file].most
        if out is None or requests is None:
            return f"cost unknown: {experiment.instance_type} is priced by the token, and their number has no bound"
        dearest = max(price.input_per_1k, price.cache_write_per_1k or 0.0)
        each = longest[level.payload_file] * dearest + out * price.output_per_1k
        most += (requests + level.warmup) * each / 1000
    return f"at most {most:.4f} USD for tokens of {experiment.instance_type}"
