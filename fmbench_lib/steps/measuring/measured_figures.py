"""The figures of a level that has just been measured, for whoever watches the run."""

from __future__ import annotations

from pathlib import Path

from fmbench_lib.load.recording.records import read_level
from fmbench_lib.metrics.level_row import level_row
from fmbench_lib.metrics.missing import Row, plain
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.measuring.endpoint_metrics import beside_host, sampled, span_of
from fmbench_lib.steps.run_inputs.inputs import objectives_of
from fmbench_lib.steps.run_inputs.run_prices import load_prices

MOST_REQUESTS = 50_000
"""Figures of more requests take more than about 10 s: they are left to the analysis, as the next level waits."""

COLUMNS = (
    "experiment_name", "payload_file", "load", "attempt", "instance_type", "concurrency", "request_rate", "requests",
    "successes", "errors", "window_s", "transactions_per_second", "completion_token_throughput", "latency_mean",
    "TTFT_p50", "TTFT_p50_low", "TTFT_p95", "TTFT_p95_low", "latency_p50", "latency_p50_low", "latency_p95",
    "latency_p95_low", "price_per_10k_txn", "verdict", "verdict_reasons",
)  # fmt: skip
"""The columns of a level's row that are shown while the run goes on."""


def measured_figures(run: Run, path: Path) -> Row | None:
    """The `COLUMNS` of a level as the analysis will have them, from its records at `path`; None where those are too
    many, or the figures break down, which the analysis will report.

    Prices are those known so far: one that is still to be looked up is missing.
    """
    try:
        records, facts = read_level(path)
        if len(records) > MOST_REQUESTS:
            return None
        samples = sampled(run, [span_of(records, facts)], facts["experiment_name"])
        [hosted] = beside_host([facts], samples, run.config.energy)
        row = plain(level_row(records, hosted, prices=load_prices(run), objectives=objectives_of(run.config)))
    except Exception:  # noqa: BLE001 - the level is measured, whatever becomes of what is shown of it
        return None
    return {name: row[name] for name in COLUMNS}
