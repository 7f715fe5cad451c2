"""What SkyPilot's answers mean, and that a machine counts as deleted only when it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fmbench_lib.errors import DeployError, InputError
from fmbench_lib.fleet import sky_command
from fmbench_lib.fleet.sky_command import check_answers, job_state, launch, status_of, take_down


@pytest.fixture
def sky(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `sky` that answers each command by a script of its own: `down`, `status`, `logs`, `api`, `launch`."""
    path = tmp_path / "sky"
    path.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncommand="$1"; shift; . {tmp_path}/$command\n')
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    answer(tmp_path, api='echo "[]"', status='echo "[]"', down="echo done")
    return tmp_path


def answer(folder: Path, **scripts: str) -> None:
    for command, script in scripts.items():
        (folder / command).write_text(script + "\n")


def pause(_seconds: float) -> None:
    return


@pytest.mark.parametrize(
    ("code", "state"),
    [(0, "succeeded"), (100, "failed"), (101, "running"), (102, "absent"), (103, "failed"), (1, "unknown")],
)
def test_the_state_of_a_job_is_the_exit_code(code: int, state: str, sky: Path) -> None:
    answer(sky, logs=f"exit {code}")
    assert job_state("m") == state


def test_a_status_is_read_among_other_lines_and_of_this_machine_alone(sky: Path) -> None:
    listed = '[\n  {\n    "name": "m-2",\n    "status": "UP"\n  },\n  {\n    "name": "m",\n    "status": "INIT"\n  }\n]'
    answer(sky, status=f"printf '\\033[1mstarting the API server\\033[0m\\n'\ncat <<X\n{listed}\nX\necho hint")
    assert (status_of("m"), status_of("m-3")) == ("INIT", None)


@pytest.mark.parametrize("script", ["exit 1", "echo nothing", "printf '[\\n{\\n]\\n'", "printf '[\\n1\\n]\\n'"])
def test_an_answer_that_is_none_does_not_mean_that_the_machine_is_gone(script: str, sky: Path) -> None:
    answer(sky, status=script)
    with pytest.raises(DeployError, match="exit code"):
        take_down("m", pause)


def test_a_machine_that_stays_is_not_reported_as_deleted(sky: Path) -> None:
    answer(sky, status='printf \'[\\n{"name": "m", "status": "UP"}\\n]\\n\'', down="echo Cluster failed; exit 0")
    with pytest.raises(DeployError, match="SkyPilot has not deleted m: Cluster failed; `sky down m` tries it again"):
        take_down("m", pause)


def test_a_launch_that_is_still_asked_for_is_cancelled_before_the_machine_counts_as_gone(sky: Path) -> None:
    launching = (
        'printf \'[\\n{"request_id": "r1", "name": "sky.launch"},\\n{"request_id": "r2", "name": "sky.status"}\\n]\\n\''
    )
    cancelled = (
        f'if [ "$1" = cancel ]; then rm {sky}/asked; elif [ -e {sky}/asked ]; then {launching}; else echo "[]"; fi'
    )
    (sky / "asked").touch()
    answer(sky, api=cancelled)
    take_down("m", pause)
    calls = (sky / "calls").read_text().splitlines()
    assert "api cancel --yes r1" in calls
    assert [call for call in calls if call.startswith("down")] == ["down --yes m"]
    assert sum(call.startswith("status") for call in calls[calls.index("down --yes m") :]) == 2


def test_a_launch_that_fails_says_why_and_shows_no_secret(sky: Path) -> None:
    answer(sky, launch="echo no capacity for g5 >&2; exit 1")
    with pytest.raises(DeployError, match="SkyPilot did not start it: no capacity for g5"):
        launch("m", sky / "task.yml", sky / "log", {"TEST_KEY": "hidden"})
    assert (sky / "calls").read_text().split()[-3:-1] == ["--secret", "TEST_KEY"]


def test_a_launch_is_ended_once_the_run_is_stopped(sky: Path) -> None:
    answer(sky, launch=f"echo $$ > {sky}/pid; exec sleep 600")
    with pytest.raises(KeyboardInterrupt):
        launch("m", sky / "task.yml", sky / "log", {}, (sky / "pid").exists)
    with pytest.raises(ProcessLookupError):
        os.kill(int((sky / "pid").read_text()), 0)


@pytest.mark.parametrize(
    ("answers", "said"),
    [({"status": "echo hello"}, "hello"), ({"api": "echo No such option >&2; exit 2"}, "exit code 2: No such option")],
)
def test_a_skypilot_that_cannot_list_its_machines_starts_none(answers: dict[str, str], said: str, sky: Path) -> None:
    check_answers()
    answer(sky, **answers)
    with pytest.raises(InputError, match=f"no machine is started, .*{said}.* is written for SkyPilot 0.14"):
        check_answers()


@pytest.mark.parametrize("child", ["exec sleep 600", "sleep 600"])
def test_a_command_that_hangs_is_given_up_with_its_children(
    child: str, sky: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sky_command, "_ANSWER_S", 0.5)
    answer(sky, status=f"echo $$ > {sky}/pid; {child}", launch=f"echo $$ > {sky}/pid; {child}")
    with pytest.raises(DeployError, match=r"`sky status .* did not end within 0 s"):
        status_of("m")
    with pytest.raises(DeployError, match=r"`sky launch .* did not end within 1 s"):
        launch("m", sky / "task.yml", sky / "log", {}, seconds=0.7)
    with pytest.raises(ProcessLookupError):
        os.killpg(int((sky / "pid").read_text()), 0)


def test_who_waits_for_an_answer_can_be_stopped(sky: Path) -> None:
    answer(sky, logs=f"touch {sky}/asked; exec sleep 600")
    with pytest.raises(KeyboardInterrupt):
        job_state("m", (sky / "asked").exists)


def test_without_skypilot_a_machine_is_not_said_to_be_gone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(DeployError, match=r"`sky` is not on the PATH: pip install 'fmbench-lib\[skypilot\]'"):
        take_down("m", pause)
