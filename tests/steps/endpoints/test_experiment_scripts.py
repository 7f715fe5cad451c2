"""A run through scripts of the user's own, step by step and without notebooks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.errors import InputError
from fmbench_lib.load.recording.records import read_level
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.cleanup import clean_up
from fmbench_lib.steps.data_generation import generate_data
from fmbench_lib.steps.deployment import deploy_models
from fmbench_lib.steps.endpoints.experiment_scripts import script_of
from fmbench_lib.steps.inference import run_inference
from fmbench_lib.steps.plan import make_plan
from fmbench_lib.steps.setup import set_up
from fmbench_lib.workspace import LevelKey

SCRIPT = """
from pathlib import Path

def deploy(experiment_config, role_arn):
    return "thing-1"

def delete(endpoint_name):
    Path(__file__).with_name("deleted").write_text(endpoint_name)

class Predictor:
    def __init__(self, name):
        self.name = name

    def get_prediction(self, payload):
        return {"response_json": {"generated_text": f"{self.name} says {payload['inputs']}"}, "completion_tokens": 4}

def create_predictor(endpoint_name, inference_spec):
    return Predictor(f"{endpoint_name} at {inference_spec['parameters']['temperature']}")
"""

CONFIG = """
general: {name: scripted}
s3_read_data: {source_data_files: [source.jsonl], prompt_template_file: template.txt}
datasets:
  prompt_template_keys: [input]
  filters: [{min_length_in_tokens: 1, max_length_in_tokens: 500, payload_file: all.jsonl}]
inference_parameters: {mine: {temperature: 0.25}}
load: {requests: 3, warmup_requests: 1, keep_raw: yes}
experiments:
- name: exp
  deploy: yes
  deployment_script: mine.py
  inference_script: mine.py
  tokenizer: words
  inference_spec: {parameter_set: mine}
  concurrency_levels: [2]
  request_rates: [100]
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    rows = [{"input": f"item {number}"} for number in range(10)]
    (tmp_path / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "template.txt").write_text("{input}")
    (tmp_path / "mine.py").write_text(SCRIPT)
    (tmp_path / "config.yml").write_text(CONFIG)
    return tmp_path / "config.yml"


@pytest.fixture
def run(config: Path, tmp_path: Path) -> Run:
    return create_run(config, results=tmp_path / "results")


def test_an_experiment_is_deployed_measured_and_deleted_by_scripts(run: Run, tmp_path: Path) -> None:
    found = set_up(run).set_index("what")["which"]
    assert found["deployment script of exp"] == found["inference script of exp"] == str(tmp_path / "mine.py")
    generate_data(run)
    deploy_models(run)
    assert endpoints(run.workspace)["exp"].urls == ("thing-1",)
    table = run_inference(run)
    assert list(table["requests"]) == [3, 3]
    assert list(table["errors"]) == [0, 0]
    for load in ("concurrency-2", "rate-100"):
        records, facts = read_level(run.workspace.level(LevelKey("exp", "all.jsonl", load)))
        completions = sorted(records["completion"])
        warm_up = 2 if facts["concurrency"] else 1  # no slot's first request is measured
        assert len(set(completions)) == warm_up + 3, "those of the warm-up and three, each with a prompt of its own"
        assert all(text.startswith("thing-1 at 0.25 says item ") for text in completions)
        assert set(records["stamp_source"]) == {"user"}
        assert set(records["completion_tokens"]) == {4}
        assert set(records["token_source"]) == {"prompt:words+completion:server"}, (
            "the script counted one side, the tokenizer the other"
        )
        assert (facts["workers"], facts["proxy"]) == (1, None)
    clean_up(run)
    assert (tmp_path / "deleted").read_text() == "thing-1"


def test_the_plan_names_the_script_and_runs_nothing(config: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(f"raise SystemExit('it was run')\n{SCRIPT}")
    text = make_plan(str(config), {}, {}).text
    assert "exp: user_script, protocol user_script, tokenizer words" in text
    assert "runs deploy() of mine.py" in text


def test_a_missing_script_stops_the_run_before_it_begins(run: Run, config: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.py").unlink()
    with pytest.raises(InputError, match=r"the script mine\.py was not found"):
        set_up(run)
    (obstacle,) = make_plan(str(config), {}, {}).obstacles
    assert "the script mine.py was not found" in obstacle


def test_a_script_may_take_as_long_to_load_as_the_model_does(config: Path, tmp_path: Path) -> None:
    for given, patience in ((30, 300.0), (1200, 1200.0)):
        spec = f"inference_spec: {{parameter_set: mine, model_loading_timeout: {given}}}"
        config.write_text(CONFIG.replace("inference_spec: {parameter_set: mine}", spec))
        run = create_run(config, results=tmp_path / f"results-{given}")
        script = script_of(run, run.config.experiments[0], "thing-1")
        assert script is not None
        assert script.creation_timeout == patience


def test_a_script_that_does_not_answer_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(SCRIPT.replace("return {", "raise ValueError('not today')\n        return {"))
    generate_data(run)
    deploy_models(run)
    endpoint = endpoints(run.workspace)["exp"]
    assert endpoint.status == "failed"
    assert "mine.py: ValueError: not today (endpoint)" in str(endpoint.error)
    assert (tmp_path / "deleted").read_text() == "thing-1"
