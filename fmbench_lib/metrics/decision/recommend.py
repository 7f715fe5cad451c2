"""For each payload file and instance type, the level to run: within the budgets, the most transactions per minute."""

from __future__ import annotations

from typing import Any

import pandas as pd

from fmbench_lib.metrics.columns import Cells
from fmbench_lib.metrics.decision.budgets import Budgets, Judgement, judge
from fmbench_lib.metrics.decision.decision import nearest
from fmbench_lib.metrics.decision.ranking import NOISE, Ranking, instances, rank, within_noise_share
from fmbench_lib.metrics.decision.sentence import decision_text, notes_on
from fmbench_lib.metrics.decision.unequal_work import unequal_work_text
from fmbench_lib.metrics.decision.wording import budgets_text, figure, load_label, time_text, usd
from fmbench_lib.metrics.missing import number, rows_of

COLUMNS: tuple[str, ...] = (
    "payload_file",
    "instance_type",
    "experiment_name",
    "instance_count",
    "concurrency",
    "request_rate",
    "latency_p50",
    "latency_p95",
    "prompt_token_count_mean",
    "completion_token_count_mean",
    "transactions_per_minute",
    "price_per_10k_txn",
    "verdict",
    "within_budgets",
    "recommendation",
)


def recommendations(summary: pd.DataFrame, budgets: Budgets) -> pd.DataFrame:
    """One row per payload file and instance type, in `COLUMNS`, with the figures of the recommended level.

    Where no level is within the budgets the figures are those of the nearest one, `within_budgets` is False and the
    text says by how much it misses. The level with most transactions per minute and instance is also the cheapest.
    Where prompts or outputs of experiments differ in length, tokens are counted instead of transactions.
    """
    groups: dict[tuple[Any, Any], list[Judgement]] = {}
    for row in rows_of(summary):
        groups.setdefault((row["payload_file"], row["instance_type"]), []).append(judge(row, budgets))
    rows = [_row(levels, budgets) for levels in groups.values()]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _row(levels: list[Judgement], budgets: Budgets) -> Cells:
    ranking = rank([judgement for judgement in levels if judgement.passed], by_price=False)
    chosen = ranking.best if ranking else nearest(levels)
    assert chosen is not None
    if ranking is not None:
        sentence = _recommendation(ranking, budgets)
    else:
        scope = f"{chosen.row['payload_file']} on {chosen.row['instance_type'] or 'an unnamed instance'}"
        sentence = decision_text(scope, budgets, levels, None, chosen)
    figures = {name: chosen.row.get(name) for name in COLUMNS if name in chosen.row}
    return figures | {"within_budgets": ranking is not None, "recommendation": sentence}


def _recommendation(ranking: Ranking, budgets: Budgets) -> str:
    row, limits = ranking.best.row, budgets_text(budgets)
    budget = f"within the budgets ({limits})" if limits else "without a budget"
    label = load_label(row)
    count = f" on {instances(row):.0f} instances" if instances(row) != 1 else ""
    each = " per instance" if any(instances(one.row) != 1 for one in (ranking.best, *ranking.others)) else ""
    claim = f"{label[0].upper()}{label[1:]} of {row.get('experiment_name')}{count} gets the most done{each} {budget}"
    noise = "by their 95% intervals" if _by_intervals(ranking) else f"within {NOISE:.0%}"
    notes = [f"{_names(ranking)} as much done, {noise}"] if ranking.tied else []
    notes += notes_on([ranking.best, *ranking.tied])
    doubts = "".join(f"; {note}" for note in notes)
    return f"{unequal_work_text(ranking)}{claim}: {', '.join(_figures(ranking.best))}{doubts}."


def _by_intervals(ranking: Ranking) -> bool:
    """Whether levels tie by the intervals of their rates alone."""
    return not all(within_noise_share(ranking.best.row, one.row, ranking.by) for one in ranking.tied)


def _figures(judgement: Judgement) -> list[str]:
    row, parts = judgement.row, []
    if (rate := number(row, "transactions_per_minute")) is not None:
        parts.append(f"{figure(rate)} transactions/minute")
    if number(row, "latency_p50") is not None:
        parts.append(f"a median latency of {time_text(row, 'latency_p50')}")
    if number(row, "latency_p95") is not None:
        parts.append(f"a p95 of {time_text(row, 'latency_p95')}")
    if (price := number(row, "price_per_10k_txn")) is not None:
        parts.append(f"{usd(price)} per 10,000 transactions")
    tokens_in, tokens_out = number(row, "prompt_token_count_mean"), number(row, "completion_token_count_mean")
    if tokens_in is not None and tokens_out is not None:
        parts.append(f"on average {tokens_in:.0f} tokens in and {tokens_out:.0f} out")
    return parts


def _names(ranking: Ranking) -> str:
    """The levels that tie, with the verb that follows: `concurrency 8 of b gets`."""
    named = [f"{load_label(one.row)} of {one.row.get('experiment_name')}" for one in ranking.tied]
    return f"{' and '.join(named)} get{'s' if len(named) == 1 else ''}"
