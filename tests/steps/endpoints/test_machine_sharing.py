"""Experiments that share a part of the machine: who waits for whom, and that no two are ever there at once."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import DeployContext, Endpoint
from fmbench_lib.deploy.endpoints_file import endpoints
from fmbench_lib.emulator import launch
from fmbench_lib.errors import DeployError
from fmbench_lib.runs.opening import create_run, open_run
from fmbench_lib.runs.run import Run
from fmbench_lib.steps.cleanup import clean_up
from fmbench_lib.steps.data_generation import generate_data
from fmbench_lib.steps.deployment import deploy_models, steps_left
from fmbench_lib.steps.endpoints.machine_sharing import waiting
from fmbench_lib.steps.inference import run_inference
from fmbench_lib.steps.plan import make_plan

NewRun = Callable[..., Run]


class Machine:
    """A platform that serves with emulators, on a machine where what is needed can be had once."""

    def __init__(self) -> None:
        self.standing: dict[str, contextlib.ExitStack] = {}
        self.taken: dict[str, frozenset[str]] = {}
        self.history: list[str] = []
        self.broken: set[str] = set()
        self.immovable: set[str] = set()

    def plan(self, experiment: Experiment) -> str:
        return "an emulator"

    def needs(self, experiment: Experiment) -> frozenset[str]:
        return frozenset(str(experiment.model_name).split("+")) - {"nothing"}

    def deploy(self, experiment: Experiment, context: DeployContext) -> Endpoint:
        name, needs = experiment.name, self.needs(experiment)
        assert not any(needs & other for other in self.taken.values())
        if name in self.broken:
            raise DeployError(f"{name} is broken")
        endpoint = Endpoint(name, "ec2", owned=True, created_at=time.time(), model="emulated")
        context.record(endpoint)
        stack = self.standing[name] = contextlib.ExitStack()
        self.taken[name] = needs
        url = stack.enter_context(launch()).url
        self.history.append(f"+{name}")
        endpoint = replace(endpoint, urls=(url,), status="in_service", in_service_at=time.time())
        context.record(endpoint)
        return endpoint

    def why_dead(self, endpoint: Endpoint) -> str:
        return "" if endpoint.experiment_name in self.standing else "it does not exist"

    def delete(self, endpoint: Endpoint) -> Endpoint:
        name = endpoint.experiment_name
        if name in self.immovable:
            raise DeployError(f"{name} cannot be deleted")
        if name in self.standing:
            self.standing.pop(name).close()
            del self.taken[name]
            self.history.append(f"-{name}")
        return replace(endpoint, status="deleted", deleted_at=time.time())


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    made = Machine()
    monkeypatch.setattr("fmbench_lib.deploy.ec2.platform.PLATFORM", made)
    yield made
    for stack in made.standing.values():
        stack.close()


@pytest.fixture
def new_run(tmp_path: Path, machine: Machine) -> NewRun:
    """A run of these experiments, its prompts made; each needs what its value says, with + between."""

    def make(**needs: str) -> Run:
        rows = [{"input": f"What is item {n}?"} for n in range(20)]
        (tmp_path / "source.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        content: dict[str, Any] = {
            "general": {"name": "turns"},
            "s3_read_data": {"source_data_files": ["source.jsonl"]},
            "datasets": {
                "prompt_template_keys": ["input"],
                "filters": [{"min_length_in_tokens": 1, "max_length_in_tokens": 500, "payload_file": "all.jsonl"}],
            },
            "inference_parameters": {"max_tokens": 1},
            "load": {"requests": 1, "warmup_requests": 0, "timeout": 10, "workers": 1},
            "experiments": [
                {"name": name, "platform": "ec2", "deploy": True, "model_id": "m", "model_name": need}
                | {"tokenizer": "words", "payload_files": ["all.jsonl"], "concurrency_levels": [1]}
                for name, need in needs.items()
            ],
        }
        path = tmp_path / "turns.yml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        run = create_run(path, results=tmp_path / "results")
        generate_data(run)
        return run

    return make


def test_who_waits_for_whom(new_run: NewRun) -> None:
    run = new_run(a="gpu0", b="gpu0+gpu1", c="gpu1", d="nothing", e="gpu2")
    # c waits although nothing that is deployed first is in its way: b comes before it, and would find it there.
    assert waiting(run.config, "abcde") == {
        "b": "waits for a, which needs gpu0 too",
        "c": "waits for b, which needs gpu1 too",
    }
    assert waiting(run.config, "bc") == {"c": "waits for b, which needs gpu1 too"}
    assert waiting(run.config, "acde") == {}
    assert "b waits for a, which needs gpu0 too" in make_plan(str(run.loaded.path), {}, {}).text


def test_each_is_deployed_when_the_one_before_it_has_been_measured(new_run: NewRun, machine: Machine) -> None:
    run = new_run(first="gpu0", second="gpu0", aside="nothing", third="gpu0")
    table = deploy_models(run)
    assert sorted(machine.history) == ["+aside", "+first"]
    shown = dict(zip(table["experiment_name"], table["status"], strict=True))
    assert shown["second"] == "waits for first, which needs gpu0 too"
    measured = run_inference(run)
    assert measured["measured"].all()
    assert machine.history[2:] == ["-first", "+second", "-second", "+third"]
    clean_up(run)
    assert machine.standing == {}
    periods = endpoints(run.workspace)
    assert (periods["first"].deleted_at or 0) <= (periods["second"].created_at or 0)


def test_one_that_fails_does_not_keep_the_next_from_its_turn(new_run: NewRun, machine: Machine) -> None:
    run = new_run(first="gpu0", second="gpu0", third="gpu0")
    machine.broken = {"second"}
    deploy_models(run)
    measured = run_inference(run)
    assert list(measured["measured"]) == [True, False, True]
    assert endpoints(run.workspace)["second"].error == "second is broken"


def test_one_that_cannot_be_taken_down_is_why_the_next_cannot_come(new_run: NewRun, machine: Machine) -> None:
    run = new_run(first="gpu0", second="gpu0")
    machine.immovable = {"first"}
    deploy_models(run)
    run_inference(run)
    assert endpoints(run.workspace)["second"].error == "first cannot be deleted"
    machine.immovable = set()


def test_a_resumed_run_goes_on_with_the_one_whose_turn_it_was(new_run: NewRun, machine: Machine) -> None:
    run = new_run(first="gpu0", second="gpu0")
    machine.broken = {"second"}
    deploy_models(run)
    run_inference(run)
    # The first stood when the run ended; it is not measured again, and makes room.
    again = open_run(run.loaded.path, run.workspace.path)
    machine.broken = set()
    assert "2_deploy_model" in steps_left(again)
    machine.history.clear()
    deploy_models(again)
    assert machine.history[-1] == "+second"
    assert "first" not in machine.standing
    assert run_inference(again)["measured"].all()
    assert "+first" not in machine.history
