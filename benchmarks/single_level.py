"""One level as a run measures it (engine, records, the level's row), for benchmarks of single levels."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from fmbench_lib.config import Experiment
from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.schema.stop_rule import StopRule
from fmbench_lib.emulator import Emulator, LedgerEntry
from fmbench_lib.load.executor import Executor, OneMachine
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.measure import ExperimentLoad, measure_level
from fmbench_lib.load.recording.live_figures import LiveFigures
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.requests import request_metrics
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.openai import OpenAiPredictor

_SPEC_FIELDS = {field.name for field in fields(LevelSpec)}


@dataclass(frozen=True, slots=True)
class Measured:
    """A level's measured requests with their measures, in order of being due, its facts, its row, and how long it
    took altogether (s)."""

    requests: pd.DataFrame
    facts: dict[str, Any]
    row: dict[str, Any]
    wall_s: float


def measure(
    urls: str | Sequence[str],
    prompts: Sequence[str],
    *,
    name: str = "level",
    concurrency: int | None = None,
    request_rate: float | None = None,
    duration: float | None = None,
    warmup: int = 0,
    stream: bool = True,
    seed: int = 1,
    parameters: dict[str, Any] | None = None,
    predictor: Predictor | None = None,
    on_figures: Callable[[LiveFigures], None] = lambda _: None,
    executor: Executor | None = None,
    **settings: Any,
) -> Measured:
    """Send the prompts in the order given, the first `warmup` of them as warm-up; with a `duration` (s) the measured
    ones go round until it is over. This machine sends them, or `executor`. Other settings are those of `LoadSettings`
    and `LevelSpec`."""
    addresses = (urls,) if isinstance(urls, str) else tuple(urls)
    experiment = Experiment.model_validate(
        {"name": name, "platform": "endpoint", "protocol": "openai", "deploy": False, "payload_files": ["p.jsonl"]}
        | {"instance_type": "emulator"}
    )
    asked = None if duration is not None else len(prompts) - warmup
    more = {key: settings.pop(key) for key in _SPEC_FIELDS & set(settings)}
    spec = LevelSpec(
        experiment=experiment,
        payload_file="p.jsonl",
        concurrency=concurrency,
        request_rate=request_rate,
        stop=StopRule(requests=asked, duration=duration),
        warmup=warmup,
        **more,
    )
    load = LoadSettings(
        **{
            "arrival": "constant",
            "prompt_reuse": "never" if duration is None else "allowed",
            "timeout": 30.0,
            "stop_on_error_rate": None,
            **settings,
        }
    )
    codec = predictor or OpenAiPredictor(addresses[0], "m", parameters or {}, stream)
    sender = executor or OneMachine()
    measured = ExperimentLoad(addresses, codec, None, None, load, seed, executor=sender)
    payload = [{"prompt_id": f"p{n}", "prompt": prompt, "prompt_tokens": 5} for n, prompt in enumerate(prompts)]
    deal = Deal(tuple(range(warmup)), tuple(range(warmup, len(prompts))), asked)
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "level.parquet"
        begun = time.monotonic()
        facts = measure_level(spec, deal, payload, measured, target, Path(folder) / "scratch", on_figures)
        wall_s = time.monotonic() - begun
        records, _ = read_level(target)
    requests = request_metrics(records[records["phase"] == "measured"].sort_values("due", ignore_index=True))
    return Measured(requests, facts, level_row(records, facts), wall_s)


def truth(emulator: Emulator) -> dict[str, LedgerEntry]:
    """What the emulator did, by request id; of a request that was sent again, the last time."""
    return by_id(emulator.read_ledger())


def by_id(entries: Iterable[LedgerEntry]) -> dict[str, LedgerEntry]:
    """The ledger's entries by request id; of a request that was sent again, the last one."""
    return {entry.request_id: entry for entry in entries}
