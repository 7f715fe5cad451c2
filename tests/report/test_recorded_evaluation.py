"""A recorded run beside tables of an evaluation: decision, recommendations, pictures and pages speak of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib.report import evaluation_files as files

DATA = Path(__file__).parent / "data"
CONFIG_OF_THEN = "/home/user/recorded.yml"
EVALUATION = """
evaluation: {judges: [{experiment: one, name: a}, {experiment: one, name: b}]}
"""


def accuracy(name: str, correct: int, questions: int = 40) -> dict[str, object]:
    share = correct / questions
    ends = {"accuracy_low": max(share - 0.12, 0.0), "accuracy_high": min(share + 0.12, 1.0)}
    counts = {"correct": correct, "incorrect": questions - correct, "ties": 0, "no_verdict": 0, "questions": questions}
    return {"experiment_name": name, "payload_file": "payload_en_1-225.jsonl", "accuracy": share, **ends, **counts}


def verdict(answer: str, judge: str, label: str) -> dict[str, object]:
    said = {"question": "why?", "ground_truth": "so", "candidate_response": "<script>alert(1)</script>"}
    named = {"answer_id": answer, "experiments": "one", "payload_file": "payload_en_1-225.jsonl", **said}
    return {**named, "judge": judge, "verdict": label, "explanation": "because", "error": None, "human_label": None}


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the recorded run with planted tables of an evaluation, after `fmbench report`."""
    folder = tmp_path_factory.mktemp("evaluated")
    run = folder / "run"
    shutil.copytree(DATA / "recorded_run", run)
    config = folder / "recorded.yml"
    text = (DATA / "recorded.yml").read_text(encoding="utf-8")
    changed = text.replace("report: {", "report: {accuracy_budget: 0.5, ") + EVALUATION
    config.write_text(changed, encoding="utf-8")
    copy = run / "config.yml"
    copy.write_text(copy.read_text(encoding="utf-8").replace("<removed>", "0.001"), encoding="utf-8")
    state = (run / "run.json").read_text(encoding="utf-8")
    (run / "run.json").write_text(state.replace(CONFIG_OF_THEN, str(config)), encoding="utf-8")
    rows = [accuracy("one", 36), accuracy("two faulty", 30), accuracy("by token", 4)]
    pd.DataFrame(rows).to_csv(run / "metrics" / files.PER_PAYLOAD, index=False)
    pd.DataFrame(rows).drop(columns="payload_file").to_csv(run / "metrics" / files.ACCURACY, index=False)
    verdicts = [verdict("x", "a", "correct"), verdict("x", "b", "incorrect"), verdict("y", "a", "correct")]
    pd.DataFrame([*verdicts, verdict("y", "b", "correct")]).to_csv(run / "metrics" / files.RAW, index=False)
    command = [sys.executable, "-W", "error", "-m", "fmbench_lib", "report", str(run)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return run


def test_the_decision_and_the_recommendations_know_the_accuracy(reported: Path) -> None:
    summary = json.loads((reported / "summary.json").read_text(encoding="utf-8"))
    judged = {row["experiment_name"]: row for row in summary["decision"]["failed"]}
    assert "accuracy" in [missed["column"] for missed in judged["by token"]["missed"]]
    said = [row["recommendation"] for row in summary["recommendations"] if "1-225" in row["payload_file"]]
    assert said
    assert not [text for text in said if "not judged" in text]
    name = "summary_metrics_for_dataset_best_option_each_instance_type.csv"
    now, then = (pd.read_csv(run / "metrics" / name) for run in (reported, DATA / "recorded_run"))
    assert list(now.columns) == list(then.columns)


def test_quality_is_set_against_cost_for_each_level(reported: Path) -> None:
    trade = pd.read_csv(reported / "metrics" / "quality_and_cost.csv")
    assert set(trade["experiment_name"]) == {"one", "two faulty", "by token"}
    assert set(trade["payload_file"]) == {"payload_en_1-225.jsonl"}
    best = trade[trade["on_cost_front"].astype(str) == "True"]
    assert 0.9 in set(best["quality"].round(6))


def test_pictures_and_pages_are_there_and_linked(reported: Path) -> None:
    report = (reported / "report.md").read_text(encoding="utf-8")
    drawn = {path.name for path in (reported / "figures").iterdir()}
    for name in ("accuracy_by_model.png", "quality_vs_cost.png", "quality_vs_latency.png"):
        assert name in drawn
        assert f"figures/{name}" in report
    assert "judge_agreement.png" not in drawn
    assert "judge_agreement.png" not in report
    page = (reported / "disagreements.html").read_text(encoding="utf-8")
    assert "Judges disagree on 1 of 2 answers." in page
    assert "<script>" not in page
    assert 'id="quality_vs_cost"' in (reported / "figures" / "business_summary.html").read_text(encoding="utf-8")
