"""How good an experiment's answers are, beside the figures of its levels."""

from __future__ import annotations

import pandas as pd

from fmbench_lib.config import Config
from fmbench_lib.metrics.decision.budgets import ACCURACY, CRITERION, NDCG, SIMILARITY
from fmbench_lib.report import evaluation_files as files
from fmbench_lib.runs.run import Run


def quality_budgets(config: Config) -> dict[str, float]:
    """The budgets of quality, by column; those of answers only where an evaluation was asked for, as nothing could meet
    them without."""
    report, limits_given = config.report, config.report.limits
    ranked = {NDCG: limits_given["ndcg"]} if "ndcg" in limits_given else {}
    if not config.run_evaluations or (config.evaluation is None and config.model_evaluations is None):
        return ranked
    errors = report.accuracy_error_rate_budget
    accuracy = [
        limit for limit in (limits_given.get("accuracy"), None if errors is None else 1 - errors) if limit is not None
    ]
    limits = ranked if not accuracy else ranked | {ACCURACY: max(accuracy)}
    limits |= {SIMILARITY: limits_given["similarity"]} if "similarity" in limits_given else {}
    return limits | {f"{CRITERION}{name}": limit for name, limit in report.criterion_budgets.items()}


def with_quality(run: Run, levels: pd.DataFrame, retrieval: pd.DataFrame) -> pd.DataFrame:
    """The levels with the quality of their experiments' answers, as far as that was evaluated.

    Accuracy, similarity and nDCG@10 (of `retrieval`) are those of the payload file, criteria those of the experiment.
    """
    frame = levels.copy()
    keys = ["experiment_name", "payload_file"]
    if not retrieval.empty:
        ranked = retrieval.drop(columns="without_relevant").rename(columns={"queries": f"{NDCG}_n"})
        frame = frame.merge(ranked, "left", keys)
    found = read_table(run, files.PER_PAYLOAD)
    if not found.empty:
        columns = {
            "accuracy": ACCURACY,
            "questions": f"{ACCURACY}_n",
            "no_verdict": f"{ACCURACY}_no_verdict",
            "accuracy_low": "accuracy_low",
            "accuracy_high": "accuracy_high",
        }
        frame = frame.merge(found[[*keys, *columns]].rename(columns=columns), "left", keys)
    scores = read_table(run, files.QUANTITATIVE)
    near = scores[scores["score"] == SIMILARITY] if not scores.empty else scores
    if not near.empty:
        frame = frame.merge(_measured(near, keys, SIMILARITY, "answers"), "left", keys)
    rubric = read_table(run, files.RUBRIC)
    for criterion in () if rubric.empty else rubric["criterion"].unique():
        part = rubric[rubric["criterion"] == criterion]
        named = _measured(part, keys[:1], f"{CRITERION}{criterion}", "questions")
        frame = frame.merge(named, "left", keys[:1])
    return frame


def read_table(run: Run, name: str) -> pd.DataFrame:
    """A table of the evaluation, empty where there is none."""
    path = run.workspace.metrics(name)
    return pd.read_csv(path) if path.exists() else pd.DataFrame()


def evaluation_frames(run: Run) -> dict[str, pd.DataFrame]:
    """The tables of the evaluation that the report shows, by file name."""
    frames = {name: read_table(run, name) for name in files.REPORTED}
    return {name: frame for name, frame in frames.items() if not frame.empty}


def _measured(frame: pd.DataFrame, keys: list[str], column: str, count: str) -> pd.DataFrame:
    names = {"mean": column, count: f"{column}_n", "mean_low": f"{column}_low", "mean_high": f"{column}_high"}
    return frame[[*keys, *names]].rename(columns=names)
