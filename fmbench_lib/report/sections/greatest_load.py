"""What a search for the greatest load found, and what bounded it."""

from __future__ import annotations

from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.markdown import Blocks, code, sentence_list
from fmbench_lib.report.numbers import count, significant
from fmbench_lib.report.report_data import ReportInputs, Searched

_AT_LEAST = ("goodput", "slo_attainment")
_ABOUT = (
    "Every level that a search tried is an ordinary level of this run. No single level decides: the greatest load that "
    "meets the objectives lies in the range below with 90% probability, judged by all levels together and the spread "
    "within each. Longer levels (`load.requests`, `load.duration`) narrow the range."
)
_BOUNDED = {
    "decided": "",
    "most": "The search was bounded by `find_most`: no greater load was tried.",
    "client": "The search was bounded by the client: levels above that are invalid, so use more workers or a bigger "
    "machine.",
    "levels": "The search used up its levels (`find_levels`): more of them, or a `find_start` nearer to the answer, "
    "would narrow the range.",
    "nothing": "Less load does not change that.",
}


def section(inputs: ReportInputs) -> Blocks:
    """A paragraph for each search; nothing where none was configured."""
    if not inputs.searches:
        return []
    return ["### Greatest load", _ABOUT, *(_paragraph(inputs, search) for search in inputs.searches)]


def _paragraph(inputs: ReportInputs, search: Searched) -> str:
    limits = [
        code(f"{name} {'≥' if name in _AT_LEAST else '≤'} {limit:g}") for name, limit in search.subject_to.items()
    ]
    about = f"{code(search.experiment_name)} on {code(search.payload_file)}, {sentence_list(limits)}:"
    where = f" Tried: {count(len(search.levels))}." if search.levels else ""
    ended = "The search has not ended." if search.ended is None else _BOUNDED[search.ended]
    return " ".join(part for part in (about, _found(inputs, search), _range(search), ended + where) if part.strip())


def _found(inputs: ReportInputs, search: Searched) -> str:
    unit = "requests in flight" if search.find == "max_concurrency" else "requests/s"
    if search.found is None:
        least = f"; the least load tried was {search.missed:g} {unit}" if search.missed is not None else ""
        return f"**no measured load met the objectives**{least}{_figures(inputs, search, search.missed)}."
    answer = f"**{search.found:g} {unit}** is the greatest load that met them{_figures(inputs, search, search.found)}"
    if search.missed is None:
        return f"{answer}; no measured load above it missed them."
    return (
        f"{answer}; the least load above it that did not is {search.missed:g}{_figures(inputs, search, search.missed)}."
    )


def _figures(inputs: ReportInputs, search: Searched, load: float | None) -> str:
    """The level's figures for the objectives, with their intervals where there are any."""
    if load is None:
        return ""
    column = "concurrency" if search.find == "max_concurrency" else "request_rate"
    level = (search.experiment_name, search.payload_file, load)
    rows = [
        row for row in rows_of(inputs.summary) if (row["experiment_name"], row["payload_file"], row[column]) == level
    ]
    figures = []
    for name in search.subject_to if rows else ():
        low, high = rows[0].get(f"{name}_low"), rows[0].get(f"{name}_high")
        interval = f" [{significant(low)}–{significant(high)}]" if low is not None and high is not None else ""
        mark = "≈ " if not interval and name.endswith(("_p50", "_p95", "_p99")) else ""
        figures.append(f"{name} {mark}{significant(rows[0].get(name))}{interval}")
    return f" ({', '.join(figures)})" if figures else ""


def _range(search: Searched) -> str:
    if search.low is None or search.high is None:
        return ""
    return f"90% range of the greatest load that meets them: {significant(search.low)} to {significant(search.high)}."
