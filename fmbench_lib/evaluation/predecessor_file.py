"""The evaluation file of FMBench 2.x (`model_evaluations`) in the keys of the section `evaluation`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fmbench_lib.config.platforms import BEDROCK
from fmbench_lib.errors import InputError

METHOD = "majority_vote"
_NOT_SENT = ("caching",)


def section_of_file(content: Any, name: str) -> dict[str, Any]:
    """The values of the file as those of the section `evaluation`.

    Judges are models of Bedrock, asked with `inference_parameters`. Their templates are files in `eval_prompts_dir`.
    Similarity thresholds count where `use_quantitative_metrics` is on. Raises InputError where it has another form.
    """
    evaluations = _mapping(_mapping(content, name).get("model_evaluations"), f"{name}: model_evaluations")
    voting = _mapping(evaluations.get("PoLL_Composition_and_Voting") or {}, f"{name}: PoLL_Composition_and_Voting")
    folders = _mapping(evaluations.get("model_eval_dir") or {}, f"{name}: model_eval_dir")
    scores = _mapping(evaluations.get("quantitative_eval_info") or {}, f"{name}: quantitative_eval_info")
    panel = _mapping(evaluations.get("subjective_eval_info") or {}, f"{name}: subjective_eval_info")
    method, root = str(voting.get("method") or METHOD), str(folders.get("eval_prompts_dir") or "eval_criteria")
    if method != METHOD:
        raise InputError(f"{name}: PoLL_Composition_and_Voting.method is {method}; write {METHOD}")
    section: dict[str, Any] = {"judges": [_judge(each, panel, root, method, name) for each in _judges(panel, name)]}
    rules = folders.get("eval_instructions_files") or []
    if rules:
        section["rules"] = f"{root}/{folders.get('eval_instructions_dir') or 'eval_instructions'}/{rules[0]}"
    if voting.get("use_quantitative_metrics"):
        section |= {key: scores[key] for key in scores if key.endswith("_cosine_similarity_threshold")}
    model = _mapping(scores.get("embeddings_model_id") or {}, f"{name}: embeddings_model_id").get("model_id")
    if model:
        section["embeddings"] = {"model_id": model}
    return section


def _judges(panel: Mapping[str, Any], name: str) -> list[Any]:
    judges = panel.get("judge_panel_list") or []
    if not isinstance(judges, list):
        raise InputError(f"{name}: subjective_eval_info.judge_panel_list is no list; write one entry for each judge")
    return judges


def _judge(entry: Any, panel: Mapping[str, Any], root: str, method: str, name: str) -> dict[str, Any]:
    judge = _mapping(entry, f"{name}: judge_panel_list")
    model = judge.get("model_id")
    if not model:
        raise InputError(f"{name}: a judge of judge_panel_list has no model_id; write the id of a Bedrock model")
    parameters = _mapping(panel.get("inference_parameters") or {}, f"{name}: inference_parameters")
    made: dict[str, Any] = {
        "platform": BEDROCK,
        "model_id": model,
        "parameters": {key: value for key, value in parameters.items() if key not in _NOT_SENT},
        "concurrency": panel.get("run_parallel_inference_count") or 5,
    }
    folder, file = judge.get("eval_prompt_template_dir"), judge.get("eval_prompt_template_name")
    if folder and file:
        made["template"] = f"{root}/{folder}/{str(file).replace('{method_name}', method)}.txt"
    return made


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InputError(f"{what} is {value!r}; write `key: value` lines under it")
    return value
