"""Deployment scripts of users, run for real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fmbench_lib.config import Experiment
from fmbench_lib.deploy import Endpoint
from fmbench_lib.deploy.user_script.platform import PLATFORM
from fmbench_lib.errors import DeployError, EndpointError
from fmbench_lib.host import process

MakeContext = Callable[..., tuple[Any, Any]]

SCRIPT = """
from pathlib import Path

FOLDER = Path(__file__).parent

def deploy(experiment_config, role_arn):
    print("working on it, HF_TOKEN=hf_abcdefghijklmnopqrst")
    (FOLDER / "deployed").write_text(f"{experiment_config['name']} {experiment_config['image_uri']} {role_arn}")
    return {"endpoint_name": "thing-1", "experiment_name": experiment_config["name"]}

def delete(endpoint_name):
    (FOLDER / "deleted").write_text(endpoint_name)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(SCRIPT)
    return path


def scripted(script: Path | None, **keys: Any) -> Experiment:
    given = {"platform": "user_script", "protocol": "user_script", "deploy": script is not None, "payload_files": []}
    named = {"deployment_script": str(script)} if script else {}
    role = {"sagemaker_execution_role": "arn:aws:iam::000000000000:role/mine"}
    return Experiment.model_validate({"name": "exp", **given, **named, **role, **keys})


def answers(_url: str, _model: str | None) -> None:
    """A probe that succeeds."""


def silent(url: str, _model: str | None) -> None:
    raise EndpointError(f"{url} says nothing")


@pytest.fixture
def deployed(script: Path, context: MakeContext) -> tuple[Endpoint, Any]:
    given, notes = context(probe=answers)
    return PLATFORM.deploy(scripted(script), given), notes


def test_a_script_deploys_and_deletes(deployed: tuple[Endpoint, Any], tmp_path: Path) -> None:
    endpoint, notes = deployed
    assert (tmp_path / "deployed").read_text() == "exp None arn:aws:iam::000000000000:role/mine"
    assert (endpoint.urls, endpoint.owned, endpoint.status, notes.asked) == (
        ("thing-1",),
        True,
        "in_service",
        ["thing-1"],
    )
    assert [(one.status, one.owned, one.urls) for one in notes.recorded] == [
        ("creating", True, ()),
        ("in_service", True, ("thing-1",)),
    ], "it was written down before the script began"
    log = Path(endpoint.log_files[0]).read_text()
    assert "working on it" in log
    assert "hf_abcdefghijklmnopqrst" not in log
    assert PLATFORM.why_dead(endpoint) == ""
    gone = PLATFORM.delete(Endpoint.from_dict(endpoint.to_dict()))
    assert (tmp_path / "deleted").read_text() == "thing-1"
    assert gone.status == "deleted"
    assert PLATFORM.why_dead(gone)
    (tmp_path / "deleted").unlink()
    assert PLATFORM.delete(gone) == gone
    assert not (tmp_path / "deleted").exists(), "it is taken down once"


def test_a_script_without_delete_is_an_error_that_names_the_endpoint(
    deployed: tuple[Endpoint, Any], script: Path
) -> None:
    with_delete = script.read_text()
    script.write_text(with_delete.replace("def delete", "def something_else"))
    with pytest.raises(DeployError, match=r"has no function delete\(endpoint_name\): delete thing-1 yourself"):
        PLATFORM.delete(deployed[0])
    script.write_text(with_delete.replace('(FOLDER / "deleted")', "(1 / 0)"))
    with pytest.raises(DeployError, match=r"mine\.py: ZeroDivisionError"):
        PLATFORM.delete(deployed[0])
    script.write_text(with_delete)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "raise RuntimeError('no quota for HF_TOKEN=hf_abcdefghijklmnopqrst')",
            r"RuntimeError: no quota for HF_TOKEN=<",
        ),
        ("raise SystemExit(3)", r"SystemExit: 3"),
        ("return None", r"ValueError: deploy\(\) returned no endpoint_name"),
        ("import os; os._exit(7)", r"exited with code 7"),
        ("return experiment_config['imageuri']", r"KeyError: 'imageuri'"),
    ],
)
def test_a_script_that_fails_says_why(body: str, said: str, context: MakeContext, tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(f"def deploy(experiment_config, role_arn):\n    {body}\n")
    given, notes = context(probe=answers)
    with pytest.raises(DeployError, match=said) as raised:
        PLATFORM.deploy(scripted(script), given)
    assert "hf_abcdefghijklmnopqrst" not in str(raised.value)
    assert notes.recorded[-1].status == "failed"
    notes.recorded.clear()  # its script deletes nothing
    assert notes.asked == []
    notes.recorded.clear()  # there is nothing to take down


def test_an_endpoint_that_does_not_answer_is_left_for_the_cleanup(script: Path, context: MakeContext) -> None:
    given, notes = context(probe=silent)
    with pytest.raises(DeployError, match="thing-1 says nothing"):
        PLATFORM.deploy(scripted(script), given)
    last = notes.recorded[-1]
    assert (last.status, last.owned, last.deleted_at) == ("failed", True, None)
    assert PLATFORM.delete(last).status == "deleted"
    assert (script.parent / "deleted").read_text() == "thing-1"


def test_a_script_that_still_deploys_is_ended_and_reported(tmp_path: Path) -> None:
    waiting = [sys.executable, "-c", "import sys; sys.stdin.read(); import time; time.sleep(60)"]
    mark = process.start_held(waiting, log_file=tmp_path / "log", env={})
    run = {"pid": mark.pid, "started": mark.started, "booted": mark.booted, "script": "mine.py"}
    endpoint = Endpoint("exp", "user_script", owned=True, resources=({**run, "result": str(tmp_path / "none.json")},))
    with pytest.raises(DeployError, match="was ended while it deployed"):
        PLATFORM.delete(endpoint)
    assert not process.running(mark)


def test_a_process_without_its_parent_deploys_nothing(script: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "fmbench_lib.deploy.user_script.deploy_program",
        str(script.parent / "result.json"),
    ]
    subprocess.run(command, stdin=subprocess.DEVNULL, check=True)
    assert not (script.parent / "deployed").exists()
    assert not (script.parent / "result.json").exists()


def test_an_endpoint_that_is_not_deployed_is_used_by_its_name_and_never_deleted(context: MakeContext) -> None:
    given, notes = context(probe=answers)
    endpoint = PLATFORM.deploy(scripted(None, ep_name="theirs", inference_script="mine.py"), given)
    assert (endpoint.urls, endpoint.owned, notes.asked) == (("theirs",), False, ["theirs"])
    assert PLATFORM.delete(endpoint) == endpoint
    assert PLATFORM.plan(scripted(None, model_id="m", inference_script="mine.py")).endswith("by mine.py: m")


def test_an_address_that_a_script_returns_is_probed_by_the_protocol(script: Path, context: MakeContext) -> None:
    script.write_text(SCRIPT.replace('"thing-1"', '"http://127.0.0.1:9/v1/chat/completions"'))
    given, notes = context(probe=answers)
    endpoint = PLATFORM.deploy(scripted(script, protocol="openai"), given)
    assert endpoint.urls == ("http://127.0.0.1:9/v1/chat/completions",)
    assert (endpoint.platform, endpoint.owned, len(endpoint.resources)) == ("user_script", True, 1)
    assert [one.platform for one in notes.recorded] == ["user_script", "user_script"]


HUNG = """
import subprocess, sys, time
from pathlib import Path

def deploy(experiment_config, role_arn):
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    Path(__file__).with_name("child").write_text(str(child.pid))
    time.sleep(600)
"""


def test_a_deployment_that_hangs_is_ended_with_what_it_has_started(
    script: Path, context: MakeContext, tmp_path: Path
) -> None:
    script.write_text(HUNG)
    given, notes = context(probe=answers)
    experiment = scripted(script, inference_spec={"model_loading_timeout": 2.0})
    with pytest.raises(DeployError, match=r"deploy\(\) of .*mine.py did not return within 2 s and was ended"):
        PLATFORM.deploy(experiment, given)
    child = int((tmp_path / "child").read_text())
    assert not psutil.pid_exists(child) or psutil.Process(child).status() == psutil.STATUS_ZOMBIE
    assert notes.recorded[-1].status == "failed"
    notes.recorded.clear()  # its script deletes nothing
