"""What a run's config says about evaluations: the section `evaluation`, over the evaluation file of FMBench 2.x."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fmbench_lib.config.problems import ConfigError, Problem, shown
from fmbench_lib.config.reading.evaluation_file import section_of_file
from fmbench_lib.config.reading.value_problems import problems_of
from fmbench_lib.config.schema.evaluation_section import EvaluationSection, JudgeSection
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError
from fmbench_lib.evaluation.judging.forms import DEFAULT_CRITERIA, RUBRIC, Form, FormName
from fmbench_lib.evaluation.judging.judge_prompts import DEFAULT_TEMPLATE, JudgeTexts
from fmbench_lib.evaluation.scores.structured_output import schema_problem
from fmbench_lib.evaluation.voting import CORRECT, INCORRECT
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.run_inputs.inputs import file_of


def evaluation_is_asked(run: Run) -> bool:
    """Whether the config asks for an evaluation, and does not switch its step off."""
    config = run.config
    return config.run_evaluations and (config.evaluation is not None or config.model_evaluations is not None)


def evaluation_settings(run: Run) -> EvaluationSection:
    """The settings, every judge with a name of its own. Raises InputError where a file is missing or wrong."""
    own = run.config.evaluation
    values: dict[str, Any] = {}
    if run.config.model_evaluations is not None:
        values = _from_file(run, run.config.model_evaluations)
    if own is not None:
        values |= {name: getattr(own, name) for name in own.model_fields_set}
    try:
        section = EvaluationSection.model_validate(values)
    except ValidationError as error:
        problems = problems_of(error, EvaluationSection)
        raise ConfigError(Problem(f"evaluation.{each.key}", each.message) for each in problems) from None
    return section.model_copy(update={"judges": _named(section.judges)})


def _from_file(run: Run, name: str) -> dict[str, Any]:
    path = file_of(run, name, "evaluation file", run.config.s3_read_data.configs_prefix)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise InputError(f"{name}: not a YAML file: {' '.join(str(error).split())}") from None
    return section_of_file(content, name)


def _named(judges: list[JudgeSection]) -> list[JudgeSection]:
    seen: dict[str, int] = {}
    named = []
    for judge in judges:
        name = judge.name or judge.experiment or (judge.model_id or judge.ep_name or "judge").rsplit("/", 1)[-1]
        seen[name] = seen.get(name, 0) + 1
        named.append(judge.model_copy(update={"name": name if seen[name] == 1 else f"{name}-{seen[name]}"}))
    return named


def forms_of(section: EvaluationSection) -> list[Form]:
    """The forms that judges are asked for."""
    names: list[FormName] = list(dict.fromkeys(section.forms))  # type: ignore[arg-type]
    return [Form(name, section.criteria or DEFAULT_CRITERIA) if name == RUBRIC else Form(name) for name in names]


def check_criteria(run: Run, forms: Iterable[Form]) -> None:
    """Raise InputError where a budget is for a criterion that no judge is asked about: no level could meet it."""
    asked = [name for form in forms if form.name == RUBRIC for name in form.criteria]
    for name in run.config.report.criterion_budgets:
        if name not in asked:
            close = nearest(name, asked)
            remedy = f"did you mean {close}?" if close else f"there are {', '.join(asked)}"
            remedy = remedy if asked else "write evaluation.forms: [rubric]"
            raise InputError(f"report.criterion_budgets: judges are not asked about {name}; {remedy}")


def judge_texts(run: Run, section: EvaluationSection, judge: JudgeSection) -> JudgeTexts:
    """A judge's template and rules. Raises InputError where a file is not found."""
    template = DEFAULT_TEMPLATE if judge.template is None else _text(run, judge.template, "judge template")
    return JudgeTexts(template, "" if section.rules is None else _text(run, section.rules, "file of rules"))


def _text(run: Run, name: str, kind: str) -> str:
    prefix = run.config.s3_read_data.prompt_template_dir
    return _read(file_of(run, name, kind, prefix), name)


def _read(path: Path, name: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(f"{name}: not a text in UTF-8; save it as one") from None


def json_schema_of(run: Run, section: EvaluationSection) -> Mapping[str, Any] | None:
    """The JSON Schema that answers should satisfy, None without one. Raises InputError where it cannot be read."""
    if section.json_schema is None:
        return None
    path = file_of(run, section.json_schema, "JSON Schema", run.config.s3_read_data.configs_prefix)
    try:
        content = json.loads(_read(path, section.json_schema))
    except ValueError as error:
        raise InputError(f"{section.json_schema}: not JSON: {error}") from None
    if not isinstance(content, dict):
        raise InputError(f"{section.json_schema}: not a JSON Schema; write an object")
    if problem := schema_problem(content):
        raise InputError(f"{section.json_schema}: {problem}")
    return content


def human_labels(run: Run, section: EvaluationSection) -> dict[str, str]:
    """People's verdicts by answer id.

    Raises InputError where the file lacks a column, cannot be read, or has another label or two for one answer.
    """
    name = section.human_labels
    if name is None:
        return {}
    path = file_of(run, name, "file of human labels", run.config.s3_read_data.configs_prefix)
    labels: dict[str, str] = {}
    limit = csv.field_size_limit(_LONGEST_CELL)  # the table of what judges said has whole answers
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if not {"answer_id", "human_label"} <= set(reader.fieldnames or ()):
                raise InputError(f"{name}: no columns answer_id and human_label; write both, with commas between them")
            for row in reader:
                place = f"{name}, line {reader.line_num}"
                answer, label = (row["answer_id"] or "").strip(), _human_label(row["human_label"], place)
                if label and labels.setdefault(answer, label) != label:
                    raise InputError(f"{place}: a second label of {answer}; write one")
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{name}: not a CSV file in UTF-8: {error}; save it as one") from None
    finally:
        csv.field_size_limit(limit)
    return labels


_LONGEST_CELL = 2**31 - 1
_SAID = {
    CORRECT: (CORRECT, "true", "yes", "y", "1", "1.0", "right"),
    INCORRECT: (INCORRECT, "false", "no", "n", "0", "0.0", "wrong"),
}
_LABELS = {word: label for label, words in _SAID.items() for word in words}
"""What people and spreadsheets write for the two labels, in lower case."""


def _human_label(value: str | None, place: str) -> str:
    """`correct` or `incorrect`, empty for an answer without a label."""
    said = (value or "").strip().lower()
    if said and said not in _LABELS:
        raise InputError(f"{place}: is {shown(value)}; write correct or incorrect")
    return _LABELS[said] if said else ""
