"""4_get_evaluations: are the answers any good? At the head of 4_model_metric_analysis, and by `fmbench evaluate`.

What judges have said is kept as it comes. An evaluation that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import pandas as pd

from fmbench_lib.errors import InputError
from fmbench_lib.evaluation.asking.panel import Panel
from fmbench_lib.evaluation.asking.spending import Ceiling
from fmbench_lib.evaluation.evaluating import Evaluation, ask_panel, collected
from fmbench_lib.evaluation.given_answers import PromptFile, PromptRows, answered_prompts, same_questions
from fmbench_lib.evaluation.scoring import Scoring, write_scores
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.judging.evaluation_remarks import asking_remarks, keep_remarks, label_remarks
from fmbench_lib.steps.judging.evaluation_settings import (
    check_criteria,
    evaluation_is_asked,
    evaluation_settings,
    forms_of,
    human_labels,
    json_schema_of,
)
from fmbench_lib.steps.judging.evaluation_tables import write_tables
from fmbench_lib.steps.judging.judge_endpoints import deleted_afterwards, embedding_of, judges_of
from fmbench_lib.steps.run_inputs.cluster_pool import task_pool
from fmbench_lib.steps.run_inputs.levels import run_levels
from fmbench_lib.steps.run_inputs.run_prices import load_prices
from fmbench_lib.workspace import LevelKey


def evaluate(run: Run) -> pd.DataFrame:
    """Evaluate the answers of a run and write the tables; returns the accuracy of each model, empty without judges.

    Raises InputError where the config's evaluation cannot be made, or nothing was answered.
    """
    section = evaluation_settings(run)
    forms, prices, labels = forms_of(section), load_prices(run), human_labels(run, section)
    check_criteria(run, forms)
    levels = [(level.key, path) for level in run_levels(run) if (path := run.workspace.level(level.key)).exists()]
    if not levels:
        raise InputError(f"{run.workspace.path} has no answers to evaluate: no level was measured")
    with run.workspace.locked("evaluation"), deleted_afterwards(run) as started:
        judges = judges_of(run, section, forms, prices, started)
        evaluation = Evaluation(
            workspace=run.workspace,
            levels=levels,
            prompts_of=_prompts_of(run),
            wanted=_wanted(run, levels, section.questions),
            forms=forms,
            seed=run.seed,
            with_context=section.with_context,
        )
        given = collected(evaluation)
        ceiling = Ceiling(section.max_cost)
        embedding, embedded = embedding_of(run, section, prices, started, ceiling)
        panel = Panel(judges, run.workspace.evaluation, ceiling, run.redactor, attempts=section.attempts)
        if embedded is not None:
            embedded.recover()
        panel.open()
        scoring = Scoring(embedding, json_schema_of(run, section))
        with task_pool(run) as pool:
            write_scores(scoring, evaluation.answers_file, evaluation.scores_file, pool)
        ask_panel(evaluation, panel, given)
        run.workspace.log_event("answers evaluated", judges=[judge.name for judge in judges], usd=panel.spent)
        keep_remarks(
            run, [*label_remarks(section.human_labels, labels, given), *asking_remarks(section, panel, embedded)]
        )
        return write_tables(run, section, evaluation, panel, given, labels)


def evaluate_if_asked(run: Run) -> None:
    """Evaluate the answers where the config asks for it."""
    if evaluation_is_asked(run):
        evaluate(run)


def _wanted(run: Run, levels: Iterable[tuple[LevelKey, Path]], count: int | None) -> Callable[[LevelKey, str], bool]:
    """Which questions are evaluated, all without a count."""
    if count is None:
        return lambda _level, _prompt: True
    answered: dict[str, dict[str, set[str]]] = {}
    for key, path in levels:
        files = answered.setdefault(key.experiment_name, {})
        files.setdefault(key.payload_file, set()).update(answered_prompts(path))
    chosen = same_questions(answered, count, run.seed)
    return lambda level, prompt: prompt in chosen[level.experiment_name].get(level.payload_file, set())


def _prompts_of(run: Run) -> Callable[[str], PromptRows]:
    @lru_cache(maxsize=1)
    def read(payload_file: str) -> PromptRows:
        path = run.workspace.payload(payload_file)
        if not path.exists():
            raise InputError(f"{path} is missing: nobody can judge answers without what was asked; copy it back")
        return PromptFile(path)

    return read
