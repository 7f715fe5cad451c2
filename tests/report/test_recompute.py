"""`benchmarks/recompute.py` computes the tables of the recorded run again, without fmbench, and sees what is wrong."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

DATA = Path(__file__).parent / "data"
BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ALONE = """
import sys
sys.path.insert(0, {folder!r})
import recompute
code = recompute.main(sys.argv[1:])
print("imported", sorted(name for name in sys.modules if name.split(".")[0] == "fmbench_lib"))
raise SystemExit(code)
"""

Row = dict[str, str]


def recomputed(run: Path, folder: Path) -> tuple[int, str, dict[str, object]]:
    """The exit code, the output and the result file of the script."""
    result = folder / "result.json"
    command = [sys.executable, "-c", ALONE.format(folder=str(BENCHMARKS)), str(run)]
    command += ["--config", str(DATA / "recorded.yml"), "--result", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.exists(), done.stderr
    return done.returncode, done.stdout, json.loads(result.read_text(encoding="utf-8"))


def test_every_figure_of_the_recorded_run_is_recomputed_without_fmbench(tmp_path: Path) -> None:
    code, out, result = recomputed(DATA / "recorded_run", tmp_path)
    assert (code, result["deviating"]) == (0, [])
    assert "imported []" in out
    assert float(str(result["largest_relative_deviation"])) < 1e-9
    with (DATA / "recorded_run/metrics/per_inference_request_results.csv").open(encoding="utf-8") as file:
        requests = list(csv.DictReader(file))
    assert int(str(result["figures"])) > len(requests) * len(requests[0])
    not_recomputed = result["not_recomputed"]
    assert isinstance(not_recomputed, list)
    sentences = [
        f"{name} (prose)" for name in ("imported_from", "note", "price_note", "verdict_reasons", "verdict_remedy")
    ]
    samples = ["endpoint_metrics.csv (not of requests)", "endpoint_metrics_summarized.csv (not of requests)"]
    assert sorted(not_recomputed) == sorted(sentences + samples)


def rewritten(run: Path, name: str, change: Callable[[list[Row]], None]) -> None:
    """Change the rows of one of a run's tables."""
    path = run / "metrics" / name
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    change(rows)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def _greater(rows: list[Row]) -> None:
    rows[0]["latency_p95"] = repr(float(rows[0]["latency_p95"]) * (1 + 3e-9))


def _empty(rows: list[Row]) -> None:
    rows[1]["price_per_txn"] = ""


def _other_text(rows: list[Row]) -> None:
    rows[2]["verdict"] = "valid"


def _row_lost(rows: list[Row]) -> None:
    del rows[0]


def _column_added(rows: list[Row]) -> None:
    for row in rows:
        row["unheard_of"] = "1"


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    shutil.copytree(DATA / "recorded_run", run)
    return run


def test_a_wrong_figure_text_cell_or_row_is_named(copied: Path, tmp_path: Path) -> None:
    for change in (_greater, _empty, _other_text):
        rewritten(copied, "all_metrics_summary.csv", change)
    rewritten(copied, "experiment_counts.csv", _row_lost)
    code, out, result = recomputed(copied, tmp_path)
    assert code == 1
    deviating = result["deviating"]
    assert isinstance(deviating, list)
    named = ("latency_p95 of one", "price_per_txn of", "verdict of", "experiment_counts.csv: row one")
    assert [any(name in line for line in deviating) for name in named] == [True] * len(named)
    # The decision's tables are computed from the recomputed rows: a figure that is wrong in one table is wrong once.
    assert len(deviating) == len(named)
    assert out.count("recomputed") >= len(named)


@pytest.mark.thorough
def test_a_column_that_nobody_recomputes_is_listed(copied: Path, tmp_path: Path) -> None:
    rewritten(copied, "all_metrics_summary.csv", _column_added)
    code, out, result = recomputed(copied, tmp_path)
    assert code == 0
    assert "unheard_of" in str(result["not_recomputed"])
    assert "unheard_of" in out
