"""What a search for the greatest load found, and what bounded it."""

from __future__ import annotations

from collections.abc import Sequence

from fmbench_lib.metrics.missing import Row, rows_of
from fmbench_lib.report.markdown import Blocks, code, sentence_list
from fmbench_lib.report.numbers import count, significant
from fmbench_lib.report.report_data import ReportInputs, Searched

_AT_LEAST = ("goodput", "slo_attainment")
_ABOUT = (
    "Every level that a search tried is an ordinary level of this run, but no single one decides. All levels of a "
    "search together, each with the spread within it, say where the greatest load lies that meets the objectives: in "
    "the range below with 90% probability. The load that is named met them in most of its levels and, where there is a "
    "range, is at most 5% too high with 95% probability. Levels above it cannot win the decision, and none can where "
    "no load is shown to meet them. Longer levels (`load.requests`, `load.duration`) narrow the range."
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
    where = f"Tried: {count(len(search.levels))}." if search.levels else ""
    ended = "The search has not ended." if search.ended is None else _BOUNDED[search.ended]
    said = [about, _answer(inputs, search), *_surprises(inputs, search), _range(search), ended, where]
    return " ".join(part for part in said if part)


def _answer(inputs: ReportInputs, search: Searched) -> str:
    if search.found is None:
        return _none_found(inputs, search)
    shown = _figures(inputs, search, search.at(search.found))
    answer = f"**{_load(search, search.found)}** is the greatest load that met them"
    if search.confirmed:
        answer = f"{answer} and was confirmed by another level{shown}"
    else:
        answer = f"{answer}{shown}, which no other level has confirmed"
    if search.missed is None:
        return f"{answer}; no measured load above it missed them."
    missed = _figures(inputs, search, _levels(search, search.missed, met=False))
    return f"{answer}; the least load above it that missed them is {search.missed:g}{missed}."


def _none_found(inputs: ReportInputs, search: Searched) -> str:
    met = [load for load, met in zip(search.loads, search.met, strict=True) if met]
    if met:
        least = min(met)
        shown = _figures(inputs, search, _levels(search, least, met=True))
        return (
            f"**no load is shown to meet the objectives**: {_load(search, least)} did{shown}, "
            "but all levels together do not bear that out."
        )
    if search.missed is None:
        return "**no measured load met the objectives**."
    shown = _figures(inputs, search, search.at(search.missed))
    return f"**no measured load met the objectives**; the least load tried was {_load(search, search.missed)}{shown}."


def _surprises(inputs: ReportInputs, search: Searched) -> list[str]:
    """Levels whose own figures contradict the answer: below it they missed, above it they met."""
    if search.found is None:
        return []
    tried = sorted(set(zip(search.loads, search.met, strict=True)), key=lambda one: one[0])
    missed = [load for load, met in tried if met is False and load <= search.found]
    met = [load for load, met in tried if met and load > search.found]
    said = []
    if missed:
        loads = [f"{load:g}{_figures(inputs, search, _levels(search, load, met=False))}" for load in missed]
        said.append(f"At or below it missed: {sentence_list(loads)}; all levels together do not bear that out.")
    if met:
        loads = [f"{load:g}{_figures(inputs, search, _levels(search, load, met=True))}" for load in met]
        said.append(f"Above it met: {sentence_list(loads)}, which is not shown to be safe or not confirmed.")
    return said


def _load(search: Searched, load: float) -> str:
    return f"{load:g} {'requests in flight' if search.find == 'max_concurrency' else 'requests/s'}"


def _levels(search: Searched, load: float, *, met: bool) -> list[str]:
    """The names of the levels at this load that met the objectives, or missed them."""
    tried = zip(search.levels, search.loads, search.met, strict=True)
    return [name for name, at, its in tried if at == load and its is met]


def _figures(inputs: ReportInputs, search: Searched, levels: Sequence[str]) -> str:
    """The figures of levels for the objectives, with their intervals where there are any."""
    where = (search.experiment_name, search.payload_file)
    rows = {
        row["load"]: row
        for row in rows_of(inputs.summary)
        if (row["experiment_name"], row["payload_file"]) == where and row["load"] in levels
    }
    known = [
        ", ".join(f"{name} {_value(rows[level], name)}" for name in search.subject_to)
        for level in levels
        if level in rows
    ]
    return f" ({'; again: '.join(known)})" if known else ""


def _value(row: Row, name: str) -> str:
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    interval = f" [{significant(low)}–{significant(high)}]" if low is not None and high is not None else ""
    mark = "≈ " if not interval and name.endswith(("_p50", "_p95", "_p99")) else ""
    return f"{mark}{significant(row.get(name))}{interval}"


def _range(search: Searched) -> str:
    if search.low is None or search.high is None:
        return ""
    low, high = significant(search.low), significant(search.high)
    return f"The greatest load that meets them lies between {low} and {high} with 90% probability."
