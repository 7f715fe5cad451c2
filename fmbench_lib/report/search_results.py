"""What a search for the greatest load found, and what bounded it."""

from __future__ import annotations

from fmbench_lib.metrics.missing import rows_of
from fmbench_lib.report.markdown import code, sentence_list
from fmbench_lib.report.numbers import count, significant
from fmbench_lib.report.report_data import ReportInputs, Searched

_AT_LEAST = ("goodput", "slo_attainment")
_ABOUT = (
    "Every level that a search tried is a level of this run like any other. No single one is trusted: the range below "
    "is where, by all of them together and the spread within each, the greatest load that meets the objectives lies "
    "with 90% probability. A wide range is narrowed by longer levels (`load.requests`, `load.duration`)."
)
_BOUNDED = {
    "decided": "",
    "most": "The search was bounded by `find_most`: a greater load was not tried.",
    "client": "The search was bounded by the client: what it measured above that is invalid, so use more workers or a "
    "bigger machine for it.",
    "levels": "The search has used up its levels (`find_levels`): more of them, or a `find_start` nearer to the "
    "answer, would narrow it further.",
    "nothing": "Less load makes no difference to that.",
}


def searches(inputs: ReportInputs) -> list[str]:
    """One paragraph for each search; nothing where none was asked for."""
    if not inputs.searches:
        return []
    return ["### Greatest load", _ABOUT, *(_paragraph(inputs, one) for one in inputs.searches)]


def _paragraph(inputs: ReportInputs, one: Searched) -> str:
    limits = [code(f"{name} {'≥' if name in _AT_LEAST else '≤'} {limit:g}") for name, limit in one.subject_to.items()]
    about = f"{code(one.experiment_name)} on {code(one.payload_file)}, {sentence_list(limits)}:"
    where = f" Tried: {count(len(one.levels))}." if one.levels else ""
    ended = "The search has not ended." if one.ended is None else _BOUNDED[one.ended]
    return " ".join(part for part in (about, _found(inputs, one), _range(one), ended + where) if part.strip())


def _found(inputs: ReportInputs, one: Searched) -> str:
    unit = "requests in flight" if one.find == "max_concurrency" else "requests/s"
    if one.found is None:
        least = f"; the least one tried was {one.missed:g} {unit}" if one.missed is not None else ""
        return f"**no load that was measured met the objectives**{least}{_figures(inputs, one, one.missed)}."
    found = f"**{one.found:g} {unit}** is the greatest load that met them{_figures(inputs, one, one.found)}"
    if one.missed is None:
        return f"{found}; none above it that was measured missed them."
    return f"{found}; the least above it that did not is {one.missed:g}{_figures(inputs, one, one.missed)}."


def _figures(inputs: ReportInputs, one: Searched, load: float | None) -> str:
    """The level's own figures for the objectives, with their intervals where the row has them."""
    if load is None:
        return ""
    column = "concurrency" if one.find == "max_concurrency" else "request_rate"
    here = (one.experiment_name, one.payload_file, load)
    rows = [
        row for row in rows_of(inputs.summary) if (row["experiment_name"], row["payload_file"], row[column]) == here
    ]
    said = []
    for name in one.subject_to if rows else ():
        low, high = rows[0].get(f"{name}_low"), rows[0].get(f"{name}_high")
        interval = f" [{significant(low)}–{significant(high)}]" if low is not None and high is not None else ""
        said.append(f"{name} {significant(rows[0].get(name))}{interval}")
    return f" ({', '.join(said)})" if said else ""


def _range(one: Searched) -> str:
    if one.low is None or one.high is None:
        return ""
    return f"90% range of the greatest load that would: {significant(one.low)} to {significant(one.high)}."
