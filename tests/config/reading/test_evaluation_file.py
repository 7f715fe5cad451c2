"""The evaluation file of FMBench 2.x."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import yaml

from fmbench_lib.config import validate_paths
from fmbench_lib.config.reading.evaluation_file import section_of_file
from fmbench_lib.config.schema.evaluation_section import EvaluationSection
from fmbench_lib.config.shipped.files import shipped_path
from fmbench_lib.errors import InputError

FILE = """
model_evaluations:
  ground_truth_col: {ground_truth}
  question_col: {question}
  PoLL_Composition_and_Voting: {method: majority_vote, use_quantitative_metrics: yes}
  model_eval_dir:
    eval_prompts_dir: eval_criteria
    eval_prompt_template_dir_list: [claude_eval_prompt_templates]
    eval_instructions_dir: eval_instructions
    eval_instructions_files: [evaluation_instructions_majority_vote.txt]
  quantitative_eval_info:
    embeddings_model_id: {model_id: sentence-transformers/all-mpnet-base-v2}
    incorrect_verdict_cosine_similarity_threshold: 0.40
    correct_verdict_cosine_similarity_threshold: 0.01
  subjective_eval_info:
    judge_panel_list:
    - {model_id: us.meta.llama3-3-70b-instruct-v1:0, eval_prompt_template_dir: llama3_eval_prompt_templates,
       eval_prompt_template_name: "llama3_eval_{method_name}"}
    - {model_id: cohere.command-r-plus-v1:0, eval_prompt_template_dir: cohere_eval_prompt_templates,
       eval_prompt_template_name: "cohere_eval_{method_name}"}
    run_parallel_inference_count: 5
    inference_parameters: {temperature: 0.1, max_tokens: 300, top_p: 0.92, caching: False}
"""


def test_the_file_loads_as_it_is() -> None:
    section = EvaluationSection.model_validate(section_of_file(yaml.safe_load(FILE), "file.yml"))
    assert [judge.model_id for judge in section.judges] == [
        "us.meta.llama3-3-70b-instruct-v1:0",
        "cohere.command-r-plus-v1:0",
    ]
    assert section.judges[0].platform == "bedrock"
    assert section.judges[0].parameters == {"temperature": 0.1, "max_tokens": 300, "top_p": 0.92}
    assert section.incorrect_verdict_cosine_similarity_threshold == 0.4
    assert section.embeddings is not None
    for name in (section.rules, *(judge.template for judge in section.judges)):
        assert name is not None
        assert shipped_path(f"configs/{name}").exists()


def test_thresholds_count_where_they_are_switched_on() -> None:
    content = yaml.safe_load(FILE.replace("use_quantitative_metrics: yes", "use_quantitative_metrics: no"))
    assert "incorrect_verdict_cosine_similarity_threshold" not in section_of_file(content, "file.yml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "key: value"),
        ({"model_evaluations": {"PoLL_Composition_and_Voting": {"method": "average"}}}, "write majority_vote"),
        ({"model_evaluations": {"subjective_eval_info": {"judge_panel_list": [{}]}}}, "has no model_id"),
    ],
)
def test_what_is_wrong_is_said(content: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        section_of_file(content, "file.yml")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            ("judge_panel_list", "judge_panel_lst"),
            "model_evaluations.subjective_eval_info.judge_panel_lst: .*did you mean",
        ),
        (
            ("run_parallel_inference_count: 5", "run_parallel_inference_count: many"),
            "run_parallel_inference_count: .*many",
        ),
        (
            ("run_parallel_inference_count: 5", "run_parallel_inference_count: 0"),
            "run_parallel_inference_count: .*0",
        ),
        (("threshold: 0.40", "threshold: 40"), "incorrect_verdict_cosine_similarity_threshold: .*40"),
        (("majority_vote, use", "mean, use"), "method: is 'mean'; write majority_vote"),
        (("model_id: cohere.command-r-plus-v1:0, ", ""), r"judge_panel_list\[1\]: has no model_id"),
        (
            ("model_id: cohere.command-r-plus-v1:0", "model_id: [cohere]"),
            r"subjective_eval_info.judge_panel_list\[1\].model_id: is a list; write text",
        ),
        (
            ("model_id: sentence-transformers/all-mpnet-base-v2", "model_id: [x]"),
            "embeddings_model_id.model_id: is a l",
        ),
        (("eval_prompts_dir: eval_criteria", "eval_prompts_dir: [x]"), "model_eval_dir.eval_prompts_dir: is a list"),
        (
            ("[evaluation_instructions_majority_vote.txt]", "{a: b}"),
            "eval_instructions_files: is a section; write text",
        ),
        (
            ("eval_prompt_template_dir: cohere_eval_prompt_templates", "eval_prompt_template_dir: no"),
            "is no; write text",
        ),
        (("use_quantitative_metrics: yes", "use_quantitative_metrics: maybe"), "is 'maybe'; write yes or no"),
        (
            ("run_parallel_inference_count: 5", "run_parallel_inference_count: [5]"),
            "model_evaluations.subjective_eval_info.run_parallel_inference_count: is a list; write a whole number",
        ),
        (("subjective_eval_info:", "subjective_eval_info: none\n  other:"), "subjective_eval_info: is 'none'; write"),
    ],
)
def test_validate_checks_evaluation_files(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "model_eval_all_info.yml"
    path.write_text(FILE.replace(*change))
    (checked,) = validate_paths([tmp_path])
    assert len(checked.problems) == 1
    assert re.search(message, str(checked.problems[0]))


def test_the_shipped_file_and_one_with_other_keys_are_valid(tmp_path: Path) -> None:
    shipped = shipped_path("configs/model_eval_all_info.yml")
    assert shipped is not None
    other = tmp_path / "other.yml"
    other.write_text(FILE.replace("  ground_truth_col:", "  something_else: 1\n  ground_truth_col:"))
    first, second = validate_paths([shipped, other])
    assert (first.problems, first.notices, second.problems) == ((), (), ())
    assert [str(notice) for notice in second.notices] == [
        "model_evaluations.something_else: ignored: fmbench has no such key"
    ]
    section = EvaluationSection.model_validate(section_of_file(yaml.safe_load(shipped.read_text()), "shipped"))
    assert len(section.judges) == 3
    for name in (section.rules, *(judge.template for judge in section.judges)):
        assert shipped_path(f"configs/{name}").exists()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    os.mkfifo(path)
    (checked,) = validate_paths([path])
    assert "is a pipe or a device" in str(checked.problems[0])
