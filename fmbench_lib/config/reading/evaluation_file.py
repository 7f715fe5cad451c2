"""The evaluation file of FMBench 2.x (`model_evaluations`) in the keys of the section `evaluation`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from fmbench_lib.config.platforms import BEDROCK
from fmbench_lib.config.problems import ConfigError, Problem, joined, shown
from fmbench_lib.config.reading.keys import NEAR, Findings
from fmbench_lib.config.reading.value_problems import problems_of
from fmbench_lib.config.schema.evaluation_section import EvaluationSection
from fmbench_lib.config.spelling import nearest
from fmbench_lib.errors import InputError

FILE_KEY = "model_evaluations"
METHOD = "majority_vote"
_NOT_SENT = ("caching",)

_TEMPLATE_KEYS = ("eval_prompt_template_dir", "eval_prompt_template_name")
_JUDGE_KEYS = ("model_id", *_TEMPLATE_KEYS)
_THRESHOLDS = ("incorrect_verdict_cosine_similarity_threshold", "correct_verdict_cosine_similarity_threshold")
_KEYS: dict[str, Sequence[str]] = {
    "PoLL_Composition_and_Voting": ("method", "use_quantitative_metrics"),
    "model_eval_dir": (
        "eval_prompts_dir", "eval_prompt_template_dir_list", "eval_instructions_dir", "eval_instructions_files",
    ),
    "quantitative_eval_info": ("embeddings_model_id", *_THRESHOLDS),
    "subjective_eval_info": ("judge_panel_list", "run_parallel_inference_count", "inference_parameters"),
}  # fmt: skip
"""The sections of the file, and their keys."""
_TEXTS = ("ground_truth_col", "question_col")
_PANEL = "subjective_eval_info.judge_panel_list"
_FROM = {
    "concurrency": "subjective_eval_info.run_parallel_inference_count",
    "parameters": "subjective_eval_info.inference_parameters",
    "judges": _PANEL,
    "embeddings": "quantitative_eval_info.embeddings_model_id.model_id",
    "rules": "model_eval_dir.eval_instructions_files",
    **{name: f"quantitative_eval_info.{name}" for name in _THRESHOLDS},
}
"""The key of the file that a key of the section `evaluation` comes from."""


def section_of_file(content: Any, name: str) -> dict[str, Any]:
    """The values of the file as those of the section `evaluation`.

    Judges are models of Bedrock, asked with `inference_parameters`. Their templates are files in `eval_prompts_dir`.
    Similarity thresholds count where `use_quantitative_metrics` is on. Raises InputError where something is wrong.
    """
    findings = Findings()
    values = checked_values(content, findings)
    if findings.problems:
        raise InputError("\n".join(f"{name}: {problem}" for problem in findings.problems))
    return values


def checked_values(content: Any, findings: Findings) -> dict[str, Any]:
    """The same, with all that is wrong in `findings`, by the keys of the file."""
    try:
        values = _values(content, findings)
        EvaluationSection.model_validate(values)
    except ConfigError as error:
        findings.problems.extend(error.problems)
        return {}
    except ValidationError as error:
        for problem in problems_of(error, EvaluationSection):
            findings.problem(f"{FILE_KEY}.{_key_in_file(problem.key)}", problem.message)
    findings.problems[:] = dict.fromkeys(findings.problems)
    return values


def _key_in_file(key: str) -> str:
    """The key of the file that a key of the section `evaluation` comes from: `judges[0].model_id` is that of an entry
    of the panel, `judges[0].concurrency` is said once for all of them."""
    judge, name = re.match(r"(?:judges(\[\d+\])\.)?(\w+)", key).groups()  # type: ignore[union-attr]
    if judge is not None and name in _JUDGE_KEYS:
        return f"{_PANEL}{judge}.{name}"
    return _FROM.get(name, key)


def _values(content: Any, findings: Findings) -> dict[str, Any]:
    evaluations = _section(content, "", FILE_KEY, (FILE_KEY,), findings)
    sections = {key: _section(evaluations, FILE_KEY, key, (*_KEYS, *_TEXTS), findings, optional=True) for key in _KEYS}
    for key, section in sections.items():
        _look_at_keys(section, _KEYS[key], f"{FILE_KEY}.{key}", findings)
    voting, folders, scores, panel = sections.values()
    if (method := voting.get("method") or METHOD) != METHOD:
        findings.problem(f"{FILE_KEY}.PoLL_Composition_and_Voting.method", f"is {shown(method)}; write {METHOD}")
    path = f"{FILE_KEY}.model_eval_dir"
    root = _text(folders, path, "eval_prompts_dir", findings) or "eval_criteria"
    values: dict[str, Any] = {"judges": _judges(panel, root, findings)}
    rules = folders.get("eval_instructions_files")
    first = {"eval_instructions_files": rules[0] if isinstance(rules, list) and rules else rules or None}
    if (file := _text(first, path, "eval_instructions_files", findings)) is not None:
        folder = _text(folders, path, "eval_instructions_dir", findings) or "eval_instructions"
        values["rules"] = f"{root}/{folder}/{file}"
    compares = voting.get("use_quantitative_metrics")
    if compares not in (None, True, False):
        key = f"{FILE_KEY}.PoLL_Composition_and_Voting.use_quantitative_metrics"
        findings.problem(key, f"is {shown(compares)}; write yes or no")
    if compares:
        values |= {key: scores[key] for key in _THRESHOLDS if scores.get(key) is not None}
    path = f"{FILE_KEY}.quantitative_eval_info"
    keys = _KEYS["quantitative_eval_info"]
    model = _section(scores, path, "embeddings_model_id", keys, findings, optional=True).get("model_id")
    if model:
        values["embeddings"] = {"model_id": model}
    return values


def _judges(panel: Mapping[str, Any], root: str, findings: Findings) -> list[dict[str, Any]]:
    path, keys = f"{FILE_KEY}.subjective_eval_info", _KEYS["subjective_eval_info"]
    judges = panel.get("judge_panel_list") or []
    if not isinstance(judges, list):
        raise ConfigError([Problem(f"{path}.judge_panel_list", "is no list; write one entry for each judge")])
    parameters = _section(panel, path, "inference_parameters", keys, findings, optional=True)
    shared = {
        "platform": BEDROCK,
        "parameters": {key: value for key, value in parameters.items() if key not in _NOT_SENT},
        "concurrency": 5 if (count := panel.get("run_parallel_inference_count")) is None else count,
    }
    return [
        {**shared, **_judge(each, joined(f"{path}.judge_panel_list", number), root, findings)}
        for number, each in enumerate(judges)
    ]


def _judge(entry: Any, path: str, root: str, findings: Findings) -> dict[str, Any]:
    if not isinstance(entry, Mapping):
        raise ConfigError([Problem(path, f"is {shown(entry)}; write `key: value` lines under it")])
    _look_at_keys(entry, _JUDGE_KEYS, path, findings)
    model = entry.get("model_id")
    if not model:
        findings.problem(path, "has no model_id; write the id of a Bedrock model")
    folder, file = (_text(entry, path, key, findings) for key in _TEMPLATE_KEYS)
    named = {"template": f"{root}/{folder}/{file.replace('{method_name}', METHOD)}.txt"} if folder and file else {}
    return {"model_id": model, **named}


def _text(section: Mapping[str, Any], path: str, key: str, findings: Findings) -> str | None:
    """A text of the file, also a number; None where it is missing or empty, or is none, which is a problem."""
    value = section.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int | float)):
        findings.problem(joined(path, key), f"is {shown(value)}; write text")
        return None
    return None if value is None else str(value).strip() or None


def _section(
    content: Any, path: str, key: str, keys: Sequence[str], findings: Findings, *, optional: bool = False
) -> Mapping[str, Any]:
    """A section below `content`, whose keys are looked at; an empty one where it is `optional` and not there."""
    if not isinstance(content, Mapping):
        raise ConfigError([Problem(path, f"is {shown(content)}; write `key: value` lines under it")])
    _look_at_keys(content, keys, path, findings)
    value = content.get(key)
    if isinstance(value, Mapping):
        return value
    if optional and value is None:
        return {}
    raise ConfigError([Problem(joined(path, key), f"is {shown(value)}; write `key: value` lines under it")])


def _look_at_keys(section: Mapping[str, Any], keys: Sequence[str], path: str, findings: Findings) -> None:
    """Report misspelt keys, and say which ones are ignored."""
    for key in map(str, section):
        if key in keys:
            continue
        meant = nearest(key, keys, within=NEAR)
        if meant is not None:
            problem = Problem(joined(path, key), f"is not a key of an evaluation file; did you mean {meant}?")
            if problem not in findings.problems:
                findings.problems.append(problem)
        elif all(notice.key != joined(path, key) for notice in findings.notices):
            findings.notice(joined(path, key), "ignored: fmbench has no such key")
