"""A level's raw responses and timestamps, kept beside its records: evidence that can be decoded again.

A zstd stream: one line of JSON with what decoding needs (clocks, prompts, addresses without their queries), then the
workers' spools. Requests are not in it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from fmbench_lib.errors import DataError
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.recorder import Recorder, SentPrompt, TokenCounter
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.sending.engine import LevelRun, WorkerEnd
from fmbench_lib.metrics.level_facts import LevelFacts
from fmbench_lib.predictors.base import Predictor
from fmbench_lib.predictors.echo import PromptMark
from fmbench_lib.workspace import LevelKey

_COPY_BYTES = 1 << 20


def keep_raw(target: Path, recorder: Recorder, run: LevelRun, facts: LevelFacts) -> None:
    """Write a level's raw responses to `target`, which appears when it is complete."""
    head = {
        "facts": facts,
        "labels": recorder.key._asdict(),
        "urls": [url.partition("?")[0] for url in recorder.urls],
        "prompts": [(prompt.prompt_id, prompt.tokens, _mark_cells(prompt.echo)) for prompt in recorder.prompts],
        "level_id": run.level_id,
        "workers": [{"bytes": each.spool.stat().st_size, "clock_samples": each.clock_samples} for each in run.workers],
    }
    part = target.with_name(target.name + ".part")
    with pa.CompressedOutputStream(str(part), "zstd") as out:
        out.write(json.dumps(head).encode() + b"\n")
        for worker in run.workers:
            with worker.spool.open("rb") as spool:
                while data := spool.read(_COPY_BYTES):
                    out.write(data)
    part.replace(target)


def decode_raw(
    source: Path,
    target: Path,
    predictor: Predictor,
    tokenizer: TokenCounter | None,
    scratch: Path,
    redact: Callable[[str], str] = str,
) -> int:
    """Make a level's file of records from its raw file again; returns the number of records.

    `scratch` is an empty folder. Raises DataError where `source` is damaged, or not such a file.
    """
    try:
        with pa.CompressedInputStream(str(source), "zstd") as file:
            head = json.loads(_line(file))
            workers = tuple(
                _unpack(file, scratch / f"worker-{n}.spool", each) for n, each in enumerate(head["workers"])
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{source}: not the raw responses of a level: {error}") from None
    recorder = Recorder(
        predictor=predictor,
        prompts=[SentPrompt(prompt_id, tokens, _mark_of(echo)) for prompt_id, tokens, echo in head["prompts"]],
        urls=head["urls"],
        key=LevelKey(**head["labels"]),
        tokenizer=tokenizer,
        redact=redact,
    )
    run = LevelRun(head["level_id"], None, "", None, workers)
    return write_tables(target, tables_of(Job.of(recorder, run), scratch), head["facts"])


def _mark_cells(mark: PromptMark | None) -> list[str | int] | None:
    return None if mark is None else [mark.head, mark.length, mark.digest]


def _mark_of(cells: Any) -> PromptMark | None:
    """The mark of a prompt; files of earlier versions have its text."""
    if isinstance(cells, str):
        return PromptMark.of(cells)
    return None if cells is None else PromptMark(*cells)


def _line(file: Any) -> bytes:
    line = bytearray()
    while (byte := file.read(1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def _unpack(file: Any, spool: Path, worker: dict[str, Any]) -> WorkerEnd:
    left = int(worker["bytes"])
    with spool.open("wb") as out:
        while left:
            data = file.read(min(left, _COPY_BYTES))
            if not data:
                raise ValueError("the file ends too early")
            out.write(data)
            left -= len(data)
    samples: Sequence[tuple[int, int]] = worker["clock_samples"]
    return WorkerEnd(spool, tuple((mono, wall) for mono, wall in samples), None)
