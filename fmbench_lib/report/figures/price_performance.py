"""The levels of the dataset of interest as points of latency and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fmbench_lib.metrics.decision.budgets import Judgement
from fmbench_lib.metrics.decision.decision import Decision
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.missing import number, text
from fmbench_lib.report.figures.findings import price_finding
from fmbench_lib.report.level_order import dataset_name, load_order, names_in, short_load
from fmbench_lib.report.numbers import dollars, seconds, several, significant


@dataclass(frozen=True, slots=True)
class Point:
    """A level: `x` is its latency p95 (s, with its confidence interval), `y` its cost, or throughput without prices."""

    row: Mapping[str, Any]
    x: float
    y: float
    interval: tuple[float, float] | None
    best: bool
    misses: bool

    @property
    def experiment(self) -> str:
        """The name of its experiment."""
        return str(self.row.get("experiment_name"))

    @property
    def verdict(self) -> str:
        """Its verdict."""
        return text(self.row, "verdict") or "degraded"

    @property
    def label(self) -> str:
        """Its load in short: `4` or `0.5/s`."""
        return short_load(self.row)


@dataclass(frozen=True, slots=True)
class Trade:
    """The points of one payload file, by experiment and load, with the budgets on both axes.

    `priced`: `y` is the cost of `transactions` transactions in USD; otherwise it is transactions per minute, because no
    level has a price. `left_out`: sentences on levels that are not shown. `finding`: what the picture shows.
    """

    points: tuple[Point, ...]
    dataset: str
    priced: bool
    transactions: int
    left_out: tuple[str, ...]
    latency_budget: float | None
    cost_budget: float | None
    finding: str = ""

    @property
    def experiments(self) -> list[str]:
        """The experiments that have a point."""
        return names_in([point.row for point in self.points])

    @property
    def y_title(self) -> str:
        """The vertical axis in words."""
        return f"USD per {self.transactions:,} txn" if self.priced else "transactions per minute"

    @property
    def title(self) -> str:
        """The picture's title."""
        return f"{'Price-performance' if self.priced else 'Throughput and latency'} for {self.dataset}"

    def figures(self, point: Point) -> str:
        """The figures of a point in words."""
        cost = dollars(point.y) if self.priced else f"{significant(point.y)} per minute"
        return f"{load_label(point.row)}, {cost}, p95 {'' if point.interval else '≈ '}{seconds(point.x)}"


def trade_of(decision: Decision, transactions: int = 10_000) -> Trade:
    """The levels that the decision is about, as points."""
    rows = [judgement.row for judgement in decision.judgements]
    priced = any(number(row, "price_per_txn") is not None for row in rows)
    drawn = (_point(judgement, decision, priced, transactions) for judgement in decision.judgements)
    points = [point for point in drawn if point is not None]
    experiments = names_in(rows)
    points.sort(key=lambda point: (experiments.index(point.experiment), *load_order(point.row)))
    cost = decision.budgets.cost_per_10k_txn_budget
    return Trade(
        points=tuple(points),
        dataset=dataset_name(decision.payload_file) or "no dataset",
        priced=priced,
        transactions=transactions,
        left_out=tuple(_left_out(rows, priced)),
        latency_budget=decision.budgets.latency_budget,
        cost_budget=cost * transactions / 10_000 if cost is not None and priced else None,
        finding=price_finding(decision),
    )


def _point(judgement: Judgement, decision: Decision, priced: bool, transactions: int) -> Point | None:
    row = judgement.row
    price, p95 = number(row, "price_per_txn"), number(row, "latency_p95")
    cost = None if price is None else price * transactions
    y = cost if priced else number(row, "transactions_per_minute")
    if p95 is None or y is None:
        return None
    low, high = number(row, "latency_p95_low"), number(row, "latency_p95_high")
    interval = None if low is None or high is None else (low, high)
    return Point(row, p95, y, interval, best=row is decision.winner, misses=not judgement.meets_budgets)


def _left_out(rows: list[Mapping[str, Any]], priced: bool) -> list[str]:
    """Which levels have no point, and why."""
    without = [row for row in rows if number(row, "latency_p95") is None]
    unknown = sum(bool(text(row, "imported_from")) and number(row, "successes") != 0 for row in without)
    failed = len(without) - unknown
    timed = [row for row in rows if number(row, "latency_p95") is not None]
    sentences = []
    if failed:
        sentences.append(f"{several(failed, 'level')} without a single success {_are(failed)} not shown.")
    if unknown:
        sentences.append(f"{several(unknown, 'level')} whose p95 is not known {_are(unknown)} not shown.")
    if timed and not priced:
        sentences.append("No level has a price, so throughput is shown instead.")
    unpriced = sum(number(row, "price_per_txn") is None for row in timed) if priced else 0
    if unpriced:
        sentences.append(f"{several(unpriced, 'level')} without a price {_are(unpriced)} not shown.")
    return sentences


def _are(count: int) -> str:
    return "are" if count != 1 else "is"
