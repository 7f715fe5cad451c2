"""One level from its prompts to its file of records."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from fmbench_lib.config.load_settings import LoadSettings
from fmbench_lib.config.redactor import Redactor
from fmbench_lib.errors import FmbenchError, LevelStoppedError, WorkerError
from fmbench_lib.load.executor import Executor, OneMachine
from fmbench_lib.load.levels.attempt import Attempt
from fmbench_lib.load.levels.deal import Deal
from fmbench_lib.load.levels.specs import LevelSpec
from fmbench_lib.load.levels.trace_file import match_prompts
from fmbench_lib.load.recording.disk_watch import DISK, DiskWatch
from fmbench_lib.load.recording.facts_of_level import level_facts
from fmbench_lib.load.recording.level_parts import (
    LevelPart,
    adopt_part,
    continued,
    discard_parts,
    keep_part,
    read_parts,
    whole_level,
)
from fmbench_lib.load.recording.live_figures import LiveFigures, Onlooker
from fmbench_lib.load.recording.raw_responses import keep_raw
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt, TokenCounter
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.recording.sent_level import SentLevel, is_sent, note_sent, read_sent
from fmbench_lib.load.sending.early_stop import INTERRUPTED, Stop
from fmbench_lib.load.sending.engine import Progress, sent_marks
from fmbench_lib.load.sending.layout import has_measured, write_order
from fmbench_lib.load.sending.level import Level
from fmbench_lib.load.sending.script_call import UserScript
from fmbench_lib.load.sending.sent_marks import positions_sent
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.predictors.base import HttpRequest, Predictor, may_echo_prompt
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.predictors.message_lists import request_of
from fmbench_lib.predictors.user_script import NOWHERE
from fmbench_lib.workspace import raw_file

_LEAST_ECHO = 16
_DECODED_FOR_PRECISION = 2000


@dataclass(frozen=True, slots=True)
class ExperimentLoad:
    """What is the same for all levels of an experiment: its addresses, codec, tokenizer and load.

    `seed` is the run's. `redactor` takes secrets out of what is recorded. With a `script`, requests go through that.
    `executor` sends them.
    """

    urls: tuple[str, ...]
    predictor: Predictor
    tokenizer: TokenCounter | None
    tokenizer_name: str | None
    load: LoadSettings
    seed: int
    redactor: Redactor = field(default_factory=Redactor, repr=False)
    script: UserScript | None = None
    executor: Executor = field(default_factory=OneMachine)


@dataclass(frozen=True, slots=True)
class Stopping:
    """How a level may be ended before its end: `asked` is called several times a second for the reason. What was
    measured of it is kept in the folder `parts`, from which it is continued; without one nothing is kept."""

    asked: Callable[[], Stop | None] = lambda: None
    parts: Path | None = None


@dataclass(frozen=True, slots=True)
class _Task:
    """What is to be sent: a level, its prompts, and which attempt it is."""

    spec: LevelSpec
    deal: Deal
    payload: Sequence[Mapping[str, Any]]
    experiment: ExperimentLoad
    attempt: Attempt


def measure_level(
    spec: LevelSpec,
    deal: Deal,
    payload: Sequence[Mapping[str, Any]],
    experiment: ExperimentLoad,
    target: Path,
    scratch: Path,
    on_figures: Callable[[LiveFigures], None] = lambda _: None,
    attempt: Attempt | None = None,
    stopping: Stopping | None = None,
) -> LevelFacts:
    """Measure a level and write its records to `target`, which appears only when they are complete.

    `payload` holds the prompt rows that the numbers in `deal` refer to. A level that an earlier process sent as a whole
    into `scratch` is decoded, and not sent again; of one that was stopped the rest is sent. Returns the level's facts.
    Raises WorkerError when the measurement itself broke down; then there is no file. Raises LevelStoppedError where
    `stopping` ended it; what was measured of it is kept.
    """
    parts = None if stopping is None else stopping.parts
    try:
        sent = read_sent(scratch, experiment.predictor, experiment.tokenizer, experiment.redactor)
        if sent is None:
            if parts is not None:
                adopt_part(parts, scratch)
            shutil.rmtree(scratch, ignore_errors=True)
            scratch.mkdir(parents=True)
            task = _Task(spec, deal, payload, experiment, attempt or Attempt())
            sent = _send(task, scratch, on_figures, stopping or Stopping())
        _decode(sent, target, scratch, experiment.executor)
    except BaseException as error:
        # What was sent as a whole stays until it is decoded, unless decoding itself has failed.
        if isinstance(error, FmbenchError) or not is_sent(scratch):
            shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(scratch, ignore_errors=True)
    if parts is not None:
        discard_parts(parts)
    return sent.facts


def _send(task: _Task, scratch: Path, on_figures: Callable[[LiveFigures], None], stopping: Stopping) -> SentLevel:
    """Send a level, or what is left of it, with its spools in `scratch`."""
    spec, deal, experiment, attempt = task.spec, task.deal, task.experiment, task.attempt
    level, numbers, limits = _laid_out(spec, deal, task.payload, experiment)
    before = (
        []
        if stopping.parts is None
        else read_parts(stopping.parts, experiment.predictor, experiment.tokenizer, experiment.redactor)
    )
    level = continued(level, before)
    if before and not has_measured(write_order(level, scratch, 1), level):
        return _whole(before, None, scratch)
    rows = [task.payload[number] for number in numbers]
    recorder = _recorder(spec, rows, experiment)
    disk = DiskWatch(scratch)
    onlooker = Onlooker(recorder, level.duration_left, disk=disk)
    if level.load.until is not None and level.load.until.measure == "TTFT":
        onlooker.most_per_look = _DECODED_FOR_PRECISION

    def on_progress(progress: Progress) -> list[float]:
        on_figures(onlooker.look(progress))
        return onlooker.new_ttfts()

    attempt.began(numbers, len(level.warmup), len(deal.warmup))
    executor = experiment.executor
    try:
        run = executor.run(
            level,
            _requests(rows, limits, experiment),
            scratch,
            recorder,
            on_progress,
            lambda: stopping.asked() or disk.stop,
        )
    finally:
        attempt.ended(prompts_sent(scratch, len(level.warmup), len(deal.warmup)))
    facts = level_facts(
        spec, deal, level, run, tokenizer=experiment.tokenizer_name, seed=experiment.seed, attempt=attempt
    )
    sent = SentLevel(recorder, run, facts)
    if run.stop_reason in (INTERRUPTED, DISK):
        raise _stopped(task, level, sent, scratch, stopping)
    if before:
        return _whole(before, sent, scratch)
    note_sent(scratch, sent)
    return sent


def _whole(before: Sequence[LevelPart], last: SentLevel | None, scratch: Path) -> SentLevel:
    """The level of all its parts, written down as sent."""
    sent = whole_level(before, last)
    note_sent(scratch, sent)
    return sent


def _stopped(task: _Task, level: Level, sent: SentLevel, scratch: Path, stopping: Stopping) -> LevelStoppedError:
    """Keep what was measured of a level that was stopped, and say so."""
    outcomes = task.experiment.executor.outcomes(sent.run)
    kept = 0 if stopping.parts is None else keep_part(stopping.parts, scratch, sent, level, task.deal, outcomes)
    reason, note = sent.run.stop_reason, sent.run.stop_note
    total = level.already_measured + kept
    rest = (
        f"{total} of its requests are kept, and the others are sent by --resume" if total else "nothing of it is kept"
    )
    return LevelStoppedError(f"the level was stopped, as {note}; {rest}", reason, total)


def prompts_sent(scratch: Path, first_measured: int, warmup: int) -> int | None:
    """How many prompts of a level, in the order of sending, were sent from `scratch`, whatever became of it; None where
    that is not known. `first_measured` is the position of its first measured request, `warmup` counts the warm-up's
    prompts, which may each be sent several times."""
    positions = positions_sent(sent_marks(scratch))
    if positions is None:
        return None
    # Without prompts of its own the warm-up borrows the first of the others.
    return max(warmup + positions - first_measured, warmup or min(positions, first_measured))


def _laid_out(
    spec: LevelSpec, deal: Deal, payload: Sequence[Mapping[str, Any]], experiment: ExperimentLoad
) -> tuple[Level, list[int], list[int | None]]:
    """The level in the engine's terms, and the numbers of its prompts in the order of sending, warm-up first, each with
    the limit of its answer where the prompt or a trace gives one.

    A trace that has lengths is followed in them too: each of its requests gets the prompt nearest in length.
    """
    load = experiment.load.in_loop(closed=spec.concurrency is not None)
    numbers = [*deal.warmup, *deal.measured]
    limits: list[int | None] = [payload[number].get("output_tokens") for number in numbers]
    trace = load.trace if spec.concurrency is None else None
    if trace is not None and any(entry.prompt_tokens or entry.completion_tokens for entry in trace):
        entries = trace if load.repeats_prompts else trace[: len(deal.measured)]
        lengths = [payload[number]["prompt_tokens"] or 0 for number in deal.measured]
        chosen = match_prompts(entries, lengths, reuse=load.repeats_prompts)
        warm = len(deal.warmup)
        numbers = [*deal.warmup, *(deal.measured[index] for index in chosen)]
        limits = [*limits[:warm], *(entry.completion_tokens for entry in entries)]
    return _level(spec, deal, load, experiment, len(numbers)), numbers, limits


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
        prompts=[_sent_prompt(row, declared=declared) for row in rows],
        urls=experiment.urls,
        key=spec.key,
        tokenizer=experiment.tokenizer,
        redactor=experiment.redactor,
    )


def _sent_prompt(row: Mapping[str, Any], *, declared: bool) -> SentPrompt:
    mark = _mark(row["prompt"], declared)
    return SentPrompt(row["prompt_id"], row["prompt_tokens"], mark, len(row.get("documents") or ()))


def _mark(prompt: str, declared: bool) -> PromptMark | None:
    """What recognises an echoed prompt. A short one may begin an answer by chance, unless the protocol echoes it."""
    return PromptMark.of(prompt) if declared or len(prompt) >= _LEAST_ECHO else None


def _requests(
    rows: Sequence[Mapping[str, Any]], limits: Sequence[int | None], experiment: ExperimentLoad
) -> Iterator[HttpRequest]:
    for row, limit in zip(rows, limits, strict=True):
        yield request_of(experiment.predictor, row, limit)


def _decode(sent: SentLevel, target: Path, scratch: Path, executor: Executor) -> None:
    """Turn spools into the level's file of records. The raw responses are kept where this breaks down."""
    raw, kept = raw_file(target), sent.facts["raw_kept"]
    in_parts = bool(sent.facts.get("parts"))  # whose spools have requests that are in no record
    part = scratch / "records.parquet"
    try:
        write_tables(part, executor.tables(sent.recorder, sent.run, scratch), sent.facts)
    except WorkerError as error:
        if not executor.keeps_spools:
            raise
        keep_raw(raw, sent)
        raise WorkerError(f"{error}; the raw responses are kept in {raw}") from error
    if kept:
        keep_raw(raw, sent, None if in_parts else part)
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(target)
