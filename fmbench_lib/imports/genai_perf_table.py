"""The summary that GenAI-Perf and AIPerf export as CSV: a table of statistics, then one of single values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fmbench_lib.imports.aiperf_export import SAYING, STATISTICS
from fmbench_lib.imports.found_level import Figure, FoundLevel, as_number, evidence_of, figure, figures_at, seconds_in
from fmbench_lib.imports.tool import Tool
from fmbench_lib.imports.tool_file import ResultFile

_TIMES = {
    "request latency": "latency",
    "time to first token": "TTFT",
    "inter token latency": "TPOT",
    "inter chunk latency": "ITL",
}
_MEANS = {
    "input sequence length": "prompt_token_count_mean",
    "num input token": "prompt_token_count_mean",
    "output sequence length": "completion_token_count_mean",
    "num output token": "completion_token_count_mean",
}
_VALUES = {
    "request throughput": "transactions_per_second",
    "output token throughput": "completion_token_throughput",
    "benchmark duration": "window_s",
    "error request count": "errors",
}
_LABEL = re.compile(r"^(?P<name>[^()]+?)\s*(?:\((?P<unit>[^()]*)\))?$")


def _recognises(file: ResultFile) -> bool:
    header = file.tables[0][0] if file.tables else []
    return header[:2] == ["Metric", "avg"]


def _read(file: ResultFile) -> list[FoundLevel]:
    found: list[Figure] = []
    most: list[tuple[str, float | None]] = []
    for table in file.tables:
        header, rows = table[0], table[1:]
        if header[:2] == ["Metric", "avg"]:
            for row in rows:
                found += _statistics(dict(zip(header, row, strict=False)))
                most += _greatest(dict(zip(header, row, strict=False)))
        elif header[:2] == ["Metric", "Value"]:
            found += _values(rows)
    saying = (SAYING,) if any(one.column == "TPOT_mean" for one in found) else ()
    if not found:
        return []
    level = FoundLevel(
        form="table", tool="GenAI-Perf", figures=tuple(found), evidence=evidence_of(most), findings=saying
    )
    return [level]


def _statistics(row: Mapping[str, str]) -> list[Figure]:
    label = row["Metric"]
    name, unit = _parts(label)
    if name in _MEANS:
        return figure(_MEANS[name], f"{label}: avg", as_number(row.get("avg")))
    if name not in _TIMES:
        return []
    factor = seconds_in(unit, label)
    columns = {f"{_TIMES[name]}_{ours}": theirs for ours, theirs in STATISTICS.items()}
    return figures_at(row, columns, factor, f"{label}: ")


def _greatest(row: Mapping[str, str]) -> list[tuple[str, float | None]]:
    name, unit = _parts(row["Metric"])
    value = as_number(row.get("max"))
    if name not in _TIMES or value is None:
        return []
    return [(f"{_TIMES[name]}_max", value * seconds_in(unit, row["Metric"]))]


def _values(rows: Sequence[Sequence[str]]) -> list[Figure]:
    found: list[Figure] = []
    for label, value in (row[:2] for row in rows if len(row) > 1):
        name, unit = _parts(label)
        printed = as_number(value)
        if name == "request count":
            found += figure("successes", label, printed) + figure("completions_in_window", label, printed)
        elif name in _VALUES:
            factor = seconds_in(unit, label) if name == "benchmark duration" else 1.0
            found += figure(_VALUES[name], label, printed, factor)
    return found


def _parts(label: str) -> tuple[str, str | None]:
    """A metric's name in small letters and its unit: `Request Latency (ms)`."""
    matched = _LABEL.match(label.strip())
    return (matched["name"].strip().lower(), matched["unit"]) if matched else (label.strip().lower(), None)


TOOL = Tool("GenAI-Perf and AIPerf (table)", "the exported summary, CSV", _recognises, _read)
