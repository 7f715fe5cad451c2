"""One level from its prompts to its file of records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.config.schema.precision import Precision
from fmbench_lib.errors import WorkerError
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.levels.trace import TraceEntry, match_prompts
from fmbench_lib.load.recording.live_figures import LiveFigures, Onlooker
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.raw_responses import keep_raw
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt, TokenCounter
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.sending.engine import LevelRun, Progress, run_level
from fmbench_lib.load.sending.layout import Level, addresses
from fmbench_lib.load.sending.proxies import proxy_for
from fmbench_lib.load.sending.script_call import UserScript
from fmbench_lib.predictors.base import HttpRequest, Predictor, may_echo_prompt
from fmbench_lib.predictors.user_script import NOWHERE
from fmbench_lib.workspace import raw_file

_LOOKED_AT_FOR_PRECISION = 2000


@dataclass(frozen=True, slots=True)
class Setting:
    """What is the same for all levels of an experiment: its addresses, codec and tokenizer, and the run's settings."""

    urls: tuple[str, ...]
    predictor: Predictor
    tokenizer: TokenCounter | None
    tokenizer_name: str | None
    timeout: float
    workers: int | None
    arrival: str
    prompt_reuse: str
    seed: int
    burstiness: float = 1.0
    trace: tuple[TraceEntry, ...] | None = None
    max_concurrency: int | None = None
    think_time: float = 0.0
    ramp: float = 0.0
    until: Precision | None = None
    stop_on_error_rate: float | None = None
    stop_on_saturation: bool = False
    connect_timeout: float | None = None
    first_byte_timeout: float | None = None
    read_timeout: float | None = None
    balance: str = "least_outstanding"
    keep_raw: bool = False
    ca_file: str | None = None
    redact: Callable[[str], str] = str
    script: UserScript | None = None


def measure_level(
    spec: LevelSpec,
    deal: Deal,
    payload: Sequence[Mapping[str, Any]],
    setting: Setting,
    target: Path,
    scratch: Path,
    on_figures: Callable[[LiveFigures], None] = lambda _: None,
) -> dict[str, Any]:
    """Measure a level and write its records to `target`, which appears only when they are all there.

    `payload` holds the prompt rows that the numbers in `deal` mean. Returns the level's facts. Raises WorkerError when
    the measurement itself broke down; then there is no file.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        rows, limits = _sent(deal, payload, setting, open_loop=spec.concurrency is None)
        level = _level(spec, deal, setting, len(rows))
        echoed = may_echo_prompt(setting.predictor)
        recorder = Recorder(
            predictor=setting.predictor,
            prompts=[
                SentPrompt(row["prompt_id"], row["prompt_tokens"], row["prompt"] if echoed else None) for row in rows
            ],
            urls=setting.urls,
            labels=dict(zip(("experiment_name", "payload_file", "load"), spec.key, strict=True)),
            tokenizer=setting.tokenizer,
            redact=setting.redact,
        )
        onlooker = Onlooker(recorder, level.duration)
        if level.until is not None and level.until.measure == "TTFT":
            onlooker.most_per_look = _LOOKED_AT_FOR_PRECISION

        def on_progress(progress: Progress) -> list[float]:
            on_figures(onlooker.look(progress))
            return onlooker.new_ttfts()

        run = run_level(level, _requests(rows, limits, setting), scratch, on_progress)
        facts = level_facts(spec, deal, setting, level, run)
        _decode(recorder, run, facts, target, scratch, setting.keep_raw)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return facts


def _sent(
    deal: Deal, payload: Sequence[Mapping[str, Any]], setting: Setting, *, open_loop: bool
) -> tuple[list[Mapping[str, Any]], list[int | None]]:
    """The prompts in the order of sending, warm-up first, each with the limit of its answer where a trace gives one.

    A trace that has lengths is followed in them too: each of its requests gets the prompt that comes nearest.
    """
    numbers = [*deal.warmup, *deal.measured]
    trace = setting.trace if setting.arrival == "trace" and open_loop else None
    if trace is None or all(one.prompt_tokens is None and one.completion_tokens is None for one in trace):
        return [payload[number] for number in numbers], [None] * len(numbers)
    reuse = setting.prompt_reuse == "allowed"
    entries = trace if reuse else trace[: len(deal.measured)]
    chosen = match_prompts(entries, [payload[number]["prompt_tokens"] or 0 for number in deal.measured], reuse=reuse)
    measured = [payload[deal.measured[place]] for place in chosen]
    warmup: list[int | None] = [None] * len(deal.warmup)
    return [*(payload[number] for number in deal.warmup), *measured], [
        *warmup,
        *(entry.completion_tokens for entry in entries),
    ]


def _requests(
    rows: Sequence[Mapping[str, Any]], limits: Sequence[int | None], setting: Setting
) -> Iterator[HttpRequest]:
    for row, limit in zip(rows, limits, strict=True):
        yield setting.predictor.encode(row["prompt"], limit)


def _decode(
    recorder: Recorder, run: LevelRun, facts: dict[str, Any], target: Path, scratch: Path, raw_wanted: bool
) -> None:
    """Turn spools into the level's file of records. What was measured is kept raw where this breaks down."""
    raw = raw_file(target)
    if raw_wanted:
        keep_raw(raw, recorder, run, facts)
    part = scratch / "records.parquet"
    try:
        write_tables(part, tables_of(Job.of(recorder, run), scratch), facts)
    except WorkerError as error:
        if not raw_wanted:
            keep_raw(raw, recorder, run, facts)
        raise WorkerError(f"{error}; what was measured is kept in {raw}") from error
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)


def _level(spec: LevelSpec, deal: Deal, setting: Setting, prompts: int) -> Level:
    """The level in the engine's terms: prompts renumbered to those it sends."""
    warm = len(deal.warmup)
    closed = spec.concurrency is not None
    trace = setting.trace if setting.arrival == "trace" and not closed else None
    return Level(
        urls=setting.urls if setting.script is None else (NOWHERE,),
        warmup=tuple(range(warm)),
        measured=tuple(range(warm, prompts)),
        seed=f"{setting.seed}/{'/'.join(spec.key)}",
        concurrency=spec.concurrency,
        request_rate=spec.request_rate,
        arrival=setting.arrival,
        burstiness=setting.burstiness,
        trace=None if trace is None else tuple(entry.time for entry in trace),
        max_concurrency=None if closed else setting.max_concurrency,
        think_time=setting.think_time if closed else 0.0,
        ramp=setting.ramp if closed else 0.0,
        repeat=setting.prompt_reuse == "allowed",
        requests=spec.stop.requests,
        duration=spec.stop.duration,
        min_requests=spec.stop.min_requests,
        until=setting.until,
        stop_error_rate=setting.stop_on_error_rate,
        stop_on_saturation=setting.stop_on_saturation and not closed,
        timeout=setting.timeout,
        connect_timeout=setting.connect_timeout,
        first_byte_timeout=setting.first_byte_timeout,
        read_timeout=setting.read_timeout,
        balance=setting.balance,
        workers=setting.workers if setting.script is None else setting.workers or 1,
        ca_file=setting.ca_file,
        script=setting.script,
    )


def level_facts(spec: LevelSpec, deal: Deal, setting: Setting, level: Level, run: LevelRun) -> dict[str, Any]:
    """What is true of the level as a whole, in JSON's types; times are Unix seconds."""
    clocks = run.clocks()
    begin, end = run.window_ns or (None, None)
    return {
        "experiment_name": spec.experiment.name,
        "payload_file": spec.payload_file,
        "load": spec.load,
        "concurrency": spec.concurrency,
        "request_rate": level.mean_rate,
        "scheduled_rate": run.scheduled_rate,
        "arrival": level.arrival if level.open_loop else None,
        "burstiness": level.burstiness if level.arrival == "gamma" and level.open_loop else None,
        "max_concurrency": level.max_concurrency,
        "think_time": level.think_time or None,
        "ramp": level.ramp or None,
        "until": None if level.until is None else f"{level.until.name} within {100 * level.until.share:.3g}%",
        "instance_type": spec.experiment.instance_type,
        "instance_count": spec.experiment.instance_count,
        "started": min(clock.to_unix(clock.monotonic_ns[0]) for clock in clocks),
        "window_start": None if begin is None else clocks[0].to_unix(begin),
        "window_end": None if end is None else clocks[0].to_unix(end),
        "ended": max(clock.to_unix(clock.monotonic_ns[-1]) for clock in clocks),
        "stop_reason": run.stop_reason,
        "stop_note": run.stop_note,
        "requested": deal.asked,
        "warmup": len(deal.warmup),
        "workers": len(run.workers),
        "client_cpu": [worker.cpu for worker in run.workers],
        "unix_offset": clocks[0].unix_offset_ns / 1e9,
        "clock_step_s": max(clock.largest_step_ns for clock in clocks) / 1e9,
        "prompt_reuse": setting.prompt_reuse,
        "tokenizer": setting.tokenizer_name,
        "seed": setting.seed,
        "timeout": setting.timeout,
        "connect_timeout": setting.connect_timeout,
        "first_byte_timeout": setting.first_byte_timeout,
        "read_timeout": setting.read_timeout,
        "balance": setting.balance if len(setting.urls) > 1 else None,
        "proxy": proxies_of(level.urls) if level.script is None else None,
        "raw_kept": setting.keep_raw,
    }


def proxies_of(urls: Sequence[str]) -> str | None:
    """The proxies by which these addresses are reached, without credentials; None where all are reached directly."""
    found = sorted({str(proxy) for address in addresses(urls) if (proxy := proxy_for(address)) is not None})
    return ", ".join(found) or None
