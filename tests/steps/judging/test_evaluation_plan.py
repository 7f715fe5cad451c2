"""What a plan says of an evaluation, and that its files are checked before anything costs money."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fmbench_lib.config.shipped.files import shipped_path
from fmbench_lib.errors import InputError
from fmbench_lib.runs.opening import create_run
from fmbench_lib.steps.judging.evaluation_plan import check_evaluation
from fmbench_lib.steps.plan import make_plan

CONFIG = """
general: {name: judged}
s3_read_data: {source_data_files: [source.jsonl]}
datasets:
  prompt_template_keys: [input]
  question_col_key: input
  ground_truth_col_key: answers
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
load: {requests: 5, warmup_requests: 1, prompt_reuse: across_levels}
pricing: prices.yml
experiments:
- &first {name: a, platform: endpoint, ep_name: "http://127.0.0.1:9/v1/chat/completions", tokenizer: words,
   payload_files: [all.jsonl], concurrency_levels: [1, 2], instance_type: none}
- {<<: *first, name: b}
"""
PRICES = "pricing: {token_based: {org/judge: {input-per-1k-tokens: 1.0, output-per-1k-tokens: 2.0}}}\n"
JUDGES = "evaluation: {judges: [{ep_name: 'http://127.0.0.1:9/v1', model_id: org/judge, protocol: openai}]"


def planned(folder: Path, evaluation: str) -> list[str]:
    """The lines of the plan from `evaluation:` on."""
    (folder / "run.yml").write_text(f"{CONFIG}{evaluation}\n")
    (folder / "prices.yml").write_text(PRICES)
    rows = [{"input": f"What is item number {n}?", "answers": str(n)} for n in range(30)]
    (folder / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plan = make_plan(str(folder / "run.yml"), {}, {})
    assert plan.obstacles == ()
    lines = plan.text.splitlines()
    return lines[next((n for n, line in enumerate(lines) if line.startswith("evaluation:")), len(lines)) :]


def test_judgements_are_counted_at_least_and_at_most(tmp_path: Path) -> None:
    # Two experiments at two loads, five requests each: twenty answers if no two are the same.
    lines = planned(tmp_path, f"{JUDGES}}}")
    assert lines[0] == "evaluation: 1 judge, 20 judgements by each judge"
    judge = next(line for line in lines if "judge org" in line or "judge judge" in line)
    tokens = int(judge.split("about ")[1].split()[0])
    assert f"about {20 * (tokens * 1.0 + 300 * 2.0) / 1000:.4f} USD at most" in judge


def test_a_judge_whose_answers_nothing_limits_has_no_known_cost(tmp_path: Path) -> None:
    judges = JUDGES.replace("protocol: openai}", "protocol: openai, parameters: {temperature: 0}}")
    judge = next(line for line in planned(tmp_path, f"{judges}}}") if line.startswith("  judge "))
    assert judge.endswith("cost unknown: max_tokens is not among its parameters")


def test_fewer_questions_than_requests_bound_it(tmp_path: Path) -> None:
    lines = planned(tmp_path, f"{JUDGES}, questions: 3, max_cost: 7, forms: [correctness, pairwise]}}")
    # Three questions: 2 × 3 answers and one pair in both orders each, 6 + 6; at both loads 12 answers, 6 comparisons.
    assert lines[0].startswith("evaluation: 1 judge, 12 to 18 judgements by each judge; never more than 7 USD")


def test_nothing_is_said_without_an_evaluation_or_with_its_step_off(tmp_path: Path) -> None:
    assert planned(tmp_path, "") == []
    steps = "{0_setup.ipynb: yes, 1_generate_data.ipynb: yes, 4_get_evaluations.ipynb: no}"
    assert not any("judge" in line for line in planned(tmp_path, f"{JUDGES}}}\nrun_steps: {steps}"))


def test_the_evaluation_file_of_fmbench_2_is_found_as_it_ships(tmp_path: Path) -> None:
    lines = planned(tmp_path, "model_evaluations: model_eval_all_info.yml")
    assert [line.split(",")[1].strip() for line in lines if line.startswith("  judge ")] == [
        f"eval_criteria/{name}_eval_prompt_templates/{name}_eval_majority_vote.txt"
        for name in ("llama3", "claude", "cohere")
    ]


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        (f"{JUDGES}, rules: mine.txt}}", "mine.txt"),
        ("evaluation: {judges: [{experiment: c}]}", "c is not an experiment; there are a, b"),
        ("evaluation: {judges: [{platform: bedrock}]}", "lacks model_id"),
        ("model_evaluations: own.yml", "judge_panel_list"),
    ],
)
def test_what_an_evaluation_lacks_is_said_before_the_run(tmp_path: Path, evaluation: str, message: str) -> None:
    shipped = shipped_path("configs/model_eval_all_info.yml")
    assert shipped is not None
    (tmp_path / "own.yml").write_text(shipped.read_text().replace("judge_panel_list", "judge_panel_lists"))
    (tmp_path / "run.yml").write_text(f"{CONFIG}{evaluation}\n")
    run = create_run(tmp_path / "run.yml", results=tmp_path / "results")
    with pytest.raises(InputError, match=message):
        check_evaluation(run)


def test_embeddings_are_planned_with_their_price(tmp_path: Path) -> None:
    embeddings = ", embeddings: {ep_name: 'http://127.0.0.1:9/v1/embeddings', model_id: org/%s}}"
    said = "  embeddings: endpoint, each answer and each acceptable one as a text, "
    assert f"{said}1 USD for 1,000 tokens" in planned(tmp_path, JUDGES + embeddings % "judge")
    assert f"{said}cost unknown: no price by the token" in planned(tmp_path, JUDGES + embeddings % "other")


def test_an_experiment_of_embeddings_that_is_not_there_is_told_before_anything_is_measured(tmp_path: Path) -> None:
    planned(tmp_path, "")
    (tmp_path / "run.yml").write_text(f"{CONFIG}{JUDGES}, embeddings: {{experiment: nobody}}}}\n")
    run = create_run(tmp_path / "run.yml", results=tmp_path / "results")
    with pytest.raises(InputError, match="nobody is not an experiment; there are a, b"):
        check_evaluation(run)
