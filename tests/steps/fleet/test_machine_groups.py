"""Which machines a config needs, and what is sent to them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.errors import InputError
from fmbench_lib.fleet.machine_task import FleetSettings
from fmbench_lib.runs.opening import create_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.fleet.fleet_plan import plan_lines
from fmbench_lib.steps.fleet.machine_groups import machines_of
from fmbench_lib.steps.fleet.machine_input import write_machine_files
from fmbench_lib.steps.run_inputs.run_prices import load_prices

LOCAL = {"platform": "local", "tokenizer": "words", "concurrency_levels": [1]}
MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    def make(*experiments: dict[str, Any], **sections: Any) -> Run:
        named = [{"name": f"e{n}", "instance_type": "g5.2xlarge", **LOCAL, **one} for n, one in enumerate(experiments)]
        filters = [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}]
        content = {
            "general": {"name": "test"},
            "datasets": {"filters": filters},
            "pricing": {"g5.2xlarge": 1.2, "g6.2xlarge": {"hourly": 0.9, "spot": 0.3}},
            "load": {"requests": 80, "timeout": 10, "duration": 50},
            "aws": {"price_lookup": False},
            "experiments": named,
            **sections,
        }
        path = tmp_path / "config.yml"
        path.write_text(yaml.safe_dump(content))
        return create_run(path, results=tmp_path / "results")

    return make


def groups(run: Run) -> list[tuple[str, ...]]:
    return [machine.experiments for machine in machines_of(run.config, load_prices(run))]


def test_experiments_share_a_machine_of_one_type_and_region_unless_they_need_the_same_port(make_run: MakeRun) -> None:
    port = {"local": {"port": 8123}}
    run = make_run(
        port, {"instance_type": "g6.2xlarge"}, {}, port, {"region": "eu-west-1"}, {**port, "region": "eu-west-1"}
    )
    assert groups(run) == [("e0", "e2"), ("e1",), ("e3",), ("e4", "e5")]


def test_a_machine_is_bought_on_the_terms_of_its_price(make_run: MakeRun) -> None:
    run = make_run(
        {},
        {"instance_type": "g6.2xlarge"},
        pricing={"g5.2xlarge": 1.2, "g6.2xlarge": {"hourly": 0.9, "spot": 0.3, "use": "spot"}},
    )
    assert [machine.spot for machine in machines_of(run.config, load_prices(run))] == [False, True]


@pytest.mark.parametrize(
    ("experiment", "said"),
    [
        ({"platform": "endpoint", "ep_name": "http://h/v1/chat/completions"}, "platform endpoint serves it elsewhere"),
        ({"instance_type": "local-cpu"}, "write the instance_type of the machine to start, such as g5.2xlarge"),
        ({"instance_count": 2}, "instance_count is 2, and a fleet runs each experiment on one machine"),
    ],
)
def test_what_a_fleet_cannot_run_is_said(experiment: dict[str, Any], said: str, make_run: MakeRun) -> None:
    with pytest.raises(InputError, match=f"experiment e0: .*{said}"):
        groups(make_run(experiment))


def test_the_plan_names_machines_and_what_they_cost_at_most(make_run: MakeRun) -> None:
    # a level: 8 requests before it, 50 s, and the request in flight at its end, each of at most 10 s: 140 s; two: 280 s
    run = make_run({"concurrency_levels": [1, 2]}, {"instance_type": "x9.large"})
    first, second, last = plan_lines(run)
    assert first.startswith("machine-1: 1 × g5.2xlarge for e0: at most 4 min 00 s of load, at most 0.0800 USD ")
    assert "at 1.2 USD/h (on demand); starting it, loading models and deleting it come on top" in first
    assert second.endswith("cost unknown: no price listed for x9.large; it is bought on demand")
    assert last == "2 machines at the same time; what they cost by the hour is not known"


def test_the_plan_says_of_a_type_without_a_spot_price_that_it_is_bought_on_demand(make_run: MakeRun) -> None:
    run = make_run({"instance_type": "g6.2xlarge"}, pricing={"use": "spot", "g6.2xlarge": 0.9})
    assert plan_lines(run)[0].endswith("cost unknown: no spot price listed for g6.2xlarge; it is bought on demand")


def sent(run: Run, tmp_path: Path) -> tuple[dict[str, Any], Path]:
    (machine,) = machines_of(run.config, load_prices(run))
    run.workspace.prompts.joinpath("payloads.json").write_text("{}")
    files = write_machine_files(run, machine, "fmbench-1", FleetSettings(install="fmbench-lib==9"))
    return yaml.safe_load((files.input / "benchmark.yml").read_text()), files.input


def test_files_that_the_config_names_are_sent_and_named_as_they_are_there(make_run: MakeRun, tmp_path: Path) -> None:
    (tmp_path / "deploy.py").write_text("def deploy(config, role): ...\n")
    (tmp_path / "e0").mkdir()  # a folder that is called like an experiment is not meant by its name
    experiment = {"platform": "user_script", "deployment_script": "deploy.py"}
    config, folder = sent(make_run(experiment), tmp_path)
    (there,) = config["experiments"]
    assert (there["name"], there["deployment_script"]) == ("e0", "files/deploy.py")
    assert (folder / "files/deploy.py").read_text() == "def deploy(config, role): ...\n"
    assert config["run_steps"]["1_generate_data"] is config["run_steps"]["4_model_metric_analysis"] is False
    assert (folder / "setup.sh").read_text().endswith(" fmbench-lib==9\n")
    assert (folder / "results/test/00000000-000000Z/prompts/payloads.json").exists()


def test_a_secret_of_the_config_is_not_written_for_a_machine(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run({"inference_spec": {"headers": {"x-token": "abcdefgh-12345678"}}})
    with pytest.raises(InputError, match="put it in an environment variable"):
        sent(run, tmp_path)
