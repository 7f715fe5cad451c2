"""Step 4 on levels whose report is known: Meta-Llama-3-8B-Instruct on trn1.32xlarge, published by FMBench 2.0.8.

Records are made so that each level has the figures that were published for it; what step 4 then decides, prices and
recommends is compared with what was published.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
import yaml

from fmbench_lib.host.atomic_files import read_json
from fmbench_lib.load.recording.records import table_from_rows, write_tables
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps import analysis
from fmbench_lib.steps.run_inputs.levels import run_levels

START = 1_727_720_000.0
PER_SLOT = 20
"""Requests that each slot of a level sends one after the other: the steps of its latencies are 5%."""
MEASURED_S = 1259.29
"""The published duration of all levels together."""

OF_INTEREST = "payload_en_3000-3840.jsonl"

# payload file, concurrency, prompt tokens, completion tokens, latency p50 and p95 (s), transactions per minute
LEVELS = [
    (OF_INTEREST, 1, 3433, 42, 1.52, 1.52, 52),
    (OF_INTEREST, 2, 3433, 42, 1.51, 1.83, 79),
    (OF_INTEREST, 4, 3439, 42, 1.50, 2.25, 112),
    (OF_INTEREST, 8, 3456, 44, 1.76, 2.94, 167),
    (OF_INTEREST, 10, 3437, 42, 1.98, 3.10, 189),
    (OF_INTEREST, 12, 3438, 42, 2.03, 3.22, 209),
    (OF_INTEREST, 14, 3433, 42, 2.18, 3.32, 228),
    (OF_INTEREST, 15, 3439, 43, 2.28, 3.62, 237),
    (OF_INTEREST, 18, 3426, 40, 2.35, 3.59, 292),
    (OF_INTEREST, 20, 3443, 42, 2.46, 4.36, 265),
    (OF_INTEREST, 25, 3429, 42, 2.85, 4.28, 305),
    # Of the other files only the recommended levels were published, without p95: that is the median here.
    ("payload_en_1-500.jsonl", 12, 274, 40, 1.92, 1.92, 364),
    ("payload_en_500-1000.jsonl", 8, 827, 47, 1.98, 1.98, 237),
    ("payload_en_1000-2000.jsonl", 2, 1556, 47, 1.62, 1.62, 66),
    ("payload_en_2000-3000.jsonl", 1, 2526, 53, 1.87, 1.87, 40),
    # Their neighbours are made up: the next load up takes longer than the budget, the next one down does less.
    ("payload_en_1-500.jsonl", 14, 274, 40, 2.05, 2.30, 380),
    ("payload_en_1-500.jsonl", 10, 274, 40, 1.80, 1.85, 320),
    ("payload_en_500-1000.jsonl", 10, 827, 47, 2.10, 2.40, 260),
    ("payload_en_500-1000.jsonl", 4, 827, 47, 1.60, 1.70, 150),
    ("payload_en_1000-2000.jsonl", 4, 1556, 47, 1.90, 2.20, 110),
    ("payload_en_1000-2000.jsonl", 1, 1556, 47, 1.40, 1.45, 42),
    ("payload_en_2000-3000.jsonl", 2, 2526, 53, 2.00, 2.30, 62),
]
Level = tuple[str, int, int, int, float, float, int]

PUBLISHED_PRICES = {
    25: 11.75, 18: 12.27, 20: 13.52, 15: 15.12, 14: 15.72, 12: 17.15, 10: 18.96, 8: 21.46, 4: 31.99, 2: 45.36, 1: 68.91,
}  # fmt: skip
"""USD per 10,000 transactions at each concurrency, prompts of 3000 to 3840 tokens."""


def config(results: Path) -> Run:
    """A run with the loads, budgets and prices of the published one."""
    loads: dict[str, list[int]] = {}
    for level in LEVELS:
        loads.setdefault(level[0], []).append(level[1])
    filters = [
        {"language": "en", "min_length_in_tokens": low, "max_length_in_tokens": high, "payload_file": name}
        for name in loads
        for low, high in [map(int, name.removeprefix("payload_en_").removesuffix(".jsonl").split("-"))]
    ]
    experiment = {
        "name": "Meta-Llama-3-8B-Instruct-triton",
        "platform": "endpoint",
        "protocol": "triton",
        "ep_name": "http://127.0.0.1:8080/v2/models/Meta-Llama-3-8B-Instruct/generate",
        "model_id": "meta-llama/Meta-Llama-3-8B-Instruct",
        "tokenizer": "words",
        "instance_type": "trn1.32xlarge",
        "payload_files": list(loads),
        "concurrency_levels": [1, 2, 4, 8, 10, 12, 14, 15, 18, 20, 25],
    }
    content = {
        "general": {"name": "llama3-8b-trn1.32xl-ec2-triton", "model_name": "Meta-Llama-3-8B-Instruct"},
        "datasets": {"filters": filters},
        "experiments": [experiment],
        "metrics": {"dataset_of_interest": "en_3000-3840"},
        "pricing": {"trn1.32xlarge": 21.5},
        "report": {"latency_budget": 2, "cost_per_10k_txn_budget": 100, "error_rate_budget": 0},
    }
    path = results / "known.yml"
    path.write_text(yaml.safe_dump(content))
    return create_run(path, results=results)


def latencies(level: Level) -> tuple[list[float], float]:
    """The latencies (s) of one slot, and what it waits after each: together they make the published rate.

    FMBench 2.x sent the requests of a level in batches and waited for the slowest of each: that is the wait.

    17 of 20 are at most the median, the other 3 are at p95. Where a closed loop with this median would be slower than
    was published, the lowest are lower.
    """
    _, concurrency, _, _, p50, p95, rate = level
    period = 60 * concurrency / rate
    upper = [p50] * 9 + [p95] * 3
    low = min(p50, (PER_SLOT * period - sum(upper)) / (PER_SLOT - len(upper)))
    values = [low] * (PER_SLOT - len(upper)) + upper
    return values, period - sum(values) / PER_SLOT


def records(level: Level) -> Iterator[dict[str, Any]]:
    """The requests of a level: each slot sends the same latencies, shifted by its number."""
    payload_file, concurrency, prompt_tokens, completion_tokens, *_ = level
    values, idle = latencies(level)
    for slot in range(concurrency):
        due = START
        for place, latency in enumerate(np.roll(values, 7 * slot).tolist()):
            yield {
                "request_id": f"{slot}-{place}",
                "experiment_name": "Meta-Llama-3-8B-Instruct-triton",
                "payload_file": payload_file,
                "load": f"concurrency-{concurrency}",
                "phase": "measured",
                "prompt_id": f"p{slot}-{place}",
                "worker": 0,
                "endpoint": "http://127.0.0.1:8080/",
                "due": due,
                "sent": due,
                "first": due + latency,
                "last": due + latency,
                "end": due + latency,
                "event_times": [due + latency],
                "stamp_source": "kernel",
                "streamed": False,
                "retried": 0,
                "choices": 1,
                "prompt_tokens": prompt_tokens,
                "completion_tokens": completion_tokens,
                "token_source": "tokenizer",
                "status": 200,
                "completion": "an answer",
            }
            due += latency + idle


def facts(level: Level, beside_window: float) -> dict[str, Any]:
    """The facts of a level; its warm-up and drain take `beside_window` s."""
    payload_file, concurrency, *_, rate = level
    seconds = PER_SLOT * 60 * concurrency / rate
    return {
        "experiment_name": "Meta-Llama-3-8B-Instruct-triton",
        "payload_file": payload_file,
        "load": f"concurrency-{concurrency}",
        "concurrency": concurrency,
        "think_time": latencies(level)[1],
        "instance_type": "trn1.32xlarge",
        "window_start": START,
        "window_end": START + seconds,
        "started": START - beside_window,
        "ended": START + seconds,
        "stop_reason": "requests",
        "workers": 1,
        "prompt_reuse": "never",
        "tokenizer": "words",
        "seed": 1,
        "stamp_source": "kernel",
    }


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The run after step 4, its pictures left out."""
    run = config(tmp_path_factory.mktemp("known"))
    in_windows = sum(PER_SLOT * 60 * level[1] / level[-1] for level in LEVELS)
    beside = (MEASURED_S - in_windows) / len(LEVELS)
    assert beside > 0
    keys = {(spec.key.payload_file, spec.concurrency): spec.key for spec in run_levels(run)}
    for level in LEVELS:
        path = run.workspace.level(keys[level[:2]])
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = [{"event_times": [], **row} for row in records(level)]
        write_tables(path, [table_from_rows(cast(Any, rows))], cast(Any, facts(level, beside)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(analysis, "draw_figures", lambda *_: [])
        analysis.analyze(run)
    return run


def table(run: Run, name: str) -> pd.DataFrame:
    return pd.read_csv(run.workspace.metrics(name))


@pytest.fixture(scope="module")
def judged(known: Run) -> pd.DataFrame:
    return table(known, "summary_metrics_w_pricing.csv").set_index("concurrency")


def test_eleven_levels_of_which_nine_fail(judged: pd.DataFrame) -> None:
    assert sorted(judged.index) == [1, 2, 4, 8, 10, 12, 14, 15, 18, 20, 25]
    assert sorted(judged.index[~judged["within_budgets"]]) == [4, 8, 10, 12, 14, 15, 18, 20, 25]
    assert "invalid" not in set(judged["verdict"])


@pytest.mark.parametrize("level", [level for level in LEVELS if level[0] == OF_INTEREST], ids=lambda level: level[1])
def test_a_level_has_the_published_figures(level: Level, judged: pd.DataFrame) -> None:
    _, concurrency, prompt_tokens, completion_tokens, p50, p95, rate = level
    row = judged.loc[concurrency]
    assert (row["prompt_token_count_mean"], row["completion_token_count_mean"]) == (prompt_tokens, completion_tokens)
    assert (row["latency_p50"], row["latency_p95"]) == (pytest.approx(p50, abs=0.005), pytest.approx(p95, abs=0.005))
    assert row["transactions_per_minute"] == pytest.approx(rate, rel=1e-6)
    assert round(row["price_per_10k_txn"], 2) == PUBLISHED_PRICES[concurrency]
    assert row["error_rate"] == 0


def test_the_winner_and_its_price_are_those_that_were_published(known: Run, judged: pd.DataFrame) -> None:
    (best,) = table(known, "summary_metrics_for_dataset_best_option.csv").to_dict("records")
    assert (best["payload_file"], best["instance_type"], best["concurrency"]) == (OF_INTEREST, "trn1.32xlarge", 2)
    assert best["price_per_txn"] == pytest.approx(0.004536, abs=5e-7)
    assert best["price_per_txn"] / (3433 + 42) == pytest.approx(0.00000131, abs=5e-9)


def test_the_experiment_cost_what_was_published(known: Run) -> None:
    (cost,) = table(known, "endpoint_per_instance_per_run_costs.csv").to_dict("records")
    assert cost["duration_in_seconds"] == pytest.approx(1259.29, abs=0.005)
    assert round(cost["cost_measuring"], 2) == 7.52
    assert "7.52 USD" in known.workspace.report_file.read_text()


def test_the_five_recommendations_are_for_the_published_loads(known: Run) -> None:
    report = known.workspace.report_file.read_text()
    section = report[report.index("## Per instance results") :].split("\n## ")[0]
    lines = [line for line in section.splitlines() if "trn1.32xlarge" in line and "payload_en_" in line]
    expected = {
        "payload_en_1-500": ("Concurrency 12 ", "364 transactions/minute", "1.92 s"),
        "payload_en_500-1000": ("Concurrency 8 ", "237 transactions/minute", "1.98 s"),
        "payload_en_1000-2000": ("Concurrency 2 ", "66 transactions/minute", "1.62 s"),
        "payload_en_2000-3000": ("Concurrency 1 ", "40 transactions/minute", "1.87 s"),
        "payload_en_3000-3840": ("Concurrency 2 ", "79 transactions/minute", "1.51 s"),
    }
    assert len(lines) == len(expected)
    for name, told in expected.items():
        (line,) = (line for line in lines if name in line)
        assert all(part in line for part in told), line


def test_every_table_and_section_was_made(known: Run) -> None:
    summary = read_json(known.workspace.summary_file)
    assert not [line for line in [*summary["notices"], *summary["attention"]] if "could not be" in line]


def test_the_scores_are_those_of_the_published_table(known: Run) -> None:
    scores = table(known, "summary_metrics_for_dataset_w_scores.csv")
    published = {2: 5.6314, 1: 4.5509, 25: 2.8825, 18: 2.8773, 20: 2.8648, 15: 2.8488, 14: 2.8428, 12: 2.8285}
    assert dict(zip(scores["concurrency"][:8], scores["score"][:8].round(4), strict=True)) == published
    failed = scores.set_index("concurrency")["any_criterion_failed"]
    assert sorted(failed.index[~failed]) == [1, 2]
    assert list(scores["latency_criterion_failed"]) == list(scores["any_criterion_failed"])
    shown = scores.set_index("concurrency")["latency_p95_text"]
    assert (shown[2], shown[4]) == (
        "<span style='color:green'>1.83</span>",
        "<span style='color:red'>**2.25**</span>",
    )
    assert scores["TTLT_p50"].isna().all()
