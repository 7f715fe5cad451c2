"""A level's raw responses and timestamps, kept beside its records: evidence that can be decoded again.

A zstd stream: one line of JSON with what decoding needs (clocks, prompts, addresses without their queries), then the
workers' spools. Requests are not in it, and secrets that servers repeat are overwritten by `*`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fmbench_lib.config.redactor import Redactor
from fmbench_lib.config.secret_forms import REMOVED
from fmbench_lib.errors import DataError
from fmbench_lib.load.recording.masked_raw import masked_raw
from fmbench_lib.load.recording.parallel_decoding import Job, tables_of
from fmbench_lib.load.recording.recorder import TokenCounter
from fmbench_lib.load.recording.records import write_tables
from fmbench_lib.load.recording.sent_level import SentHead, SentLevel, head_of, level_of
from fmbench_lib.load.sending.spool import masked_records, whole_bytes
from fmbench_lib.predictors.base import Predictor

_COPY_BYTES = 1 << 20


def keep_raw(target: Path, sent: SentLevel, records: Path | None = None) -> None:
    """Write a level's raw responses to `target`, which appears when it is complete.

    `records` is the file of their records, in the same order: it tells which answers have a secret, that may have come
    in pieces. Without it every answer is looked at.
    """
    head, redactor = head_of(sent), sent.recorder.redactor
    for worker, end in zip(head["workers"], sent.run.workers, strict=True):
        worker["bytes"] = whole_bytes(end.spool)
    mask = _kept if redactor is None else partial(_masked, redactor, sent.recorder.predictor, _have_secrets(records))
    part = target.with_name(target.name + ".part")
    with pa.CompressedOutputStream(str(part), "zstd") as out:
        out.write(json.dumps(head).encode() + b"\n")
        for end in sent.run.workers:
            for record in masked_records(end.spool, bytes if redactor is None else redactor.masked, mask):
                out.write(record)
    part.replace(target)


def _kept(raw: bytes) -> bytes:
    return raw


def _masked(redactor: Redactor, predictor: Predictor, have_secrets: Iterator[bool], raw: bytes) -> bytes:
    """The raw bytes of the next response without secrets."""
    return masked_raw(raw, redactor, predictor if next(have_secrets) else None)


def _have_secrets(records: Path | None) -> Iterator[bool]:
    """Whether secrets have been taken out of the answer, for each response in turn."""
    if records is None:
        yield from repeat(True)
        return
    for batch in pq.ParquetFile(records).iter_batches(columns=["completion"]):
        yield from (REMOVED in (text or "") for text in batch.column(0).to_pylist())
    yield from repeat(True)


def decode_raw(
    source: Path,
    target: Path,
    predictor: Predictor,
    tokenizer: TokenCounter | None,
    scratch: Path,
    redactor: Redactor | None = None,
) -> int:
    """Make a level's file of records from its raw file again; returns the number of records.

    `scratch` is an empty folder. Raises DataError where `source` is damaged, or not such a file.
    """
    try:
        with pa.CompressedInputStream(str(source), "zstd") as file:
            head: SentHead = json.loads(_line(file))
            spools = [
                _unpack(file, scratch / f"worker-{number}.spool", worker["bytes"])
                for number, worker in enumerate(head["workers"])
            ]
        sent = level_of(head, spools, predictor, tokenizer, redactor)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{source}: not the raw responses of a level: {error}") from None
    return write_tables(target, tables_of(Job.of(sent.recorder, sent.run), scratch), sent.facts)


def _line(file: Any) -> bytes:
    line = bytearray()
    while (byte := file.read(1)) not in (b"", b"\n"):
        line += byte
    return bytes(line)


def _unpack(file: Any, spool: Path, size: int) -> Path:
    left = size
    with spool.open("wb") as out:
        while left:
            data = file.read(min(left, _COPY_BYTES))
            if not data:
                raise ValueError("the file ends too early")
            out.write(data)
            left -= len(data)
    return spool
