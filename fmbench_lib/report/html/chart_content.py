"""What price-performance and quality are drawn from, in both pages."""

from __future__ import annotations

from collections.abc import Mapping

from fmbench_lib.metrics.decision.budgets import Budgets
from fmbench_lib.metrics.decision.decision import Decision
from fmbench_lib.metrics.decision.wording import budgets_text
from fmbench_lib.report.figures.quality_trade import QualityTrade
from fmbench_lib.report.html.level_values import TEXT, clean, levels, names_of_run, position_of
from fmbench_lib.report.html.page_shapes import ChartBudgets, ChartContent
from fmbench_lib.report.html.quality_points import quality_points
from fmbench_lib.report.level_order import Rows, names_in


def chart_content(
    decision: Decision, rows: Rows, transactions: int, quality: Mapping[str, QualityTrade]
) -> ChartContent:
    """The levels `rows` with the decision's marks and budgets. `transactions`: how many the cost is shown of."""
    payloads, chosen = names_in(rows, "payload_file"), str(decision.payload_file)
    marked = {"winner": decision.winner, "runner_up": decision.runner_up, "nearest": decision.nearest}
    tied = [position_of(rows, row) for row in decision.tied]
    return {
        **names_of_run(rows),
        "dataset": payloads.index(chosen) if chosen in payloads else None,
        "levels": levels(rows, decision.budgets, marked),
        "tied": [position for position in tied if position is not None],
        "budgets": _budgets(decision.budgets),
        "transactions": transactions,
        "quality": quality_points(quality, names_in(rows)),
    }


def _budgets(budgets: Budgets) -> ChartBudgets:
    return {"said": clean(budgets_text(budgets), TEXT), **{limit.column: limit.budget for limit in budgets.limits}}
