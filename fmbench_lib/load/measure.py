"""One level from its prompts to its file of records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.errors import WorkerError
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.levels.trace_file import match_prompts
from fmbench_lib.load.recording.facts_of_level import level_facts
from fmbench_lib.load.recording.live_figures import LiveFigures, Onlooker
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.raw_responses import keep_raw
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt, TokenCounter
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.sending.engine import LevelRun, Progress, run_level
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.script_call import UserScript
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.predictors.base import HttpRequest, Predictor, may_echo_prompt
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.predictors.user_script import NOWHERE
from fmbench_lib.workspace import raw_file

_LEAST_ECHO = 16
_DECODED_FOR_PRECISION = 2000


@dataclass(frozen=True, slots=True)
class ExperimentLoad:
    """What is the same for all levels of an experiment: its addresses, codec, tokenizer and load.

    `seed` is the run's. `redact` takes secrets out of what is recorded. With a `script`, requests go through that.
    """

    urls: tuple[str, ...]
    predictor: Predictor
    tokenizer: TokenCounter | None
    tokenizer_name: str | None
    load: LoadSettings
    seed: int
    redact: Callable[[str], str] = str
    script: UserScript | None = None


def measure_level(
    spec: LevelSpec,
    deal: Deal,
    payload: Sequence[Mapping[str, Any]],
    experiment: ExperimentLoad,
    target: Path,
    scratch: Path,
    on_figures: Callable[[LiveFigures], None] = lambda _: None,
) -> LevelFacts:
    """Measure a level and write its records to `target`, which appears only when they are complete.

    `payload` holds the prompt rows that the numbers in `deal` refer to. Returns the level's facts. Raises WorkerError
    when the measurement itself broke down; then there is no file.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    try:
        level, rows, limits = _laid_out(spec, deal, payload, experiment)
        recorder = _recorder(spec, rows, experiment)
        onlooker = Onlooker(recorder, level.stop.duration)
        if level.load.until is not None and level.load.until.measure == "TTFT":
            onlooker.most_per_look = _DECODED_FOR_PRECISION

        def on_progress(progress: Progress) -> list[float]:
            on_figures(onlooker.look(progress))
            return onlooker.new_ttfts()

        run = run_level(level, _requests(rows, limits, experiment), scratch, on_progress)
        facts = level_facts(spec, deal, level, run, tokenizer=experiment.tokenizer_name, seed=experiment.seed)
        _decode(recorder, run, facts, target, scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return facts


def _laid_out(
    spec: LevelSpec, deal: Deal, payload: Sequence[Mapping[str, Any]], experiment: ExperimentLoad
) -> tuple[Level, list[Mapping[str, Any]], list[int | None]]:
    """The level in the engine's terms, and its prompts in the order of sending, warm-up first, each with the limit of
    its answer where a trace gives one.

    A trace that has lengths is followed in them too: each of its requests gets the prompt nearest in length.
    """
    load = experiment.load.in_loop(closed=spec.concurrency is not None)
    rows = [payload[number] for number in (*deal.warmup, *deal.measured)]
    limits: list[int | None] = [None] * len(rows)
    trace = load.trace if spec.concurrency is None else None
    if trace is not None and any(entry.prompt_tokens or entry.completion_tokens for entry in trace):
        entries = trace if load.repeats_prompts else trace[: len(deal.measured)]
        lengths = [payload[number]["prompt_tokens"] or 0 for number in deal.measured]
        chosen = match_prompts(entries, lengths, reuse=load.repeats_prompts)
        warm = len(deal.warmup)
        rows = [*rows[:warm], *(payload[deal.measured[index]] for index in chosen)]
        limits = [*limits[:warm], *(entry.completion_tokens for entry in entries)]
    return _level(spec, deal, load, experiment, len(rows)), rows, limits


def _level(spec: LevelSpec, deal: Deal, load: LoadSettings, experiment: ExperimentLoad, prompts: int) -> Level:
    """The level with its prompts numbered as they are sent.

    Each slot of a closed loop begins with a warm-up request: where fewer prompts were dealt for it, they go round.
    """
    warm = len(deal.warmup)
    slots = 0 if spec.concurrency is None or load.ramp else spec.concurrency
    return Level(
        urls=experiment.urls if experiment.script is None else (NOWHERE,),
        warmup=tuple(islice(cycle(range(warm or prompts)), max(warm, slots))),
        measured=tuple(range(warm, prompts)),
        seed=f"{experiment.seed}/{spec.payload_file}/{spec.load}",  # all experiments get the same arrivals
        load=load,
        stop=spec.stop,
        concurrency=spec.concurrency,
        request_rate=spec.request_rate,
        script=experiment.script,
    )


def _recorder(spec: LevelSpec, rows: Sequence[Mapping[str, Any]], experiment: ExperimentLoad) -> Recorder:
    declared = may_echo_prompt(experiment.predictor)
    return Recorder(
        predictor=experiment.predictor,
        prompts=[SentPrompt(row["prompt_id"], row["prompt_tokens"], _mark(row["prompt"], declared)) for row in rows],
        urls=experiment.urls,
        key=spec.key,
        tokenizer=experiment.tokenizer,
        redact=experiment.redact,
    )


def _mark(prompt: str, declared: bool) -> PromptMark | None:
    """What recognises an echoed prompt. A short one may begin an answer by chance, unless the protocol echoes it."""
    return PromptMark.of(prompt) if declared or len(prompt) >= _LEAST_ECHO else None


def _requests(
    rows: Sequence[Mapping[str, Any]], limits: Sequence[int | None], experiment: ExperimentLoad
) -> Iterator[HttpRequest]:
    for row, limit in zip(rows, limits, strict=True):
        yield experiment.predictor.encode(row["prompt"], limit)


def _decode(recorder: Recorder, run: LevelRun, facts: LevelFacts, target: Path, scratch: Path) -> None:
    """Turn spools into the level's file of records. The raw responses are kept where this breaks down."""
    raw = raw_file(target)
    if facts["raw_kept"]:
        keep_raw(raw, recorder, run, facts)
    part = scratch / "records.parquet"
    try:
        write_tables(part, tables_of(Job.of(recorder, run), scratch), facts)
    except WorkerError as error:
        if not facts["raw_kept"]:
            keep_raw(raw, recorder, run, facts)
        raise WorkerError(f"{error}; the raw responses are kept in {raw}") from error
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
