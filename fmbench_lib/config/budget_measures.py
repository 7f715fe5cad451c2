"""The measures that a budget can limit: their names in a config, the columns that they bound, units and directions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

Unit: TypeAlias = Literal[
    "s", "share", "USD", "score", "requests/s", "requests/minute", "tokens/s", "joules", "grams CO2"
]


@dataclass(frozen=True, slots=True)
class BudgetMeasure:
    """A measure that can have a budget.

    `name`: its key in `report.budgets` · `column`: the column of the level that it bounds · `per`: what a cost or an
    energy is of, in words · `at_least`: the limit is the least that is wanted, else the most · `spellings`: other
    names of the key, FMBench 2.x's among them.
    """

    name: str
    column: str
    unit: Unit
    meaning: str
    per: str = ""
    at_least: bool = False
    spellings: tuple[str, ...] = ()


_FAMILIES = {
    "latency": "to the last token",
    "TTFT": "to the first token",
    "TTFT_answer": "to the first token that is not reasoning",
    "TPOT": "per output token after the first",
    "ITL": "between reads that brought content",
}
STATISTICS = ("mean", "p50", "p90", "p95", "p99")
_OTHER_NAMES = {"latency_p95": ("latency_budget",)}


def _times() -> Iterator[BudgetMeasure]:
    for family, meaning in _FAMILIES.items():
        for statistic in STATISTICS:
            name = f"{family}_{statistic}"
            last = (f"TTLT_{statistic}",) if family == "latency" else ()
            yield BudgetMeasure(name, name, "s", f"time {meaning}", spellings=(*last, *_OTHER_NAMES.get(name, ())))


def _attainments() -> Iterator[BudgetMeasure]:
    meaning = "requests within every objective of `slo`, of all that were sent"
    names = ("goodput", "slo_attainment_budget")
    yield BudgetMeasure("slo_attainment", "slo_attainment", "share", meaning, at_least=True, spellings=names)
    for objective in ("ttft", "tpot", "latency"):
        name = f"slo_attainment_{objective}"
        yield BudgetMeasure(name, name, "share", f"the same for `slo.{objective}` alone", at_least=True)


MEASURES: tuple[BudgetMeasure, ...] = (
    *_times(),
    BudgetMeasure("error_rate", "error_rate", "share", "requests that fail", spellings=("error_rate_budget",)),
    *_attainments(),
    BudgetMeasure(
        "transactions_per_second",
        "transactions_per_second",
        "requests/s",
        "requests that succeed",
        at_least=True,
        spellings=("request_throughput", "requests_per_second"),
    ),
    BudgetMeasure(
        "transactions_per_minute",
        "transactions_per_minute",
        "requests/minute",
        "requests that succeed",
        at_least=True,
        spellings=("requests_per_minute",),
    ),
    BudgetMeasure("goodput_rate", "goodput", "requests/s", "requests within every objective of `slo`", at_least=True),
    BudgetMeasure(
        "prompt_token_throughput",
        "prompt_token_throughput",
        "tokens/s",
        "prompt tokens of the successes",
        at_least=True,
        spellings=("input_token_throughput",),
    ),
    BudgetMeasure(
        "completion_token_throughput",
        "completion_token_throughput",
        "tokens/s",
        "output tokens of the successes",
        at_least=True,
        spellings=("output_token_throughput",),
    ),
    BudgetMeasure(
        "cost_per_10k_txn",
        "price_per_10k_txn",
        "USD",
        "cost of 10,000 successes",
        per="10,000 transactions",
        spellings=("cost_per_10k_txn_budget",),
    ),
    BudgetMeasure("cost_per_txn", "price_per_txn", "USD", "cost of one success", per="transaction"),
    BudgetMeasure(
        "cost_per_1m_tokens",
        "price_per_1m_tokens",
        "USD",
        "cost of a million tokens of prompts and outputs together",
        per="1,000,000 tokens",
    ),
    BudgetMeasure(
        "cost_per_1m_input_tokens",
        "price_per_1m_input_tokens",
        "USD",
        "cost of a million prompt tokens",
        per="1,000,000 input tokens",
    ),
    BudgetMeasure(
        "cost_per_1m_output_tokens",
        "price_per_1m_output_tokens",
        "USD",
        "cost of a million output tokens",
        per="1,000,000 output tokens",
    ),
    BudgetMeasure("joules_per_txn", "joules_per_txn", "joules", "energy of one success"),
    BudgetMeasure("joules_per_output_token", "joules_per_output_token", "joules", "energy of one output token"),
    BudgetMeasure("grams_co2_per_txn", "grams_co2_per_txn", "grams CO2", "what one success emits"),
    BudgetMeasure(
        "accuracy",
        "accuracy",
        "share",
        "answers that the judges find correct",
        at_least=True,
        spellings=("accuracy_budget",),
    ),
    BudgetMeasure(
        "similarity",
        "cosine_similarity",
        "score",
        "mean cosine similarity of answers",
        at_least=True,
        spellings=("similarity_budget", "cosine_similarity", "cosine_similarity_budget"),
    ),
    BudgetMeasure(
        "ndcg", "ndcg_10", "score", "mean nDCG@10 of rankings", at_least=True, spellings=("ndcg_budget", "ndcg_10")
    ),
)
"""Everything that can have a budget, in the order of the documentation."""

BY_NAME = {measure.name: measure for measure in MEASURES}
BY_COLUMN = {measure.column: measure for measure in MEASURES}
NAME_OF = {spelling: measure.name for measure in MEASURES for spelling in (measure.name, *measure.spellings)}
"""By each spelling of a measure: its name."""


def measures_table() -> str:
    """The measures as a Markdown table: what each is, its unit, its direction and its other spellings."""
    lines = ["| measure | unit | limit | what it is | other spellings |", "|---|---|---|---|---|"]
    for same in _rows():
        first = same[0]
        names = ", ".join(f"`{measure.name}`" for measure in same)
        others = ", ".join(_spelt(measure, spelling) for measure in same for spelling in measure.spellings)
        limit = "at least" if first.at_least else "at most"
        lines.append(f"| {names} | {first.unit} | {limit} | {first.meaning} | {others} |")
    return "\n".join(lines)


def _spelt(measure: BudgetMeasure, spelling: str) -> str:
    """Another spelling; of a time without its statistic with the measure that it means."""
    of_one = measure.unit == "s" and not spelling.endswith(STATISTICS)
    return f"`{spelling}` (`{measure.name}`)" if of_one else f"`{spelling}`"


def _rows() -> list[list[BudgetMeasure]]:
    """The measures that differ in nothing but their names, together."""
    rows: list[list[BudgetMeasure]] = []
    for measure in MEASURES:
        if rows and (rows[-1][0].meaning, rows[-1][0].unit) == (measure.meaning, measure.unit):
            rows[-1].append(measure)
        else:
            rows.append([measure])
    return rows
