"""The evaluation file of FMBench 2.x."""

from __future__ import annotations

import pytest
import yaml

from fmbench_lib.config.schema.evaluation_section import EvaluationSection
from fmbench_lib.config.shipped.files import shipped_path
from fmbench_lib.errors import InputError
from fmbench_lib.evaluation.predecessor_file import section_of_file

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
