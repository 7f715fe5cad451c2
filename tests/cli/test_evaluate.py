"""`fmbench evaluate`, on a run here and in a bucket."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from fmbench_lib.cli.commands import main
from fmbench_lib.emulator import Behaviour, Constant, launch
from tests.bucket_stand_in import StandIn, point_to
from tests.deploy.aws_stand_in import stand_in
from tests.evaluation.measured_run import measured_run, scripted
from tests.evaluation.scripted_judge import scripted_judge

QUESTIONS = 6
CLAUDE = "anthropic.claude-3-haiku-20240307-v1:0"


def verdict(prompt: str, _before: int) -> tuple[int, str]:
    return 200, '{"explanation": "so it is", "verdict": "correct"}'


@pytest.mark.thorough
def test_a_finished_run_is_judged_and_reported_and_nothing_is_bought_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_judge(verdict) as served:
        judges = [scripted(served.url, name, template="mine.txt") for name in ("one", "two", "three")]
        run = measured_run(tmp_path, {"judges": judges, "questions": QUESTIONS}, accuracy_budget=0.3)
        (tmp_path / "mine.txt").write_text("A template of my own.")  # beside the config
        assert main(["evaluate", str(run)]) == 0
        bought = len(served.asked)
        assert bought > 0
        assert served.asked[0].startswith("A template of my own.")
        assert main(["evaluate", str(run)]) == 0
        assert len(served.asked) == bought
    accuracy = pd.read_csv(run / "metrics" / "candidate_model_accuracy.csv").set_index("experiment_name")
    assert set(accuracy.index) == {"one", "two faulty", "by token"}
    assert (accuracy["correct"] == accuracy["questions"]).all()
    costs = pd.read_csv(run / "metrics" / "evaluation_costs.csv")
    assert costs["judgements"].sum() == bought
    assert costs["failed"].sum() == costs["retries"].sum() == 0
    raw = pd.read_csv(run / "metrics" / "raw_llm_as_a_judge_evals.csv")
    assert len(raw) == bought
    assert set(raw["explanation"]) == {"so it is"}
    assert "### Model evaluations" in (run / "report.md").read_text()
    assert capsys.readouterr().err == ""


def decided(folder: Path, url: str, questions: int, budget: float | None) -> str:
    """The decision after an evaluation with so many questions."""
    budgets = {"cost_per_10k_txn_budget": 5.0} | ({} if budget is None else {"accuracy_budget": budget})
    run = measured_run(folder, {"judges": [scripted(url, "one")], "questions": questions}, **budgets)
    assert main(["evaluate", str(run)]) == 0
    text: str = json.loads((run / "summary.json").read_text())["decision"]["text"]
    assert text in (run / "report.md").read_text()
    return text


@pytest.mark.thorough
def test_an_accuracy_budget_changes_the_winner_and_too_few_questions_say_nothing(tmp_path: Path) -> None:
    """The answers of `one`, which is the cheapest, are all wrong; those of `by token` are all right."""

    def knowing(prompt: str, _before: int) -> tuple[int, str]:
        wrong = "\none says" in prompt
        return 200, f'{{"verdict": "{"incorrect" if wrong else "correct"}"}}'

    with scripted_judge(knowing) as served:
        free = decided(tmp_path / "free", served.url, 100, None)
        held = decided(tmp_path / "held", served.url, 100, 0.5)
        few = decided(tmp_path / "few", served.url, 2, 0.8)
    assert "one on m7a.xlarge at concurrency 4 is the cheapest" in free
    assert "by token on tiny-by-token at concurrency 3" in held
    assert re.search(r"its accuracy of 100% \(n = \d+, 95% CI [\d.]+% to 100%\) surely meets the budget of 50%", held)
    assert re.search(r"one on m7a.xlarge at concurrency \d costs less, but its accuracy of 0% .* surely misses", held)
    assert "No level of payload_en_1-225.jsonl meets every budget" in few
    assert "too few questions" in few


def evaluated(run: Path, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The notes that the terminal has after an evaluation; the report and the summary have them too."""
    assert main(["evaluate", str(run)]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    kept = json.loads((run / "evaluation" / "remarks.json").read_text())["remarks"]
    summary = json.loads((run / "summary.json").read_text())
    for line in kept:
        assert f"note: {line}" in shown
        assert line in summary["attention"]
        assert line in summary["notices"]
    return [str(line) for line in kept]


@pytest.mark.thorough
def test_labels_of_no_answer_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_judge(verdict) as served:
        section = {"judges": [scripted(served.url, "one")], "questions": QUESTIONS, "human_labels": "l.csv"}
        run = measured_run(tmp_path, section)
        (tmp_path / "l.csv").write_text("answer_id,human_label\n1.2E+15,correct\nzz,0\n")
        (none,) = evaluated(run, capsys)
        raw = pd.read_csv(run / "metrics" / "raw_llm_as_a_judge_evals.csv", dtype=str)
        first, second, *_ = raw["answer_id"]
        (tmp_path / "l.csv").write_text(f"answer_id,human_label\n{first},TRUE\n {second} ,no\nzz,0\n")
        (some,) = evaluated(run, capsys)
        raw.assign(human_label=["Correct", "n", *[""] * (len(raw) - 2)]).assign(
            candidate_response="x" * 200_000
        ).to_csv(tmp_path / "l.csv", index=False)  # the table itself, with long answers
        assert evaluated(run, capsys) == []
    assert none == (
        "evaluation.human_labels: l.csv: none of its 2 labels is of an answer of this run, such as answer_id 1.2E+15; "
        "take answer_id from metrics/raw_llm_as_a_judge_evals.csv, as text"
    )
    assert "l.csv: 1 of its 3 labels is not of an answer of this run, such as answer_id zz" in some
    agreement = pd.read_csv(run / "metrics" / "judge_agreement.csv").set_index(["first", "second"])
    assert agreement.loc[("panel", "human"), ["answers", "agreement"]].tolist() == [2, 0.5]


@pytest.mark.thorough
def test_judges_that_do_not_answer_are_told_and_say_nothing_of_the_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted_judge(lambda _prompt, _before: (403, "no such key")) as served:
        run = measured_run(
            tmp_path, {"judges": [scripted(served.url, "one")], "questions": QUESTIONS}, accuracy_budget=0.8
        )
        (line,) = evaluated(run, capsys)
    asked = len(set(served.asked))  # each with a schema, and then without
    assert line.startswith(f"judge one: none of {asked} judgements got an answer (http_4xx: ")
    assert line.endswith("; `fmbench evaluate RUN_DIR` asks again")
    decision = json.loads((run / "summary.json").read_text())["decision"]["text"]
    assert "of the answers got no verdict" in decision
    assert "misses the budget" not in decision


@pytest.mark.thorough
def test_what_the_ceiling_left_out_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted_judge(verdict) as served:
        judges = [scripted(served.url, "one", instance_type="m7a.xlarge", timeout=10.0)]
        run = measured_run(tmp_path, {"judges": judges, "questions": QUESTIONS, "max_cost": 0.000001})
        (line,) = evaluated(run, capsys)
        assert served.asked == []
    assert re.fullmatch(
        r"evaluation\.max_cost: 1e-06 USD had no room for \d+ judgements of one; raise it, and `fmbench evaluate "
        r"RUN_DIR` asks for the rest",
        line,
    )


def test_what_is_missing_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", str(measured_run(tmp_path / "a", None))]) == 2
    assert "has no section evaluation; write one, with judges" in capsys.readouterr().err
    run = measured_run(tmp_path / "b", {"judges": [{"experiment": "nobody"}]})
    assert main(["evaluate", str(run)]) == 2
    assert "nobody is not an experiment; there are one, two faulty, by token" in capsys.readouterr().err
    run = measured_run(tmp_path / "c", {"judges": [scripted("http://127.0.0.1:9/v1", "a", template="none.txt")]})
    assert main(["evaluate", str(run)]) == 2
    assert "judge template none.txt" in capsys.readouterr().err
    run = measured_run(tmp_path / "d", {"judges": [scripted("http://127.0.0.1:9/v1", "a")]})
    shutil.rmtree(run / "prompts")
    assert main(["evaluate", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "payload_en_1-225.jsonl is missing: nobody can judge answers without what was asked; copy it back" in line


@pytest.mark.parametrize(
    ("section", "files", "message"),
    [
        ({"questions": 0}, {}, "evaluation.questions: is 0; write a whole number, 1 or more"),
        ({"max_cost": 0}, {}, "evaluation.max_cost: is 0; write a number above 0"),
        ({"criteria": {"A": "x", "a": "y"}}, {}, "evaluation.criteria: has names that are empty, or the same"),
        ({"criteria": {"a b": "x", "a_b": "y"}}, {}, "evaluation.criteria: has names that are empty, or the same"),
        ({"criteria": {"Explanation": "x"}}, {}, "evaluation.criteria: has the name Explanation"),
        (
            {"human_labels": "l.csv"},
            {"l.csv": b""},
            "l.csv: no columns answer_id and human_label; write both",
        ),
        (
            {"human_labels": "l.csv"},
            {"l.csv": b"answer_id,human_label\nx,maybe\n"},
            "l.csv, line 2: is 'maybe'; write correct or incorrect",
        ),
        (
            {"human_labels": "l.csv"},
            {"l.csv": b"answer_id,human_label\nx,Correct\nx,incorrect\n"},
            "l.csv, line 3: a second label of x; write one",
        ),
        (
            {"human_labels": "l.csv"},
            {"l.csv": b"answer_id,human_label\n\xff,correct\n"},
            "l.csv: not a CSV file in UTF-8",
        ),
        ({"json_schema": "s.json"}, {"s.json": b'{"type": "foo"}'}, "s.json: not a JSON Schema: at type"),
        ({"json_schema": "s.json"}, {"s.json": b"\xff"}, "s.json: not a text in UTF-8; save it as one"),
        ({"rules": "r.txt"}, {"r.txt": b"\xff"}, "r.txt: not a text in UTF-8; save it as one"),
    ],
)
def test_what_is_wrong_is_one_line_before_anything_is_bought(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    section: dict[str, object],
    files: dict[str, bytes],
    message: str,
) -> None:
    with scripted_judge(verdict) as served:
        run = measured_run(tmp_path, {"judges": [scripted(served.url, "one")], **section})
        for name, content in files.items():
            (tmp_path / name).write_bytes(content)
        assert main(["evaluate", str(run)]) == 2
        assert served.asked == []
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.parametrize(
    ("section", "budgets", "message"),
    [
        ({}, {"clarity": 4}, "judges are not asked about clarity; write evaluation.forms: [rubric]"),
        ({"forms": ["rubric"]}, {"clarty": 4}, "judges are not asked about clarty; did you mean clarity?"),
        ({"forms": ["rubric"], "criteria": {"brief": "x"}}, {"truthfulness": 4}, "truthfulness; there are brief"),
        (
            {"forms": ["rubric"]},
            {"clarity": "good"},
            "report.criterion_budgets: has 'good' for clarity; write a number",
        ),
        (
            {"forms": ["rubric"]},
            {"clarity": 0},
            "report.criterion_budgets: has 0 for clarity; write a number from 1 to 5",
        ),
    ],
)
def test_a_budget_that_nothing_could_meet_is_told(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    section: dict[str, object],
    budgets: dict[str, object],
    message: str,
) -> None:
    judges = [scripted("http://127.0.0.1:9/v1", "one")]
    run = measured_run(tmp_path, {"judges": judges, **section}, criterion_budgets=budgets)
    assert main(["evaluate", str(run)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.thorough
def test_a_run_in_a_bucket_is_judged_and_what_was_bought_is_kept_there(
    moto: StandIn, aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point_to(moto, monkeypatch, tmp_path)
    moto.client().create_bucket(Bucket="runs")
    with scripted_judge(verdict) as served:
        made = measured_run(tmp_path / "first", {"judges": [scripted(served.url, "one")], "questions": QUESTIONS})
        for path in made.rglob("*"):
            if path.is_file():
                key = f"results/recorded/{made.name}/{path.relative_to(made).as_posix()}"
                moto.client().put_object(Bucket="runs", Key=key, Body=path.read_bytes())
        address = f"s3://runs/results/recorded/{made.name}"
        asked = []
        for machine in ("second", "third"):
            shutil.rmtree(tmp_path / "cache", ignore_errors=True)
            monkeypatch.setenv("FMBENCH_RESULTS_DIR", str(tmp_path / machine))
            assert main(["evaluate", address]) == 0
            asked.append(len(served.asked))
        assert asked[0] == asked[1] > 0
    there = moto.objects("runs", f"results/recorded/{made.name}/")
    assert any(name.startswith("evaluation/verdicts-") for name in there)
    assert "metrics/candidate_model_accuracy.csv" in there


@pytest.mark.thorough
def test_a_judge_on_bedrock_gives_its_verdict_as_the_use_of_a_tool(
    aws_environment: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    behaviour = Behaviour(ttft=Constant(0.001), itl=Constant(0.0), tokens=Constant(12), echo=True)
    with stand_in() as plane, launch(behaviour) as emulator:
        plane.foundation_models[CLAUDE] = {"modelLifecycle": {"status": "ACTIVE"}}
        monkeypatch.setenv("AWS_ENDPOINT_URL", plane.url)
        for name, value in emulator.aws_environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_REGION", "us-east-1")
        judge = {"platform": "bedrock", "model_id": CLAUDE, "template": "mine.txt"}
        run = measured_run(tmp_path, {"judges": [judge], "questions": QUESTIONS})
        (tmp_path / "mine.txt").write_text('[[echo:{"explanation": "by a tool", "verdict": "incorrect"}]]')
        assert main(["evaluate", str(run)]) == 0
        assert {entry.outcome for entry in emulator.ledger()} == {"complete"}
    raw = pd.read_csv(run / "metrics" / "raw_llm_as_a_judge_evals.csv")
    assert set(raw["verdict"]) == {"incorrect"}
    assert set(raw["explanation"]) == {"by a tool"}
