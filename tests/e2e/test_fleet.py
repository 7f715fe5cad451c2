"""Fleets on a recorded SkyPilot: whatever ends one, no machine is left, and what was measured is in one report."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from fmbench_lib.cli.commands import main
from fmbench_lib.cli.fleet_command import fleet_command
from fmbench_lib.cli.parser import parser
from fmbench_lib.cli.status_lines import status_lines
from fmbench_lib.fleet import sky_command
from fmbench_lib.pipeline import plain_steps
from fmbench_lib.runs.fleet_record import is_fleet
from fmbench_lib.runs.run_orders import give_order
from fmbench_lib.runs.run_status import standing_of
from fmbench_lib.workspace import Workspace
from tests.e2e.conftest import command, environment
from tests.e2e.running import wait_until
from tests.fleet import recorded_sky

MEASURING = Path(recorded_sky.__file__).with_name("measuring_machine.py")
PRICES = {"g5.2xlarge": {"hourly": 1.2, "spot": 0.5}, "g6.2xlarge": 0.9}


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The state of a recorded SkyPilot, whose `sky` and `ssh` are first on the PATH."""
    state = tmp_path / "sky"
    (state / "machines").mkdir(parents=True)
    recorded_sky.install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("SKY_STATE", str(state))
    monkeypatch.setenv("SKY_FMBENCH", str(MEASURING))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr(recorded_sky, "STATE", state)
    yield state
    for facts in recorded_sky.machines().values():
        recorded_sky.kill(facts["pid"])


@pytest.fixture
def reported(tmp_path: Path, write_config: Callable[..., Path]) -> Path:
    """Two experiments that share a machine, and one on another."""
    (tmp_path / "model.gguf").write_bytes(b"GGUF\x03\0\0\0" + bytes(16))
    served = {"platform": "local", "model_id": "model.gguf", "concurrency_levels": [1, 2]}
    types = {"small": "g5.2xlarge", "large": "g5.2xlarge", "other": "g6.2xlarge"}
    experiments = [{**served, "name": name, "instance_type": kind} for name, kind in types.items()]
    return write_config(
        experiments, pricing=PRICES, load={"requests": 80, "prompt_reuse": "allowed"}, aws={"price_lookup": False}
    )


@pytest.fixture
def config(reported: Path) -> Path:
    """The same without a report."""
    content = yaml.safe_load(reported.read_text())
    reported.write_text(yaml.safe_dump({**content, "run_steps": {"4_model_metric_analysis": False}}))
    return reported


def plan(sky: Path, **kinds: dict[str, Any]) -> None:
    (sky / "plan.json").write_text(json.dumps({name.replace("_", "."): facts for name, facts in kinds.items()}))


def fleet(config: Path, *words: str) -> int:
    return main(["fleet", str(config), "--results-dir", str(config.parent / "results"), *words])


def run_of(config: Path) -> Workspace:
    (found,) = (config.parent / "results").glob("*/*Z*")
    return Workspace(found)


def levels(run: Workspace) -> list[str]:
    return [f"{path.parent.parent.name}/{path.stem}" for path in run.levels()]


def summary(run: Workspace) -> Any:
    return json.loads(run.summary_file.read_text())


ALL = [f"{name}/concurrency-{load}" for name in ("large", "other", "small") for load in (1, 2)]


@pytest.mark.thorough
def test_all_machines_measure_into_one_report_and_are_deleted(
    reported: Path, sky: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ec2 = ThreadedMotoServer(port=0)
    ec2.start()
    host, port = ec2.get_host_and_port()
    address = f"http://{host}:{port}"
    monkeypatch.setenv("AWS_ENDPOINT_URL", address)
    try:
        code = fleet(reported, "--disk", "300")
        client = boto3.client(
            "ec2", "us-east-1", endpoint_url=address, aws_access_key_id="x", aws_secret_access_key="x"
        )
        found = [one for group in client.describe_instances()["Reservations"] for one in group["Instances"]]
    finally:
        ec2.stop()
    out, err = capsys.readouterr()
    assert err == ""
    assert code == 0
    run = run_of(reported)
    assert sorted((one["InstanceType"], one["State"]["Name"]) for one in found) == [
        ("g5.2xlarge", "terminated"),
        ("g6.2xlarge", "terminated"),
    ]
    assert recorded_sky.machines() == {}
    assert levels(run) == ALL
    rows = {(row["experiment_name"], row["concurrency"]): row for row in summary(run)["levels"]}
    assert len(rows) == 6
    assert {row["instance_type"] for row in rows.values()} == {"m7a.xlarge"}  # what the made levels say
    assert "machine-1 (g5.2xlarge): fmbench-machine-1-" in out
    assert code in (0, 1)
    assert json.loads(run.run_file.read_text())["status"] == "finished"
    report = run.report_file.read_text()
    assert "small, large: served and measured on machine-1 (g5.2xlarge)" in report
    known = json.loads(run.endpoints_file.read_text())
    assert {name: facts["status"] for name, facts in known.items()} == dict.fromkeys(
        ("machine-1 (g5.2xlarge)", "machine-2 (g6.2xlarge)", "small", "large", "other"), "deleted"
    )


@pytest.mark.thorough
def test_a_machine_that_cannot_be_started_costs_its_experiments_alone(
    reported: Path, sky: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(sky, g5_2xlarge={"launch": "fail"})
    assert fleet(reported) == 1
    run = run_of(reported)
    assert (recorded_sky.machines(), levels(run)) == ({}, ALL[2:4])
    attention = summary(run)["attention"]
    for name in ("small", "large"):
        (line,) = [line for line in attention if line.startswith(f"{name} was not deployed")]
        assert "machine-1 (g5.2xlarge): SkyPilot did not start it: " in line
        assert "Failed to provision g5.2xlarge" in line
    capsys.readouterr()
    # what was missing is measured by the next machine, and nothing twice
    plan(sky)
    written = {path: path.stat().st_mtime_ns for path in run.levels()}
    assert main(["--resume", str(run.path)]) in (0, 1)
    assert levels(run) == ALL
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert recorded_sky.machines() == {}
    assert not any("was not deployed" in line for line in summary(run)["attention"])


@pytest.mark.thorough
def test_a_job_that_fails_half_way_leaves_what_it_has_measured(config: Path, sky: Path) -> None:
    plan(sky, g5_2xlarge={"levels": 3, "exit": 7})
    assert fleet(config) == 1
    run = run_of(config)
    assert (recorded_sky.machines(), len(levels(run))) == ({}, 5)
    (missing,) = run.failed_levels()
    assert missing["error"].startswith("machine-1 (g5.2xlarge): its job failed")
    assert "the model did not fit" in missing["error"]
    plan(sky)
    main(["--resume", str(run.path)])
    assert (levels(run), run.failed_levels()) == (ALL, [])


def both_reached(sky: Path, point: str) -> bool:
    return len(list(sky.glob(f"reached/{point}-*.json"))) == 2


def interrupt_when_reached(sky: Path, point: str, times: int = 1) -> threading.Thread:
    def interrupt() -> None:
        wait_until(lambda: both_reached(sky, point))
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


@pytest.mark.parametrize("point", ["launch", pytest.param("job", marks=pytest.mark.thorough)])
def test_ctrl_c_deletes_every_machine(point: str, config: Path, sky: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plan(sky, g5_2xlarge={"hang": point}, g6_2xlarge={"hang": point})
    thread = interrupt_when_reached(sky, point)
    assert fleet(config) == 130
    thread.join()
    run = run_of(config)
    assert (recorded_sky.machines(), list(sky.glob("requests/*"))) == ({}, [])
    assert "continue it with: fmbench --resume" in capsys.readouterr().err
    assert json.loads(run.run_file.read_text())["status"] == "interrupted"
    assert levels(run) == (ALL if point == "job" else [])  # what was measured by then counts


def test_stop_ends_a_fleet_as_ctrl_c_does_and_status_follows_it(
    config: Path, sky: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan(sky, g5_2xlarge={"hang": "job"}, g6_2xlarge={"hang": "job"})
    shown: list[str] = []

    def stop() -> None:
        wait_until(lambda: both_reached(sky, "job"))
        run = run_of(config)
        wait_until(lambda: all(run.machine(f"machine-{number}").last_line.exists() for number in (1, 2)))
        shown.extend(status_lines(standing_of(run)))
        give_order(run, "stop")

    thread = threading.Thread(target=stop)
    thread.start()
    assert fleet(config) == 130
    thread.join()
    assert len([line for line in shown if " measuring for " in line and "; there: key: None" in line]) == 2
    run = run_of(config)
    assert (recorded_sky.machines(), levels(run)) == ({}, ALL)
    printed = capsys.readouterr()
    assert "bringing back what it has measured" in printed.out
    assert "3_run_inference: stopped by `fmbench stop`" in printed.err
    assert [machine.condition for machine in standing_of(run).machines] == ["deleted", "deleted"]


@pytest.mark.parametrize("what", ["echo hello", "exec sleep 600"])
def test_a_skypilot_that_does_not_answer_starts_no_machine(
    what: str, config: Path, sky: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sky_command, "_ANSWER_S", 1.0)
    (config.parent / "bin/sky").write_text(f"#!/bin/sh\n{what}\n")
    assert fleet(config) == 2
    assert "0_setup: InputError: no machine is started, as SkyPilot could not say which" in capsys.readouterr().err
    assert not list((config.parent / "results").glob("*/*Z*"))


def test_a_run_is_known_as_a_fleets_before_its_first_step(
    config: Path, sky: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def died(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(plain_steps, "run_plain_steps", died)
    with pytest.raises(KeyboardInterrupt):
        fleet_command(parser().parse_args(["fleet", str(config), "--results-dir", str(config.parent / "results")]))
    assert is_fleet(run_of(config))


@pytest.mark.parametrize("what", ["./nothere.whl", "~/nothere", "nothere-1.0-py3-none-any.whl"])
def test_what_machines_cannot_install_is_refused_before_any(
    what: str, config: Path, sky: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fleet(config, "--install", what) == 2
    assert f"--install {what}: there is no such wheel or checkout" in capsys.readouterr().err
    assert not (config.parent / "results").exists()


def killed(config: Path, sky: Path, point: str) -> Workspace:
    """A run of a fleet whose process was killed when both machines had reached a point."""
    plan(sky, g5_2xlarge={"hang": point}, g6_2xlarge={"hang": point})
    words = ("fleet", config, "--results-dir", config.parent / "results")
    process = subprocess.Popen(command(*words), env=environment(), stdout=subprocess.DEVNULL, start_new_session=True)
    wait_until(lambda: both_reached(sky, point))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return run_of(config)


@pytest.mark.parametrize("point", ["launch", pytest.param("job", marks=pytest.mark.thorough)])
def test_cleanup_after_kill_9_deletes_every_machine_also_without_the_run(
    point: str, config: Path, sky: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = killed(config, sky, point)
    assert main(["cleanup"]) == 0
    assert capsys.readouterr().out.count("still running and costing money: machine-") == 2
    written = config.read_text()
    config.write_text(written.replace("max_tokens: 5", "max_tokens: 6"))
    assert main(["--resume", str(run.path)]) == 2
    refused = capsys.readouterr().err
    assert "has changed since run" in refused
    assert refused.count("still running and costing money: machine-") == 2
    if point == "launch":
        shutil.rmtree(run.path)
    assert main(["cleanup", str(run.path)]) == 0
    assert (recorded_sky.machines(), list(sky.glob("requests/*"))) == ({}, [])
    assert main(["cleanup"]) == 0
    assert "no run of this machine has left anything standing" in capsys.readouterr().out


@pytest.mark.thorough
def test_resume_after_kill_9_goes_on_with_the_machines_that_are_up(config: Path, sky: Path) -> None:
    run = killed(config, sky, "job")
    before = set(recorded_sky.machines())
    plan(sky)
    for name, facts in recorded_sky.machines().items():  # the jobs end while nobody waits for them
        recorded_sky.kill(facts["pid"])
        recorded_sky.write("machines", name, {**facts, "job": "SUCCEEDED"})
    assert main(["--resume", str(run.path)]) == 0
    assert (levels(run), recorded_sky.machines()) == (ALL, {})
    launched = {call[call.index("--cluster") + 1] for call in recorded_sky.calls() if call[0] == "launch"}
    assert launched == before


@pytest.mark.thorough
def test_a_machine_that_cannot_be_deleted_at_first_is_tried_again(config: Path, sky: Path) -> None:
    plan(sky, g5_2xlarge={"failed_downs": 2})
    assert fleet(config) in (0, 1)
    assert recorded_sky.machines() == {}


@pytest.mark.thorough
def test_without_skypilot_the_commands_are_printed_and_their_results_reported(
    config: Path, sky: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"].partition(os.pathsep)[2])
    assert fleet(config) == 1
    printed = capsys.readouterr()
    assert "nothing was measured, as there is no command `sky`" in printed.err
    run = run_of(config)
    lines = [line.strip() for line in printed.out.splitlines() if line.startswith("  ")]
    assert sum(line.startswith("sky launch --yes --cluster fmbench-machine-") for line in lines) == 2
    # a person does it by hand on machines of their own
    for number in (1, 2):
        files = run.machine(f"machine-{number}")
        home = tmp_path / f"home-{number}"
        shutil.copytree(files.input, home / "fmbench-machine")
        program = home / "fmbench-venv/bin/fmbench"
        program.parent.mkdir(parents=True)
        program.write_text(f'#!/bin/sh\nexec "{command()[0]}" "{MEASURING}" "$@"\n')
        program.chmod(0o755)
        measured = ["bash", str(home / "fmbench-machine/measure.sh")]
        subprocess.run(measured, env={**environment(), "HOME": str(home), "SKY_PLAN": "{}"}, check=True)
        shutil.copytree(home / "fmbench-machine/results", files.output)
    assert main(["--resume", str(run.path)]) in (0, 1)
    assert levels(run) == ALL


@pytest.mark.thorough
def test_keys_travel_in_the_environment_and_nowhere_else(
    config: Path, sky: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = yaml.safe_load(config.read_text())
    content["experiments"][2]["api_key_env"] = "TEST_KEY"
    config.write_text(yaml.safe_dump(content))
    monkeypatch.setenv("TEST_KEY", "sk-travels-alone-0123456789")
    fleet(config)
    run = run_of(config)
    assert ["--secret", "TEST_KEY"] in [call[5:7] for call in recorded_sky.calls() if call[0] == "launch"]
    for path in (path for path in run.path.rglob("*") if path.is_file()):
        if "output" not in path.parts:
            assert b"sk-travels-alone" not in path.read_bytes(), path
