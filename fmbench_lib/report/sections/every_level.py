"""Every level in one table."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.metrics.decision.transaction_size import generate_nothing
from fmbench_lib.metrics.decision.wording import load_label
from fmbench_lib.metrics.measuring_again import last_attempts
from fmbench_lib.metrics.missing import Row, number, rows_of, text
from fmbench_lib.report.level_order import dataset_name, in_order
from fmbench_lib.report.level_texts import estimate_of, instance, time_of
from fmbench_lib.report.markdown import Blocks, frame, text_frame
from fmbench_lib.report.numbers import amount, count, percent, significant
from fmbench_lib.report.report_data import ReportInputs


def section(inputs: ReportInputs) -> Blocks:
    """The table of all levels."""
    shown = levels_table(inputs.summary)
    if shown.empty:
        return ["## Every level", "_No level was measured._"]
    texts = ("experiment", "dataset", "instance", "load", "verdict")
    right = [name for name in shown.columns if name not in texts]
    order = "One row per level, in the order of the config; ≈ marks a percentile without a confidence interval."
    intro = f"{order} All columns are in `metrics/all_metrics_summary.csv`."
    if not all(last_attempts(rows_of(inputs.summary))):
        intro += " A level that was measured again has a row for each attempt; the last one counts."
    return ["## Every level", intro, frame(shown, to_the_right=right)]


def levels_table(summary: pd.DataFrame) -> pd.DataFrame:
    """A row per level: load, errors, throughput, latency, price and verdict."""
    rows = list(in_order(rows_of(summary)))
    again = any((number(row, "attempt") or 1) > 1 for row in rows)
    generated = not generate_nothing(rows)
    opened = any(text(row, "arrival") for row in rows)
    return text_frame(
        {
            "experiment": str(row["experiment_name"]),
            "dataset": dataset_name(text(row, "payload_file")),
            "instance": instance(row),
            "load": load_label(row),
            **({"attempt": count(row["attempt"])} if again else {}),
            "requests": count(row["requests"]),
            "error rate": percent(row["error_rate"]),
            **({"offered / sent / completed per s": _rates(row)} if opened else {}),
            "txn/min": significant(row["transactions_per_minute"]),
            **_tokens(row, generated=generated),
            "latency p50": time_of(row, "latency_p50"),
            "latency p95 (95% CI)": estimate_of(row, "latency_p95"),
            "latency p99": time_of(row, "latency_p99"),
            **({"TTFT p50": time_of(row, "TTFT_p50"), "TTFT p95": time_of(row, "TTFT_p95")} if generated else {}),
            "USD per 10,000 txn": amount(row["price_per_10k_txn"]),
            "verdict": str(row["verdict"]),
        }
        for row in rows
    )


def _tokens(row: Row, *, generated: bool) -> dict[str, str]:
    """Tokens and their rate, of what is generated, or only read."""
    if not generated:
        rate = significant(row["prompt_token_throughput"])
        return {"tokens": count(row["prompt_token_count_mean"]), "tokens/s": rate}
    both = f"{count(row['prompt_token_count_mean'])} / {count(row['completion_token_count_mean'])}"
    return {"tokens in / out": both, "tokens/s out": significant(row["completion_token_throughput"])}


def _rates(row: Row) -> str:
    """The three rates of an open loop."""
    if text(row, "arrival") is None:
        return ""
    return " / ".join(significant(row[f"{name}_rate"]) for name in ("offered", "sent", "completed"))
