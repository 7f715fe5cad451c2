"""What the page holds, as plain values for JSON: selected from the tables of the metrics, nothing is computed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from fmbench_lib.host.printable import printable
from fmbench_lib.metrics.decision.brief import brief_of
from fmbench_lib.metrics.decision.wording import budgets_text
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.token_rates import token_rates
from fmbench_lib.report.budget_standings import budget_standings
from fmbench_lib.report.figures.draw import levels_drawn, quality_trades
from fmbench_lib.report.html.chart_content import chart_content
from fmbench_lib.report.html.level_values import TEXT, clean
from fmbench_lib.report.html.machine_curves import machines
from fmbench_lib.report.html.page_shapes import PageContent, PageHead, Tile
from fmbench_lib.report.html.page_tables import tables
from fmbench_lib.report.html.request_samples import distributions, request_points, request_timelines
from fmbench_lib.report.level_order import Rows, in_order
from fmbench_lib.report.level_texts import estimate_of
from fmbench_lib.report.numbers import MISSING, count, dollars, moment, percent, several, significant
from fmbench_lib.report.report_data import ReportInputs

HOURS_A_MONTH = 730


@dataclass(frozen=True, slots=True)
class LinkedFile:
    """A file beside the page: its address relative to it, percent-encoded, its name, and what it is."""

    address: str
    name: str
    what: str


def page_content(inputs: ReportInputs, files: Sequence[LinkedFile] = ()) -> PageContent:
    """The content of `report.html`. `inputs` has the levels that count; texts of any origin are on one line each."""
    drawn, requests = levels_drawn(inputs)
    rows = in_order(drawn)
    return {
        **chart_content(inputs.decision, rows, inputs.options.transactions, quality_trades(inputs)),
        "kind": "report",
        "head": head(inputs, rows),
        "objectives": asdict(inputs.objectives),
        "distributions": distributions(rows, requests, inputs.distributions),
        "points": request_points(rows, requests, inputs.distributions),
        "timelines": request_timelines(rows, inputs.timelines),
        "machines": machines(inputs, rows),
        "tables": tables(inputs, rows),
        "notices": [clean(notice, TEXT) for notice in inputs.notices],
        "facts": _facts(inputs),
        "files": [{"address": one.address, "name": clean(one.name), "what": one.what} for one in files],
        "config": "\n".join(map(printable, inputs.config_yaml.splitlines())),
    }


def head(inputs: ReportInputs, rows: Rows) -> PageHead:
    """The first screen: the decision in two sentences, its figures, and how good the measurement was."""
    run, brief = inputs.run, brief_of(inputs.decision.to_dict())
    best = inputs.decision.winner or inputs.decision.nearest
    return {
        "title": clean(run.model_name),
        "about": [clean(run.name), clean(run.run_id), f"written {moment(run.written_at)} UTC"],
        "what": clean(brief.what, 1500),
        "how_sure": clean(brief.how_sure, 1500),
        "runner_up": clean(brief.runner_up, TEXT),
        "tone": brief.tone,
        "tiles": [] if best is None else _tiles(best, inputs),
        "budgets": _budgets(inputs),
        "quality": _quality(rows),
    }


def _budgets(inputs: ReportInputs) -> list[list[str]]:
    found = budget_standings(inputs.decision)
    rows = [("budget", *found.levels), *found.rows] if found.rows else []
    return [[clean(cell, TEXT) for cell in row] for row in rows]


def _tiles(row: Row, inputs: ReportInputs) -> list[Tile]:
    """The figures of the level that was chosen, or comes nearest: a heading, the figure, and what belongs to it."""
    price, rates, times = number(row, "price_per_txn"), token_rates(row), inputs.options.transactions
    hourly, million = rates["cost_per_hour"], rates["price_per_1m_tokens"]
    month = None if hourly is None else f"{dollars(hourly * HOURS_A_MONTH)} a month, running all the time"
    cost = [None if million is None else f"{dollars(million)} per 1M tokens", month]
    budget = inputs.decision.budgets.latency_budget
    n = f"n = {count(number(row, 'latency_n'))}"
    tiles: list[tuple[str, str, list[str | None]]] = [
        (f"{times:,} requests", dollars(None if price is None else price * times), cost),
        ("latency p95", estimate_of(row, "latency_p95"), [n, None if budget is None else f"budget {budget:g} s"]),
        ("first token p95", estimate_of(row, "TTFT_p95"), [None]),
        ("throughput", _per_minute(row), [_tokens(row), f"{percent(number(row, 'error_rate'))} errors"]),
    ]
    shown = [tile for tile in tiles if tile[1] != MISSING]
    return [{"name": name, "figure": figure, "below": " · ".join(filter(None, below))} for name, figure, below in shown]


def _per_minute(row: Row) -> str:
    rate = significant(number(row, "transactions_per_minute"))
    return MISSING if rate == MISSING else f"{rate} requests/min"


def _tokens(row: Row) -> str | None:
    rate = number(row, "completion_token_throughput")
    return f"{significant(rate)} tokens/s" if rate else None


def _quality(rows: Rows) -> str:
    """How good the measurement was, in a line."""
    if not rows:
        return "No level was measured."
    verdicts = [text(row, "verdict") for row in rows]
    counts = {name: verdicts.count(name) for name in ("valid", "degraded", "invalid")}
    parts = ", ".join(f"{known} {name}" for name, known in counts.items() if known)
    limited = sum(bool(row.get("client_limited")) for row in rows)
    client = f"the client was a limit at {limited}" if limited else "the client was not a limit at any"
    requests = sum(number(row, "requests") or 0 for row in rows)
    return f"{several(len(rows), 'level')} ({parts}) with {count(requests)} requests; {client}."


def _facts(inputs: ReportInputs) -> list[list[str]]:
    """Where the numbers come from, as pairs of a name and a value."""
    run = inputs.run
    facts = {
        "run": f"{run.name}, {run.run_id}",
        "measured": f"{moment(run.started_at)} to {moment(run.ended_at)} UTC",
        "config": f"{run.config_file} (SHA-256 {run.config_hash[:12]})",
        "seed": str(run.seed),
        "fmbench": run.fmbench_version,
        "budgets": budgets_text(inputs.decision.budgets) or "none",
        "dataset of the decision": _reason(inputs),
        **{f"machine: {name}": str(value) for name, value in run.host.items()},
        **{f"version: {name}": str(value) for name, value in run.versions.items()},
    }
    return [[clean(name), clean(value, TEXT)] for name, value in facts.items() if not _is_missing(value)]


def _reason(inputs: ReportInputs) -> str:
    dataset = inputs.decision.dataset
    return MISSING if dataset is None else f"{dataset.payload_file} ({dataset.reason})"


def _is_missing(value: str) -> bool:
    return value in ("", MISSING, str(None), str(pd.NA))
