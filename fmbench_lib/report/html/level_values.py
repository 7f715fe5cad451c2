"""The levels as a page holds them: the columns that it draws and lists, a row of values for each level."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fmbench_lib.metrics.decision.budgets import Budgets, judge
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.groups.counts import error_messages, errors_by_class
from fmbench_lib.metrics.measuring_again import AGAIN
from fmbench_lib.metrics.missing import Row, number, text
from fmbench_lib.metrics.reasons import reasons_of
from fmbench_lib.metrics.repeated_levels import level_of
from fmbench_lib.metrics.token_rates import token_rates
from fmbench_lib.report.html.page_shapes import LevelAbout, LevelValues, RunNames
from fmbench_lib.report.level_order import Rows, dataset_name, is_rate, names_in, short_load
from fmbench_lib.report.level_texts import instance
from fmbench_lib.report.markdown import one_line

NAME, TEXT = 120, 600
"""The most characters of a name and of a text that a page shows."""
_ENDS = ("", "_low", "_high")
_FAMILIES = ("latency", "TTFT", "TPOT", "ITL")
_TIMES = tuple(f"{family}_{q}{end}" for family in _FAMILIES for q in ("p50", "p95", "p99") for end in _ENDS)
_RATES = tuple(f"{name}{end}" for name in ("transactions_per_minute", "completion_token_throughput") for end in _ENDS)
_COLUMNS = (
    *("requests", "successes", "completions_in_window", "errors", "error_rate", "mean_in_flight", "window_s"),
    *("prompt_token_count_mean", "completion_token_count_mean", "prompt_token_throughput", "transactions_per_second"),
    *_RATES,
    *_TIMES,
    *(f"{family}_n" for family in _FAMILIES),
    *(f"price_per_10k_txn{end}" for end in _ENDS),
    *("goodput", "slo_attainment", "goodput_tokens", "client_lag_p99", "schedule_lag_p99", "client_cpu_max"),
)


def short(value: float | None) -> float | None:
    """A number to six significant digits, which is more than any figure of the page has."""
    return None if value is None else float(f"{value:.6g}")


def clean(value: str | None, longest: int = NAME) -> str:
    """A text of any origin on one line, without what is not seen or reorders others; empty for none."""
    return one_line(value or "", longest)


def names_of_run(rows: Rows) -> RunNames:
    """The experiments and datasets of these levels, which the levels name by their position."""
    experiments, payloads = names_in(rows), names_in(rows, "payload_file")
    machine = {str(row.get("experiment_name")): instance(row) for row in reversed(rows)}
    return {
        "experiments": [{"name": clean(name), "instance": clean(machine[name])} for name in experiments],
        "datasets": [clean(dataset_name(name)) for name in payloads],
    }


def levels(rows: Rows, budgets: Budgets, marked: Mapping[str, Row | None]) -> LevelValues:
    """The levels as `columns` and `rows` of numbers, with what else is known of each in `about`.

    `marked`: levels that stand out, by what they are: `winner`, `runner_up`, `nearest`.
    """
    experiments, payloads = names_in(rows), names_in(rows, "payload_file")
    values = [[short(number(row, name)) for name in _COLUMNS] for row in rows]
    rates = [token_rates(row) for row in rows]
    columns = [*_COLUMNS, *(rates[0] if rates else ())]
    return {
        "columns": columns,
        "rows": [[*own, *map(short, more.values())] for own, more in zip(values, rates, strict=True)],
        "about": [_about(row, experiments, payloads, budgets) for row in rows],
        "marked": {name: position_of(rows, row) for name, row in marked.items()},
    }


def why(row: Row) -> list[str]:
    """The reasons for the verdict, without the command that measures the level again."""
    return [reason for reason in reasons_of(text(row, "verdict_reasons")) if not reason.startswith(AGAIN)]


def position_of(rows: Rows, row: Row | None) -> int | None:
    """Which of the levels this row is about; None where it is none of them."""
    if row is None:
        return None
    keys = [level_of(one) for one in rows]
    return keys.index(level_of(row)) if level_of(row) in keys else None


def _about(row: Row, experiments: Sequence[str], payloads: Sequence[str], budgets: Budgets) -> LevelAbout:
    judgement = judge(row, budgets)
    return {
        "e": experiments.index(str(row.get("experiment_name"))),
        "d": payloads.index(str(row.get("payload_file"))),
        "load": load_label(row),
        "short": short_load(row),
        "rate": is_rate(row),
        "at": short(number(row, "request_rate" if is_rate(row) else "concurrency")),
        "verdict": clean(text(row, "verdict")) or "degraded",
        "reasons": [clean(reason, TEXT) for reason in why(row)],
        "misses": [outcome.column for outcome in judgement.missed],
        "keeps_up": judgement.keeps_up,
        "repeats": number(row, "repeats"),
        "errors": {clean(name): count for name, count in sorted(errors_by_class(row).items())},
        "messages": {clean(name): clean(str(said), TEXT) for name, said in error_messages(row).items()},
    }
