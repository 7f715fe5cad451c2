"""The columns of a level's row, in the order in which its files carry them. Times in seconds, prices in USD."""

from __future__ import annotations

IDENTITY = (
    "experiment_name",
    "payload_file",
    "instance_type",
    "instance_count",
    "concurrency",
    "request_rate",
)

COUNTS = ("requests", "successes", "completions_in_window", "errors", "error_rate")

THROUGHPUT = (
    "prompt_token_count_mean",
    "prompt_token_throughput",
    "completion_token_count_mean",
    "completion_token_throughput",
    "transactions_per_second",
    "transactions_per_minute",
)

FAMILIES = ("latency", "TTFT", "TPOT", "ITL")
QUANTILES: dict[str, float] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}
MEASURES = tuple(f"{family}_{what}" for family in FAMILIES for what in ("mean", *QUANTILES))

GOODPUT = (
    "goodput",
    "slo_attainment",
    "slo_attainment_ttft",
    "slo_attainment_tpot",
    "slo_attainment_latency",
    "goodput_tokens",
    "slo_token_attainment",
)

PRICES = ("price_per_txn", "price_per_token")
QUALITY = ("window_s", "mean_in_flight", "client_lag_p99", "schedule_lag_p99", "client_limited", "verdict")

INTERVAL_FAMILIES = (*FAMILIES, "TTFT_answer")
INTERVALS = tuple(
    column
    for family in INTERVAL_FAMILIES
    for column in (f"{family}_n", *(f"{family}_{q}_{end}" for q in QUANTILES for end in ("low", "high")))
)
ANSWER = tuple(f"TTFT_answer_{what}" for what in ("mean", *QUANTILES))
FROM_SENT = ("TTFT_from_sent_p50", "TTFT_from_sent_p95", "latency_from_sent_p50", "latency_from_sent_p95")

ORIGIN_COLUMNS = (
    "price_kind",
    "price_source",
    "price_listed_in",
    "price_region",
    "price_date",
    "price_verified",
)
PRICE_ORIGIN = ("price_per_10k_txn", "price_per_accelerator_hour", *ORIGIN_COLUMNS, "price_note")
DETAIL = (
    "errors_by_class",
    "token_source",
    "prompt_token_n",
    "completion_token_n",
    "completion_token_count_std",
    "cached_token_count_mean",
    "stamp_source",
    "retried",
    "reused_share",
    "connect_s_mean",
    "busy_s_mean",
    "negative_times",
    "cap_wait_mean",
    "cap_wait_p95",
)
LEVEL_FACTS = (
    "load",
    "requested",
    "scheduled_rate",
    "stop_reason",
    "stop_note",
    "arrival",
    "max_concurrency",
    "think_time",
    "ramp",
    "until",
    "proxy",
    "prompt_reuse",
    "tokenizer",
    "workers",
    "client_cpu_max",
    "clock_step_s",
    "window_start",
    "window_end",
    "level_s",
    "requests_outside_window",
)
DRIFT = ("latency_drift", "latency_drift_p", "throughput_drift", "throughput_drift_p")
BILLED = ("billed_prompt_tokens", "billed_completion_tokens", "billed_cached_tokens")

SUMMARY_COLUMNS: tuple[str, ...] = (
    *IDENTITY,
    *COUNTS,
    *THROUGHPUT,
    *MEASURES,
    *PRICES,
    *QUALITY,
    "verdict_reasons",
    *GOODPUT,
    *INTERVALS,
    *ANSWER,
    *FROM_SENT,
    *PRICE_ORIGIN,
    *DETAIL,
    *LEVEL_FACTS,
    *DRIFT,
    *BILLED,
)
"""`all_metrics_summary.csv`: one row per level."""

SLICE_COLUMNS: tuple[str, ...] = (
    *IDENTITY,
    "load",
    "slice",
    "slice_start_s",
    *COUNTS,
    *THROUGHPUT,
    *MEASURES,
    *PRICES,
    "window_s",
    "mean_in_flight",
    "client_lag_p99",
    "schedule_lag_p99",
    *GOODPUT,
    *INTERVALS,
    *ANSWER,
    *FROM_SENT,
    "price_per_10k_txn",
    *DETAIL,
)
"""`all_metrics.csv`: the same measures for each of ten equal slices of a level's window."""

WHOLE_NUMBERS: tuple[str, ...] = (
    "instance_count",
    "concurrency",
    "max_concurrency",
    "requests",
    "successes",
    "completions_in_window",
    "errors",
    "requested",
    "workers",
    "retried",
    "requests_outside_window",
    "negative_times",
    "prompt_token_n",
    "completion_token_n",
    "slice",
    *(f"{family}_n" for family in INTERVAL_FAMILIES),
)
"""Columns that count things: whole numbers in the files also where some are missing."""

TEXTS: tuple[str, ...] = (
    "experiment_name",
    "payload_file",
    "instance_type",
    "load",
    "verdict",
    "verdict_reasons",
    "errors_by_class",
    "token_source",
    "stamp_source",
    "stop_reason",
    "stop_note",
    "arrival",
    "until",
    "proxy",
    "prompt_reuse",
    "tokenizer",
    "price_kind",
    "price_source",
    "price_listed_in",
    "price_region",
    "price_date",
    "price_note",
)
"""Columns of words."""
