"""inference-perf's lifecycle metrics of single requests: a JSON list, times in seconds of one clock."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from fmbench_lib.imports.found_level import FoundLevel, RequestTimes, number_in, numbers_of, whole
from fmbench_lib.imports.serving_bench import error_class
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import Document, ResultFile

_NAME = "inference-perf"


def _recognises(file: ResultFile) -> bool:
    return file.has("start_time", "end_time", "info", "error")


def _read(file: ResultFile) -> list[FoundLevel]:
    return [FoundLevel(form="requests", tool=_NAME, requests=tuple(map(_request, file.documents)))]


def _request(one: Document) -> RequestTimes:
    start, end = number_in(one, "start_time"), number_in(one, "end_time")
    info = one.get("info")
    said: Mapping[str, Any] = info if isinstance(info, Mapping) else {}
    prompt, output = whole(number_in(said, "input_tokens")), whole(number_in(said, "output_tokens"))
    failed = one.get("error")
    if failed:
        text = (
            f"{failed.get('error_type', '')}: {failed.get('error_msg', '')}" if isinstance(failed, Mapping) else failed
        )
        return RequestTimes(
            start, prompt_tokens=prompt, error=error_class(str(text)), error_message=str(text).strip(": ")[:500]
        )
    if start is None or end is None or not output:
        message = "counted as a success, without a token"
        return RequestTimes(start, prompt_tokens=prompt, error="empty", error_message=message)
    times = numbers_of(said.get("output_token_times"))
    moments = [moment for moment in times if moment is not None and moment >= start]
    if not moments:
        return RequestTimes(start, None, end - start, None, prompt, output, streamed=None)
    gaps = tuple(after - before for before, after in pairwise(moments))
    return RequestTimes(start, moments[0] - start, moments[-1] - start, gaps, prompt, output, streamed=True)


TOOL = Tool("inference-perf (requests)", "the lifecycle metrics of single requests, JSON", _recognises, _read)
