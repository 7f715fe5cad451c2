"""One level from its prompts to its file of records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fmbench_lib.load.engine import LevelRun, Progress, run_level
from fmbench_lib.load.levels import LevelSpec
from fmbench_lib.load.plan import Level
from fmbench_lib.load.progress import LiveFigures, Onlooker
from fmbench_lib.load.prompts import Deal
from fmbench_lib.load.recorder import Recorder, SentPrompt, TokenCounter
from fmbench_lib.load.records import write_level
from fmbench_lib.predictors.base import Predictor


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
    ca_file: str | None = None


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
        rows = [payload[number] for number in (*deal.warmup, *deal.measured)]
        level = _level(spec, deal, setting)
        recorder = Recorder(
            predictor=setting.predictor,
            prompts=[SentPrompt(row["prompt_id"], row["prompt_tokens"]) for row in rows],
            urls=setting.urls,
            labels=dict(zip(("experiment_name", "payload_file", "load"), spec.key, strict=True)),
            tokenizer=setting.tokenizer,
        )
        onlooker = Onlooker(recorder, level.duration)

        def on_progress(progress: Progress) -> None:
            on_figures(onlooker.look(progress))

        requests = (setting.predictor.encode(row["prompt"]) for row in rows)
        run = run_level(level, requests, scratch, on_progress)
        facts = level_facts(spec, deal, setting, run)
        part = scratch / "records.parquet"
        write_level(part, recorder.rows(run), facts)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return facts


def _level(spec: LevelSpec, deal: Deal, setting: Setting) -> Level:
    """The level in the engine's terms: prompts renumbered to those it sends."""
    warm = len(deal.warmup)
    return Level(
        urls=setting.urls,
        warmup=tuple(range(warm)),
        measured=tuple(range(warm, warm + len(deal.measured))),
        seed=f"{setting.seed}/{'/'.join(spec.key)}",
        concurrency=spec.concurrency,
        request_rate=spec.request_rate,
        arrival=setting.arrival,
        repeat=setting.prompt_reuse == "allowed",
        requests=spec.stop.requests,
        duration=spec.stop.duration,
        min_requests=spec.stop.min_requests,
        timeout=setting.timeout,
        workers=setting.workers,
        ca_file=setting.ca_file,
    )


def level_facts(spec: LevelSpec, deal: Deal, setting: Setting, run: LevelRun) -> dict[str, Any]:
    """What is true of the level as a whole, in JSON's types; times are Unix seconds."""
    clocks = run.clocks()
    begin, end = run.window_ns or (None, None)
    return {
        "experiment_name": spec.experiment.name,
        "payload_file": spec.payload_file,
        "load": spec.load,
        "concurrency": spec.concurrency,
        "request_rate": spec.request_rate,
        "arrival": None if spec.request_rate is None else setting.arrival,
        "instance_type": spec.experiment.instance_type,
        "instance_count": spec.experiment.instance_count,
        "started": min(clock.to_unix(clock.monotonic_ns[0]) for clock in clocks),
        "window_start": None if begin is None else clocks[0].to_unix(begin),
        "window_end": None if end is None else clocks[0].to_unix(end),
        "ended": max(clock.to_unix(clock.monotonic_ns[-1]) for clock in clocks),
        "stop_reason": run.stop_reason,
        "requested": deal.asked,
        "warmup": len(deal.warmup),
        "workers": len(run.workers),
        "client_cpu": [worker.cpu for worker in run.workers],
        "clock_step_s": max(clock.largest_step_ns for clock in clocks) / 1e9,
        "prompt_reuse": setting.prompt_reuse,
        "tokenizer": setting.tokenizer_name,
        "seed": setting.seed,
        "timeout": setting.timeout,
    }
