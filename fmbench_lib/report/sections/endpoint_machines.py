"""What the endpoints' machines and servers did meanwhile: the figures that matter, level by level."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from fmbench_lib.metrics.missing import Row, number, rows_of
from fmbench_lib.report.figures.machine import pictures
from fmbench_lib.report.level_order import Rows, in_order
from fmbench_lib.report.level_texts import level_names
from fmbench_lib.report.markdown import APPENDIX_LINK, Blocks, bullets, code, escape, frame, sentence_list
from fmbench_lib.report.numbers import MISSING, count, percent, seconds, significant
from fmbench_lib.report.report_data import ReportInputs
from fmbench_lib.workspace import LevelKey

_KEY = LevelKey._fields
_GIB = 2**30
_MOST_NOTES, _MOST_LEVELS = 20, 10
_NAMES = ("experiment", "dataset", "load")
_ABOUT = (
    "Means over the window of each level, followed by the greatest value; what a server counts (preemptions, cache "
    "hits, its times) covers the whole level, warm-up included. All values: `metrics/endpoint_metrics.csv`."
)
_TTFT = (
    "Time to first token as the server measures it, beside what the client saw of the same requests: all successes of "
    "the level, warm-up included, from the first byte sent. The difference is the way to the server and back, and the "
    "time before the server's clock starts. The server's p95 is read from its histogram (≈)."
)


def section(inputs: ReportInputs) -> Blocks:
    """The table by level, the picture over time, TTFT as seen by both sides, and notes of the monitors."""
    heading = "### Endpoint metrics"
    endpoint = inputs.endpoint
    if endpoint.summary.empty:
        reason = "Monitors are switched off" if endpoint.interval is None else "No metrics were sampled"
        return [heading, f"_{reason}, so there are no endpoint metrics (`monitors` in the config)._", _notes(inputs)]
    shown = levels_table(inputs, inputs.decision.payload_file)
    right = [name for name in shown.columns if name not in _NAMES]
    about = f"{_ABOUT}{_cost(endpoint.summary)} All levels are in the {APPENDIX_LINK}."
    table = (
        frame(shown, to_the_right=right, most=_MOST_LEVELS) if len(shown) else "_No level of this dataset was sampled._"
    )
    return [heading, about, table, _pictures(inputs), *_first_tokens(inputs), _notes(inputs)]


def appendix(inputs: ReportInputs) -> Blocks:
    """The table of all levels."""
    if inputs.endpoint.summary.empty:
        return []
    shown = levels_table(inputs)
    return [
        "## Endpoint metrics of every level",
        frame(shown, to_the_right=[name for name in shown.columns if name not in _NAMES]),
    ]


def _pictures(inputs: ReportInputs) -> str:
    """Links to the pictures over time; that of the best level's experiment stands among the plots."""
    links = [f"[{escape(name)}]({inputs.figures}/{path})" for name, path in pictures(inputs).items()]
    return f"Over time, with the levels shaded: {sentence_list(links)}." if links else ""


def _cost(summary: pd.DataFrame) -> str:
    """How much CPU the sampling itself used."""
    series = summary[(summary["source"] == "monitor") & (summary["metric"] == "process_cpu_utilization")]
    if series.empty:
        return ""
    return f" Sampling took {percent(series['mean'].mean() / 100)} of one core, at low priority."


def levels_table(inputs: ReportInputs, payload_file: str | None = None) -> pd.DataFrame:
    """A row per level, of one payload file or of all, and a column for each figure that at least one of them has."""
    by_level: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for row in rows_of(inputs.endpoint.summary):
        by_level.setdefault(tuple(row[name] for name in _KEY), []).append(row)
    table = []
    for level in in_order(rows_of(inputs.summary)):
        if payload_file not in (None, level["payload_file"]):
            continue
        known = by_level.get(tuple(level[name] for name in _KEY), [])
        figures = {name: shown(known) for name, shown in _FIGURES.items()}
        table.append({**level_names(level), **figures})
    shown = pd.DataFrame(table)
    empty = [name for name in _FIGURES if name in shown and (shown[name] == MISSING).all()]
    return shown.drop(columns=empty)


def _chosen(rows: Rows, source: str, metric: str, label: str = "") -> list[Row]:
    """The series of a metric; the source `stack` stands for whichever serving stack published it."""
    not_servers = ("host", "monitor", "nvidia", "neuron", "cloudwatch")
    return [
        row
        for row in rows
        if row["metric"] == metric
        and (row["source"] == source or (source == "stack" and row["source"] not in not_servers))
        and label in (row["labels"] or "")
    ]


def _shares(source: str, metric: str, label: str = "") -> Callable[[Rows], str]:
    """The mean of percentages over cores or devices, and the greatest value of any."""

    def shown(rows: Rows) -> str:
        series = [row for row in _chosen(rows, source, metric, label) if row["mean"] is not None]
        if not series:
            return MISSING
        most = max(row["max"] for row in series)
        return f"{percent(sum(row['mean'] for row in series) / len(series) / 100)} (max {percent(most / 100)})"

    return shown


def _most(source: str, metric: str, unit: Callable[[float], str], *, add: bool) -> Callable[[Rows], str]:
    """The greatest value: of any device, or with `add` the sum over devices."""

    def shown(rows: Rows) -> str:
        values = [row["max"] for row in _chosen(rows, source, metric) if row["max"] is not None]
        return unit(sum(values) if add else max(values)) if values else MISSING

    return shown


def _amounts(source: str, metric: str, per: float = 1.0) -> Callable[[Rows], str]:
    """A number summed over copies: its mean, and the greatest value."""

    def shown(rows: Rows) -> str:
        series = [row for row in _chosen(rows, source, metric) if row["mean"] is not None]
        if not series:
            return MISSING
        mean, most = (sum(row[name] for row in series) / per for name in ("mean", "max"))
        return f"{significant(mean)} (max {significant(most)})"

    return shown


def _totals(source: str, metric: str) -> Callable[[Rows], str]:
    def shown(rows: Rows) -> str:
        values = [row["total"] for row in _chosen(rows, source, metric) if row["total"] is not None]
        return count(sum(values)) if values else MISSING

    return shown


def _means(source: str, metric: str, unit: Callable[[float], str], label: str = "") -> Callable[[Rows], str]:
    """A mean over copies, weighted by the number of values of each."""

    def shown(rows: Rows) -> str:
        series = _chosen(rows, source, metric, label)
        weight = sum(row["n"] for row in series)
        return unit(sum(row["mean"] * row["n"] for row in series) / weight) if weight else MISSING

    return shown


def _gib(value: float) -> str:
    return f"{significant(value / _GIB)} GiB"


_AVERAGE = '"statistic": "Average"'
_FIGURES: dict[str, Callable[[Rows], str]] = {
    "CPU": _shares("host", "cpu_utilization", '"machine": "endpoint"'),
    "client machine's CPU": _shares("host", "cpu_utilization", '"machine": "client"'),
    "server's cores": _amounts("server", "process_cpu_utilization", 100),
    "server's memory": _most("server", "process_memory_used", _gib, add=True),
    "GPU": _shares("nvidia", "gpu_utilization"),
    "GPU memory": _most("nvidia", "gpu_memory_used", _gib, add=True),
    "GPU (Triton)": _shares("triton", "gpu_utilization"),
    "NeuronCores": _shares("neuron", "neuroncore_utilization"),
    "Neuron memory": _most("neuron", "neuron_device_memory_used", _gib, add=True),
    "instance CPU": _shares("cloudwatch", "cpu_utilization", _AVERAGE),
    "instance GPU": _shares("cloudwatch", "gpu_utilization", _AVERAGE),
    "instance memory": _shares("cloudwatch", "memory_utilization", _AVERAGE),
    "requests running": _amounts("stack", "requests_running"),
    "requests waiting": _amounts("stack", "requests_waiting"),
    "requests pending": _amounts("stack", "requests_pending"),
    "queue time": _means("stack", "server_queue_time", seconds),
    "KV cache, max": _most("stack", "kv_cache_usage", percent, add=False),
    "prefix cache hits": _means("stack", "prefix_cache_hits", percent),
    "preemptions": _totals("stack", "preemptions"),
    "model latency": _means("cloudwatch", "model_latency", seconds, _AVERAGE),
    "overhead latency": _means("cloudwatch", "overhead_latency", seconds, _AVERAGE),
    "4XX": _totals("cloudwatch", "invocation_4xx_errors"),
    "5XX": _totals("cloudwatch", "invocation_5xx_errors"),
    "throttles": _totals("cloudwatch", "throttles"),
}
"""The columns of the table; a new figure is a line here."""


def ttft_table(inputs: ReportInputs) -> pd.DataFrame:
    """TTFT by client and server, for the levels whose server publishes its series."""
    known = {tuple(row[name] for name in _KEY): row for row in rows_of(inputs.endpoint.ttft)}
    table = []
    for level in in_order(rows_of(inputs.summary)):
        row = known.get(tuple(level[name] for name in _KEY))
        if row is None:
            continue
        client, server = number(row, "client_mean"), number(row, "server_mean")
        difference = None if client is None or server is None else client - server
        p95 = seconds(row["server_p95"])
        figures = {
            "n client / server": f"{count(row['client_n'])} / {count(row['server_n'])}",
            "client mean": seconds(client),
            "server mean": seconds(server),
            "difference": seconds(difference),
            "client p95": seconds(row["client_p95"]),
            "server p95": p95 if p95 == MISSING else f"≈ {p95}",
        }
        table.append({**level_names(level), **figures})
    return pd.DataFrame(table)


def _first_tokens(inputs: ReportInputs) -> Blocks:
    shown = ttft_table(inputs)
    blocks = []
    if not shown.empty:
        right = [name for name in shown.columns if name not in _NAMES]
        blocks += [_TTFT, frame(shown, to_the_right=right, most=_MOST_LEVELS)]
    by_reason: dict[str, list[str]] = {}
    for name, reason in inputs.endpoint.no_ttft.items():
        by_reason.setdefault(reason, []).append(code(name))
    absent = [
        f"{sentence_list(names)}: {reason}, so there is none to compare with the client's."
        for reason, names in by_reason.items()
    ]
    return [*blocks, " ".join(absent)]


def _notes(inputs: ReportInputs) -> str:
    """The notes of the monitors: what they could not sample, and why."""
    notes = inputs.endpoint.notes
    lines = [f"{escape(name)}: {code(text)}" for name, text in notes[:_MOST_NOTES]]
    if len(notes) > _MOST_NOTES:
        lines.append(f"… and {len(notes) - _MOST_NOTES} more")
    return f"Notes of the monitors:\n\n{bullets(lines)}" if lines else ""
