"""The requests that Perf Analyzer exports for GenAI-Perf: `experiments`, each with moments in nanoseconds.

The texts of prompts and answers are there, their tokens are not: no figure per token follows from this file alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from fmbench_lib.imports.found_level import FoundLevel, RequestTimes, number_in, numbers_of, text_in, whole
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import ResultFile

_NAME = "GenAI-Perf"
_NS = 1e-9


def _recognises(file: ResultFile) -> bool:
    found = file.document.get("experiments")
    first = found[0] if isinstance(found, list) and found else None
    return isinstance(first, Mapping) and isinstance(first.get("requests"), list)


def _read(file: ResultFile) -> list[FoundLevel]:
    experiments = file.document["experiments"]
    return [_level(one, place) for place, one in enumerate(experiments, start=1) if one.get("requests")]


def _level(one: Mapping[str, Any], place: int) -> FoundLevel:
    setting = one.get("experiment")
    given: Mapping[str, Any] = setting if isinstance(setting, Mapping) else {}
    mode, value = text_in(given, "mode"), number_in(given, "value")
    slots = whole(value) if mode == "concurrency" else None
    return FoundLevel(
        form="requests",
        tool=_NAME,
        place=f"experiment {place}",
        concurrency=slots,
        request_rate=value if mode == "request_rate" else None,
        requests=tuple(_request(each) for each in one["requests"]),
    )


def _request(one: Mapping[str, Any]) -> RequestTimes:
    start = number_in(one, "timestamp")
    moments = [moment for moment in numbers_of(one.get("response_timestamps")) if moment is not None]
    begun = None if start is None else start * _NS
    if start is None or not moments:
        return RequestTimes(begun, error="empty", error_message="no response in the file")
    streamed = len(moments) > 1
    gaps = tuple((after - before) * _NS for before, after in pairwise(moments))
    return RequestTimes(
        begun,
        (moments[0] - start) * _NS if streamed else None,
        (moments[-1] - start) * _NS,
        gaps if streamed else None,
        streamed=streamed,
    )


TOOL = Tool("GenAI-Perf (requests)", "the exported profile of Perf Analyzer, JSON", _recognises, _read)
