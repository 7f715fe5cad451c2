"""How much room on the disk a level needs, estimated before it is measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from fmbench_lib.load.levels.specs import LevelSpec

_HEADER_BYTES = 600  # of a request, and of a response
_EVENT_BYTES = 320  # of a streamed token: its chunk, its stamps
_RECORD_BYTES = 700  # of a request among the records
_TOKENS = 256  # of an answer without a limit
_LIMITS = ("max_tokens", "max_new_tokens", "max_completion_tokens")


def bytes_of_level(level: LevelSpec, payload: Sequence[Mapping[str, Any]], prompts: int) -> int:
    """About how many bytes a level takes on the disk while it is measured: requests, raw responses, and records.

    `prompts` are dealt to it, from the rows of `payload`. A level that only time ends, and that may send its prompts
    again, counts with these prompts: it may need more.
    """
    count = prompts if level.stop.requests is None else min(level.stop.requests + level.warmup, prompts)
    prompt = sum(len(row["prompt"].encode()) for row in payload) / max(len(payload), 1)
    answer = _answer_tokens(level.experiment.inference_spec.parameters) * _EVENT_BYTES
    return round(count * (prompt + answer + 2 * _HEADER_BYTES + _RECORD_BYTES))


def _answer_tokens(parameters: Mapping[str, Any]) -> int:
    limits = [parameters[name] for name in _LIMITS if name in parameters]
    known = [int(limit) for limit in limits if isinstance(limit, int | float) and limit > 0]
    return min(known, default=_TOKENS)
