"""The decision: of the levels of one payload file that meet every budget, the one with the lowest price.

1. Only the levels of one payload file are compared (`choose_dataset` says which and why), because prices of
   transactions of different sizes say nothing about each other.
2. A level passes if it meets every budget that is set, its verdict is not `invalid`, it keeps up with its load
   (`sustainable` is neither `no` nor `unknown`) and no search has anything against it (`search_bounds`). A missing
   value meets no budget: a level without a price cannot pass a cost budget, one without a success no latency budget.
3. Of the levels that pass, the lowest price per transaction wins, then the lower latency p95, then the order of
   the config. Where the outputs or prompts of experiments differ in length, the price per token is compared instead
   (`ranking`). Unless the config names a payload file, that of embeddings and rerankers, which generate nothing, is
   the one with the lowest price per token: such files differ in texts per request. Another experiment whose best
   level is within the noise of the winner's ties with it.
4. A level without a price is never the cheapest: it wins only if no level that passes has a price, by the most
   transactions per minute, and the sentence says that nothing is known about cost.
5. If none passes, the nearest is named: the fewest missing values, then the smallest largest excess over a budget (as
   a share of it), then the smallest sum of excesses, then price and p95. Levels that their search does not allow, whose
   queue grew, and invalid ones, come nearest only where there are no others, in this order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, TypedDict

import pandas as pd

from fmbench_lib.metrics.decision.budgets import Budgets, Judgement, judge
from fmbench_lib.metrics.decision.dataset_of_interest import DatasetChoice, choose_dataset
from fmbench_lib.metrics.decision.ranking import RankedBy, rank, unit_cost
from fmbench_lib.metrics.decision.sentence import decision_text
from fmbench_lib.metrics.decision.transaction_size import generate_nothing, generates_nothing
from fmbench_lib.metrics.missing import Row, number, plain, rows_of


class FailedLevel(TypedDict):
    """A level that was not chosen, by the columns that name it, with the budgets that it misses (`Outcome`)."""

    experiment_name: str | None
    instance_type: str | None
    payload_file: str | None
    concurrency: float | None
    request_rate: float | None
    verdict: str | None
    sustainable: str | None
    search_objection: str | None
    missed: list[dict[str, Any]]


class DecisionDocument(TypedDict):
    """The decision in summary.json. `budgets` are the fields of `Budgets`, levels their rows by column name; `outcomes`
    how `winner`, `runner_up` and `nearest` compare with each budget (`Outcome`)."""

    text: str
    payload_file: str | None
    payload_file_reason: str | None
    budgets: dict[str, Any]
    ranked_by: RankedBy | None
    levels: int
    levels_passed: int
    winner: Row | None
    runner_up: Row | None
    tied: list[Row]
    unlike_cache: Row | None
    nearest: Row | None
    outcomes: dict[str, list[dict[str, Any]]]
    failed: list[FailedLevel]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided, about which levels, and the sentence that says so.

    `winner`: the chosen level's row or None · `nearest`: the row that comes nearest where none passes · `judgements`:
    every level of the payload file with its budgets, in order · `ranked_by`: what decided: price or, without any price,
    throughput, of transactions or of tokens · `runner_up`: the best level of another experiment · `tied`: those
    of other experiments that are within the noise of the winner · `unlike_cache`: a level that had far more, or far
    less, of its prompts in the server's cache than the winner.
    """

    text: str
    dataset: DatasetChoice | None
    budgets: Budgets
    judgements: tuple[Judgement, ...] = ()
    winner: Mapping[str, Any] | None = None
    nearest: Mapping[str, Any] | None = None
    ranked_by: RankedBy | None = None
    runner_up: Mapping[str, Any] | None = None
    tied: tuple[Mapping[str, Any], ...] = ()
    unlike_cache: Mapping[str, Any] | None = None

    @property
    def payload_file(self) -> str | None:
        """The payload file that the decision is about; None without any level."""
        return self.dataset.payload_file if self.dataset else None

    @property
    def passed(self) -> tuple[Judgement, ...]:
        """The levels that may be chosen."""
        return tuple(judgement for judgement in self.judgements if judgement.passed)

    @property
    def failed(self) -> tuple[Judgement, ...]:
        """The levels that miss a budget, are invalid, cannot be sustained, or are not what their search allows."""
        return tuple(judgement for judgement in self.judgements if not judgement.passed)

    def to_dict(self) -> DecisionDocument:
        """The decision for summary.json: built-in types, None for what is missing."""
        return {
            "text": self.text,
            "payload_file": self.payload_file,
            "payload_file_reason": self.dataset.reason if self.dataset else None,
            "budgets": asdict(self.budgets),
            "ranked_by": self.ranked_by,
            "levels": len(self.judgements),
            "levels_passed": len(self.passed),
            "winner": dict(self.winner) if self.winner else None,
            "runner_up": dict(self.runner_up) if self.runner_up else None,
            "tied": [dict(row) for row in self.tied],
            "unlike_cache": dict(self.unlike_cache) if self.unlike_cache else None,
            "nearest": dict(self.nearest) if self.nearest else None,
            "outcomes": {
                name: [plain(asdict(outcome)) for outcome in judge(row, self.budgets).outcomes]
                for name, row in (("winner", self.winner), ("runner_up", self.runner_up), ("nearest", self.nearest))
                if row is not None
            },
            "failed": [_failed_dict(judgement) for judgement in self.failed],
        }


def decide(summary: pd.DataFrame, budgets: Budgets, payload_file: str | None = None) -> Decision:
    """Decide on a summary frame (one row per level, in the order of the config).

    `payload_file` is the value of `metrics.dataset_of_interest`, or a payload file's name; None takes the default.
    """
    rows = rows_of(summary)
    dataset = _of_all_batches(rows, budgets) if payload_file is None else None
    dataset = dataset or choose_dataset([str(row["payload_file"]) for row in rows], payload_file)
    chosen = [row for row in rows if dataset and row["payload_file"] == dataset.payload_file]
    judgements = tuple(judge(row, budgets) for row in chosen)
    ranking = rank([judgement for judgement in judgements if judgement.passed])
    near = None if ranking else nearest(judgements)
    return Decision(
        text=decision_text(dataset.payload_file if dataset else None, budgets, judgements, ranking, near),
        dataset=dataset,
        budgets=budgets,
        judgements=judgements,
        winner=ranking.best.row if ranking else None,
        nearest=near.row if near else None,
        ranked_by=ranking.by if ranking else None,
        runner_up=ranking.others[0].row if ranking and ranking.others else None,
        tied=tuple(one.row for one in ranking.tied) if ranking else (),
        unlike_cache=ranking.unlike_cache.row if ranking and ranking.unlike_cache else None,
    )


def _of_all_batches(rows: Sequence[Row], budgets: Budgets) -> DatasetChoice | None:
    """The payload file with the lowest price per token, where nothing was generated: such files differ in how many
    texts a request has, and a token is the same work in all. None where answers have tokens, or no level passes."""
    if len({row["payload_file"] for row in rows}) < 2 or not generate_nothing(rows):
        return None
    answered = [row for row in rows if generates_nothing(row)]
    passed = [one.row for one in (judge(row, budgets) for row in answered) if one.passed]
    priced = [row for row in passed if number(row, "price_per_txn") is not None]
    if not passed:
        return None
    by: RankedBy = "price" if priced else "throughput"
    best = min(priced or passed, key=lambda row: unit_cost(row, by) / _tokens_of_file(rows, row))
    what = "lowest price per token" if priced else "most tokens per minute"
    reason = f"no dataset_of_interest was given: of all payload files it has the level with the {what}"
    return DatasetChoice(str(best["payload_file"]), reason)


def _tokens_of_file(rows: Sequence[Row], row: Row) -> float:
    """The tokens of a request of the row's payload file: one figure for all experiments, as they send the same texts,
    and servers count in their own ways."""
    counts = (number(one, "prompt_token_count_mean") for one in rows if one["payload_file"] == row["payload_file"])
    return median(count for count in counts if count)


def nearest(judgements: Sequence[Judgement]) -> Judgement | None:
    """The level that comes nearest to meeting every budget; None of no levels."""
    relied_on = [judgement for judgement in judgements if not judgement.invalid] or list(judgements)
    usable = [judgement for judgement in relied_on if not judgement.queue_grew] or relied_on
    usable = [judgement for judgement in usable if judgement.objection is None] or usable
    return min(usable, key=_distance) if usable else None


def _distance(judgement: Judgement) -> tuple[float, ...]:
    excesses = [outcome.excess for outcome in judgement.missed if outcome.met is not None]
    unknown = len(judgement.missed) - len(excesses)
    excesses += [] if judgement.objection is None else [_of(judgement, "search_excess")]
    price, p95 = _of(judgement, "price_per_txn"), _of(judgement, "latency_p95")
    return unknown, max(excesses, default=0.0), sum(excesses), price, p95


def _of(judgement: Judgement, column: str) -> float:
    value = number(judgement.row, column)
    return math.inf if value is None else value


def _failed_dict(judgement: Judgement) -> FailedLevel:
    row = judgement.row
    return {
        "experiment_name": row.get("experiment_name"),
        "instance_type": row.get("instance_type"),
        "payload_file": row.get("payload_file"),
        "concurrency": row.get("concurrency"),
        "request_rate": row.get("request_rate"),
        "verdict": row.get("verdict"),
        "sustainable": row.get("sustainable"),
        "search_objection": row.get("search_objection"),
        "missed": [plain(asdict(outcome)) for outcome in judgement.missed],
    }
