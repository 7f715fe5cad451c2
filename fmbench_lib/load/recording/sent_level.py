"""A level that was sent and is not decoded yet: what decoding needs, in a file beside its spools.

A run that is killed meanwhile decodes it when it is resumed, and sends nothing again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NotRequired, TypedDict, cast

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.host.atomic_files import read_json, write_json
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt, TokenCounter
from fmbench_lib.load.sending.engine import LevelRun, WorkerEnd
from fmbench_lib.load.sending.level_part import PartOfLevel
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.workspace import LevelKey

_FILE = "sent.json"


@dataclass(frozen=True, slots=True)
class SentLevel:
    """Where the raw exchanges of a level are, and what makes records of them."""

    recorder: Recorder
    run: LevelRun
    facts: LevelFacts


class SentPart(TypedDict):
    """A `PartOfLevel`."""

    first: int
    after: int
    unix_offset_ns: int
    urls_before: int
    gap_ns: NotRequired[int]


class SentWorker(TypedDict):
    """A worker's spool: its length in bytes, and the worker's clocks as `(monotonic, wall)` in ns; `part` of a level
    that was stopped and continued."""

    bytes: int
    clock_samples: Sequence[tuple[int, int]]
    part: NotRequired[SentPart]


class SentHead(TypedDict):
    """What decoding needs beside spools, codec and tokenizer. `labels` are the parts of the level's key, `prompts` the
    cells of each prompt, `unix_offset_ns` is as in `LevelRun`."""

    facts: LevelFacts
    labels: dict[str, str]
    urls: list[str]
    prompts: list[Sequence[Any]]
    level_id: str
    workers: list[SentWorker]
    unix_offset_ns: NotRequired[int | None]


class SentFile(SentHead):
    """The file beside the spools, with their names."""

    spools: list[str]


def head_of(sent: SentLevel) -> SentHead:
    """What decoding needs beside spools, codec and tokenizer, as JSON can hold it; addresses without their queries."""
    recorder, run = sent.recorder, sent.run
    return {
        "facts": sent.facts,
        "labels": recorder.key._asdict(),
        "urls": [url.partition("?")[0] for url in recorder.urls],
        "prompts": [_prompt_cells(prompt) for prompt in recorder.prompts],
        "level_id": run.level_id,
        "workers": [_worker_head(each) for each in run.workers],
        "unix_offset_ns": run.unix_offset_ns,
    }


def _worker_head(worker: WorkerEnd) -> SentWorker:
    head: SentWorker = {"bytes": worker.spool.stat().st_size, "clock_samples": worker.clock_samples}
    if worker.part is not None:
        head["part"] = cast(SentPart, asdict(worker.part))
    return head


def level_of(
    head: SentHead,
    spools: Sequence[Path],
    predictor: Predictor,
    tokenizer: TokenCounter | None,
    redactor: Redactor | None = None,
) -> SentLevel:
    """A level from its head; raises KeyError, TypeError and ValueError where that is none."""
    recorder = Recorder(
        predictor=predictor,
        prompts=[_prompt_of(*cells) for cells in head["prompts"]],
        urls=head["urls"],
        key=LevelKey(**head["labels"]),
        tokenizer=tokenizer,
        redactor=redactor,
    )
    workers = tuple(
        WorkerEnd(
            spool,
            tuple((mono, wall) for mono, wall in worker["clock_samples"]),
            None,
            part=PartOfLevel(**worker["part"]) if "part" in worker else None,
        )
        for spool, worker in zip(spools, head["workers"], strict=True)
    )
    run = LevelRun(head["level_id"], None, "", None, workers, unix_offset_ns=head.get("unix_offset_ns"))
    return SentLevel(recorder, run, head["facts"])


def note_sent(folder: Path, sent: SentLevel) -> None:
    """Write down that the level whose spools are in this folder was sent as a whole."""
    write_json(folder / _FILE, file_of(sent, folder))


def file_of(sent: SentLevel, folder: Path) -> SentFile:
    """What decoding needs, with the places of the spools from this folder."""
    return {**head_of(sent), "spools": [os.path.relpath(worker.spool, folder) for worker in sent.run.workers]}


def is_sent(folder: Path) -> bool:
    """Whether the level in this folder was sent as a whole and is not decoded: its spools are all there."""
    return _head(folder) is not None


def read_sent(
    folder: Path, predictor: Predictor, tokenizer: TokenCounter | None, redactor: Redactor | None = None
) -> SentLevel | None:
    """The level in this folder that was sent as a whole; None where there is none."""
    head = _head(folder)
    if head is None:
        return None
    return level_of(head, [folder / name for name in head["spools"]], predictor, tokenizer, redactor)


def _prompt_cells(prompt: SentPrompt) -> tuple[Any, ...]:
    return prompt.prompt_id, prompt.tokens, _mark_cells(prompt.echo), prompt.documents


def _prompt_of(prompt_id: str, tokens: int | None, echo: Any, documents: int = 0) -> SentPrompt:
    """A prompt; files of earlier versions do not say how many documents it ranks, as none did."""
    return SentPrompt(prompt_id, tokens, _mark_of(echo), documents)


def _mark_cells(mark: PromptMark | None) -> list[str | int] | None:
    return None if mark is None else [mark.head, mark.length, mark.digest]


def _mark_of(cells: Any) -> PromptMark | None:
    """The mark of a prompt; files of earlier versions have its text."""
    if isinstance(cells, str):
        return PromptMark.of(cells)
    return None if cells is None else PromptMark(*cells)


def _head(folder: Path) -> SentFile | None:
    try:
        head = cast(SentFile, read_json(folder / _FILE))
        sizes = [(folder / name).stat().st_size for name in head["spools"]]
        return head if sizes == [worker["bytes"] for worker in head["workers"]] else None
    except (OSError, ValueError, KeyError, TypeError):
        return None
